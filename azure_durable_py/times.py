"""Times are UTC."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from functools import lru_cache

UTC = timezone.utc


def utc(value: datetime) -> datetime:
    """The same moment in UTC; a naive datetime is taken to be UTC already."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


@lru_cache(256)  # What one turn writes has one time, and to write it out is a third of what an event costs.
def to_iso(moment: datetime) -> str:
    """A moment as all JSON of this package has it: UTC, in ISO 8601 with microseconds and Z."""
    # Behind the microseconds is the offset of UTC.
    return (moment if moment.tzinfo is UTC else utc(moment)).isoformat(timespec="microseconds")[:26] + "Z"


def from_iso(text: str) -> datetime:
    """The moment that a text in ISO 8601 names; without an offset it is naive.

    :raises ValueError: it names none.
    """
    # Before Python 3.11 there is no Z, and a fraction has 3 or 6 digits.
    text = re.sub(r"[zZ]$", "+00:00", text)
    return datetime.fromisoformat(re.sub(r"\.(\d{1,6})\d*", lambda found: f".{found[1]:0<6}", text))
