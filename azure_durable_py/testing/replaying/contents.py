"""What a decision says beside its kind and its name, and what it means that today's code says something else.

Owns the question whether the answer that is recorded, or is to come, still belongs to what the code asks. Kinds and
names are compared by the replay itself. Production keeps what was recorded and compares no more, so nothing fails
there: the code takes the answer for that to another question.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias, cast

from azure_durable_py.client.redaction import placeholder
from azure_durable_py.history.events import (
    ANSWERED,
    Decision,
    EntityOperationCalled,
    EntityOperationSignaled,
    EventSent,
    PayloadRef,
    SubOrchestrationCreated,
    TaskScheduled,
    TimerCreated,
)
from azure_durable_py.runtime.determinism import Altered, describe, short
from azure_durable_py.times import to_iso

Same: TypeAlias = Callable[[Any, Any], bool]
"""Whether two values that are no objects and no lists are the same: the recorded one, and the one of today."""

_CONTENTS: dict[type[Decision], tuple[str, ...]] = {
    TaskScheduled: ("input",),
    SubOrchestrationCreated: ("input",),
    EntityOperationCalled: ("input",),
    EntityOperationSignaled: ("input", "signal_time"),
    EventSent: ("data",),
    TimerCreated: ("fire_at",),
}
_QUESTIONS = tuple(kind for kind in ANSWERED.values() if "input" in _CONTENTS.get(kind, ()))
"""Kinds of decisions with an input and an answer."""
_ANOTHER_QUESTION = (
    "An instance in flight would not fail: it takes the answer to what was recorded for that to what the code asks "
    "now. Give instances in flight the code that they started with (versions); if the answer fits all the same, say so "
    "(`--allow-changed-inputs`, `allow_changed_inputs=True`)."
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One decision that says something else.

    `sign` tells it without the values, as all histories have it in which it is the same one.
    """

    altered: Altered
    field: str
    is_another_question: bool

    @property
    def sign(self) -> str:
        """What it is, and where in the code."""
        return f"{self.field} of {describe(self.altered.made)} at {self.altered.place}"

    def __str__(self) -> str:
        altered = self.altered
        recorded, made = (_shown(getattr(one, self.field)) for one in (altered.recorded, altered.made))
        subject = f"{describe(altered.made)} with {self.field}"
        return (
            f"  history event {altered.position}: {subject} {short(recorded, made)}\n"
            f"  the code did: {subject} {short(made, recorded)}\n"
            f"  at {altered.place}"
        )


def differences(altered: Sequence[Altered], *, is_redacted: bool, unread_from: int) -> list[Difference]:
    """Those decisions that say something else indeed, however it is written.

    :param is_redacted: values of the history were replaced: what may have been replaced is the same.
    :param unread_from: the position in the history from which on nobody reads answers any more: the code has ended.
    """
    same = _same_but_for_redaction if is_redacted else _same
    return [found for one in altered for found in _differences_of(one, same, is_read=one.position < unread_from)]


def told(found: Sequence[Difference]) -> str:
    """Differences as a message: the first of the gravest in full, and how many more there are."""
    first = next((one for one in found if one.is_another_question), found[0])
    lines = [str(first)]
    if len(found) > 1:
        more = len(found) - 1
        lines.append(f"and {more} more that {'says' if more == 1 else 'say'} something else.")
    if first.is_another_question:
        lines = ["An answer belongs to another question: the input of a call is not the recorded one.", *lines]
        lines.append(_ANOTHER_QUESTION)
    return "\n".join(lines)


def _differences_of(altered: Altered, same: Same, *, is_read: bool) -> Iterator[Difference]:
    for field in _CONTENTS.get(type(altered.made), ()):
        recorded, made = getattr(altered.recorded, field), getattr(altered.made, field)
        if isinstance(recorded, PayloadRef) or recorded == made:
            continue  # A value that is not at hand is compared with nothing.
        before, now = _value(recorded), _value(made)
        if not _is_kept(before, now, same, exactly=True):
            is_question = is_read and isinstance(altered.made, _QUESTIONS)
            yield Difference(altered, field, is_question and not _is_kept(before, now, same, exactly=False))


def _is_kept(before: Any, now: Any, same: Same, *, exactly: bool) -> bool:
    """Whether all of a value is in another. Objects may have further fields there, unless it is to be that exactly."""
    if isinstance(before, dict) and isinstance(now, dict):
        old, new = cast("dict[str, Any]", before), cast("dict[str, Any]", now)
        return (old.keys() == new.keys() if exactly else old.keys() <= new.keys()) and all(
            _is_kept(value, new[key], same, exactly=exactly) for key, value in old.items()
        )
    if isinstance(before, list) and isinstance(now, list):
        first, second = cast("list[Any]", before), cast("list[Any]", now)
        return len(first) == len(second) and all(
            _is_kept(one, other, same, exactly=exactly) for one, other in zip(first, second, strict=True)
        )
    return same(before, now)


def _same(before: Any, now: Any) -> bool:
    """To Python, true is 1; to JSON it is not."""
    return before == now and isinstance(before, bool) == isinstance(now, bool)


def _same_but_for_redaction(before: Any, now: Any) -> bool:
    """Whether the one may be the other with replaced values in it.

    The code of today is given the replaced ones, and comes to other texts than were recorded where it does more with
    them than putting them together; what it says by itself was replaced where it stands under a name that was given;
    from replaced numbers and times it counts to any others.
    """
    if isinstance(before, str) and isinstance(now, str):
        old, made = _value(before), _value(now)
        if isinstance(old, (dict, list)) and isinstance(made, (dict, list)):
            return _is_kept(old, made, _same_but_for_redaction, exactly=True)
        return len(before) == len(now) and all(
            new in (old, old_mark) or old == new_mark
            for old, new, old_mark, new_mark in zip(before, now, placeholder(before), placeholder(now), strict=True)
        )
    return _same(before, now) or (_is_counted(before) and _is_counted(now))


def _is_counted(value: Any) -> bool:
    return isinstance(value, (int, float, datetime)) and not isinstance(value, bool)


def _value(content: Any) -> Any:
    """What a JSON text says, however it is written. A converter of one's own may write other texts."""
    if not isinstance(content, str):
        return content
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content


def _shown(content: Any) -> str:
    if isinstance(content, datetime):
        return to_iso(content)
    return "null" if content is None else str(content)
