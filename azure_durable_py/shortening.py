"""Cuts failures to a budget as a whole, so that what tells of a failure can always be stored and sent.

A failure grows on its way up: every level repeats the message of the one below, in its own message and in its stack
trace. Owns the rule of what is kept when not all of it can be: the outermost message, the innermost cause, the end of
stack traces, and the types of the causes, by which orchestrators match.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.codec import encode_failure

MAX_FAILURE_BYTES = 24_000
"""Largest failure with all that it wraps, as UTF-8 JSON: half of an inbox row, whose envelope needs room too."""
MAX_LINKS = 100
_MARK = " ..."
# How many characters a text that helps most gets for each of any other text.
_WEIGHT = 4


def shorten(failure: FailureDetails, budget: int = MAX_FAILURE_BYTES) -> FailureDetails:
    """The failure if it fits the budget, else as much of it as fits. Always Unicode text.

    :param budget: bytes of its JSON, at least 6,000.
    """
    links = _unchained(failure)
    if len(links) <= MAX_LINKS and sum(map(_chars, links)) <= budget:
        whole = _chained(map(_as_unicode, links))
        if failure_bytes(whole) <= budget:
            return whole
    links = [_as_unicode(_without_excess(link, budget)) for link in links]
    fits, too_much = 0, budget
    while too_much - fits > 1:
        room = (fits + too_much) // 2
        if failure_bytes(_cut_to(links, room)) <= budget:
            fits = room
        else:
            too_much = room
    return _cut_to(links, fits)


def failure_bytes(failure: FailureDetails) -> int:
    """What a failure takes in a row, in bytes."""
    return len(json.dumps(encode_failure(failure), ensure_ascii=False, separators=(",", ":")).encode())


def shorten_text(text: str, chars: int, *, keep_end: bool = False) -> str:
    """The text if it has at most so many characters, else its begin (or its end) and a mark, together as long."""
    if len(text) <= chars:
        return text
    kept = max(0, chars - len(_MARK))
    if keep_end:
        return f"{_MARK.strip()} {text[len(text) - kept :]}"[:chars]
    return f"{text[:kept]}{_MARK}"[:chars]


def _unchained(failure: FailureDetails) -> list[FailureDetails]:
    """The failure and its causes, outermost first, each without what it wraps."""
    links: list[FailureDetails] = []
    link: FailureDetails | None = failure
    while link is not None:
        links.append(replace(link, inner_failure=None))
        link = link.inner_failure
    return links


def _chained(links: Iterable[FailureDetails]) -> FailureDetails:
    whole: FailureDetails | None = None
    for link in reversed(list(links)):
        whole = replace(link, inner_failure=whole)
    assert whole is not None
    return whole


def _chars(link: FailureDetails) -> int:
    return len(link.message) + len(link.stack_trace or "") + len(link.error_type) + sum(map(len, link.base_types))


def _without_excess(link: FailureDetails, longest: int) -> FailureDetails:
    """No text so long that looking at it costs much."""
    stack = link.stack_trace
    return replace(
        link,
        message=shorten_text(link.message, longest),
        error_type=shorten_text(link.error_type, longest),
        stack_trace=None if stack is None else shorten_text(stack, longest, keep_end=True),
        base_types=tuple(shorten_text(name, longest) for name in link.base_types[:longest]),
    )


def _as_unicode(link: FailureDetails) -> FailureDetails:
    stack = link.stack_trace
    return replace(
        link,
        message=_unicode(link.message),
        error_type=_unicode(link.error_type),
        stack_trace=None if stack is None else _unicode(stack),
        base_types=tuple(map(_unicode, link.base_types)),
    )


def _unicode(text: str) -> str:
    """Exceptions may carry halves of characters, which no store keeps: they are written out."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _cut_to(links: list[FailureDetails], room: int) -> FailureDetails:
    """The chain with `room` characters for each of its texts. More room never makes less of anything."""
    kept = min(len(links), 2 + room // 16, MAX_LINKS)
    outer, gap = -(-kept // 2), len(links) - kept
    cut = [
        _cut(link, room, first=at == 0, last=at == len(links) - 1)
        for at, link in enumerate(links)
        if at < outer or at >= outer + gap
    ]
    if gap:
        told = f"\n... {gap} causes between this one and the next are left out."
        cut[outer - 1] = replace(cut[outer - 1], stack_trace=(cut[outer - 1].stack_trace or "") + told)
    return _chained(cut)


def _cut(link: FailureDetails, room: int, *, first: bool, last: bool) -> FailureDetails:
    more = _WEIGHT * room
    stack = link.stack_trace
    return replace(
        link,
        message=shorten_text(link.message, more if first or last else room),
        stack_trace=None if stack is None else shorten_text(stack, more if last else room, keep_end=True),
        error_type=shorten_text(link.error_type, 128 + room),
        base_types=tuple(shorten_text(name, 64 + room) for name in link.base_types[: 4 + room // 16]),
    )
