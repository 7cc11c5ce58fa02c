"""Instances as people look for them: the newest first or by id, by more criteria than a store has, page by page.

Theory of operation
-------------------
Stores list in the order of ids (that in SQLite in that of creation where one goes by name or time). What is newest is
found by asking for windows of creation times, from now backwards: the first has no beginning; one that holds more than
is worth to sort is narrowed, one that holds too few is followed by a wider one. Each request goes through a bounded
number of headers; what it did not come to, the next one does, by the token. A page may be short, or empty.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from azure_durable_py import shape
from azure_durable_py.errors import InvalidRequestError
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import InstanceQuery, Listed
from azure_durable_py.times import UTC

MOST_EXAMINED = 10_000
"""Headers that one request goes through."""
MOST_SORTED = 2_000
"""Headers of one window that are sorted."""
_PAGE = 1_000
_FIRST_WINDOW = timedelta(hours=1)
_LEAST_WINDOW = timedelta(milliseconds=1)
_GROWTH = 16
_MOMENT = timedelta(microseconds=1)
_LONG_AGO = datetime(1971, 1, 1, tzinfo=UTC)

Accepts = Callable[[Listed], bool]


@dataclass(frozen=True, slots=True)
class ListedPage:
    """A page of a listing. No token: it was the last. `examined` headers were gone through for it.

    `window` is how much time was looked at first, without too many in it: who asks for the same again begins with it.
    """

    items: tuple[Listed, ...]
    token: str | None
    examined: int
    window: timedelta | None = None


# --- by id -------------------------------------------------------------------------------------------


async def list_by_id(
    hub: TaskHub, query: InstanceQuery, accepts: Accepts | None, top: int, token: str | None
) -> ListedPage:
    """A page in the order of the store.

    :param query: what the store is asked for.
    :param accepts: what else must hold; None: nothing.
    :param top: how many instances at most.
    :param token: of the page before.
    :raises InvalidRequestError: the token is none of this listing and this hub.
    """
    place, skip = (None, 0) if token is None else _read_token(token, "id", _PLACE)
    size = top if accepts is None else _PAGE
    items: list[Listed] = []
    examined = 0
    while True:
        page = await hub.reliable.query(replace(query, page_size=size, continuation_token=place))
        for at, item in enumerate(page.items[skip:], skip + 1):
            examined += 1
            if accepts is None or item.damaged or accepts(item):
                items.append(item)
                if len(items) == top and at < len(page.items):
                    return ListedPage(tuple(items), _token("id", [place, at]), examined)
        place, skip = page.continuation_token, 0
        if place is None:
            return ListedPage(tuple(items), None, examined)
        if len(items) >= top or examined >= MOST_EXAMINED:
            return ListedPage(tuple(items), _token("id", [place, 0]), examined)


# --- the newest first --------------------------------------------------------------------------------


class _Newest:
    """The way back through time of one request."""

    def __init__(
        self, hub: TaskHub, query: InstanceQuery, accepts: Accepts | None, top: int, width: timedelta | None
    ) -> None:
        self._hub = hub
        self._query = query
        self._accepts = accepts
        self._top = top
        self._floor = query.created_from
        self._width: timedelta | None = width
        self._looked = 0
        self.first: timedelta | None = None
        self.items: list[Listed] = []
        self.examined = 0

    async def page(self, upper: datetime | None, after: str) -> str | None:
        """Fill `items`; returns the token to go on by, or None if there is no more.

        :param upper: nothing newer is wanted; None: nothing is newer.
        :param after: of what was created just then, only ids behind this one.
        """
        while True:
            low = self._low(upper)
            found, overflows = await self._window(low, upper)
            if overflows and self._narrow():
                continue
            self.first = self.first or self._width
            found.sort(key=lambda item: (-item.columns.created_time.timestamp(), item.instance_id))
            for at, item in enumerate(found):
                moment = item.columns.created_time
                if upper is not None and moment == upper and item.instance_id <= after:
                    continue
                self.items.append(item)
                if len(self.items) == self._top and (at + 1 < len(found) or low is not None):
                    return self._token(moment, item.instance_id)
            if low is None or low == self._floor:
                return None
            upper, after = low - _MOMENT, ""
            if self.examined >= MOST_EXAMINED:
                return self._token(upper, "")
            self._grow()

    def _token(self, upper: datetime, after: str) -> str:
        return _token("newest", [_micros(upper), after, 0 if self._width is None else self._width // _MOMENT])

    def _low(self, upper: datetime | None) -> datetime | None:
        """Where the window begins; None: it has no beginning."""
        top = self._hub.clock.now() if upper is None else upper
        if self._width is None or top - _LONG_AGO <= self._width:
            return self._floor
        low = top - self._width
        return low if self._floor is None else max(low, self._floor)

    def _narrow(self) -> bool:
        """Look at less at a time; False if that is not possible."""
        if self._width is None:
            self._width = _FIRST_WINDOW
        elif self._width > _LEAST_WINDOW:
            self._width = self._width / _GROWTH
        else:
            return False
        return True

    def _grow(self) -> None:
        """Look at so much at a time that it is likely to be just worth to sort."""
        if self._width is not None:
            factor = 0.6 * MOST_SORTED / max(1, self._looked)
            self._width = max(self._width * min(max(factor, 1 / _GROWTH), _GROWTH), _LEAST_WINDOW)

    async def _window(self, low: datetime | None, upper: datetime | None) -> tuple[list[Listed], bool]:
        query = replace(self._query, created_from=low, created_to=upper, page_size=_PAGE)
        found: list[Listed] = []
        looked = 0
        while True:
            page = await self._hub.reliable.query(query)
            looked += len(page.items)
            found += [item for item in page.items if self._accepts is None or item.damaged or self._accepts(item)]
            if page.continuation_token is None:
                self.examined += looked
                self._looked = looked
                return found, False
            if looked >= MOST_SORTED and (self._width is None or self._width > _LEAST_WINDOW):
                return found, True
            query = replace(query, continuation_token=page.continuation_token)


async def list_newest(
    hub: TaskHub,
    query: InstanceQuery,
    accepts: Accepts | None,
    top: int,
    token: str | None,
    window: timedelta | None = None,
) -> ListedPage:
    """A page with the newest first; the parameters are those of `list_by_id`.

    :param window: that of an earlier page, where one is known.
    :raises InvalidRequestError: the token is none of this listing.
    """
    upper, after = query.created_to, ""
    if token is not None:
        micros, after, width = _read_token(token, "newest", _MOMENT_AND_ID)
        upper = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)
        window = timedelta(microseconds=width) if width else None
    newest = _Newest(hub, query, accepts, top, window)
    rest = await newest.page(upper, after)
    return ListedPage(tuple(newest.items), rest, newest.examined, newest.first)


# --- tokens ------------------------------------------------------------------------------------------


def _token(order: str, place: Any) -> str:
    text = json.dumps([order, place], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read_token(token: str, order: str, place: shape.Reader[tuple[Any, ...]]) -> tuple[Any, ...]:
    try:
        found, where = _TOKEN(shape.parse(base64.b64decode(token, altchars=b"-_", validate=True)))
        if found == order:
            return tuple(place(where))
    except ValueError:
        pass
    raise InvalidRequestError(
        f"Parameter 'token' is {token[:80]!r}; accepted is one of a page before, in the same order."
    )


def _micros(moment: datetime) -> int:
    return (moment - datetime.fromtimestamp(0, UTC)) // _MOMENT


_TOKEN = shape.row(shape.text, shape.anything)
_PLACE = shape.row(shape.optional(shape.text), shape.whole(0, _PAGE))
_MICROS = shape.whole(0, 253_402_300_000_000_000)
_MOMENT_AND_ID = shape.row(_MICROS, shape.text, _MICROS)
