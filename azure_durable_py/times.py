"""Times are UTC."""

from __future__ import annotations

from datetime import datetime, timezone

UTC = timezone.utc


def utc(value: datetime) -> datetime:
    """The same moment in UTC; a naive datetime is taken to be UTC already."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
