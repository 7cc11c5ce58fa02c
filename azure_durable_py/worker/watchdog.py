"""Code that does not let go of the event loop is noticed, and in the end interrupted.

Theory of operation
-------------------
User code that runs on the event loop does so in *stretches*: from where the engine calls it to where it awaits what
is not there yet, returns or raises; of an orchestrator, over all that a turn shows to it. A thread of its own looks
four times a second whether the same stretch is still under way. After a second it says who keeps the loop, and where.
Past the limit it raises `Interruption` in the loop's thread, again and again until the stretch is over; then
`TurnTimeoutError` takes the place of whatever the code made of that.

An interruption must hit no code but that of its stretch. Only the thread aims, only at the current stretch, and while
it does `aiming` is up; a stretch is over when it is no longer current, nobody aims, and an interruption that is
under way is taken back. One that comes in between is caught where the stretch ends.

What the thread counts is its own looks: a process that was stopped, or a machine that slept, is not blamed on
whoever ran. While nothing runs the thread sleeps for good, and on a loop with virtual time there is none.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import inspect
import logging
import math
import sys
import sysconfig
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar, cast

from azure_durable_py.errors import TurnTimeoutError
from azure_durable_py.runtime.orchestration import CodeRunner

logger = logging.getLogger("azure_durable_py.worker")
T = TypeVar("T")
PERIOD = 0.25
NOTICE_AFTER = 1.0
DORMANT_AFTER = 5.0
MOST_SKIPS = 40
"""Looks at which code is spared because it stands where an interruption could leave a lock behind."""


class Interruption(BaseException):
    """Ends user code that keeps the event loop. Not an `Exception`, so that user code does not swallow it."""


@dataclass(slots=True, eq=False)
class _Stretch:
    what: Callable[[], str]
    limit: float
    outer: _Stretch | None
    tell_at: float
    seen: float = 0.0
    skips: int = 0
    interrupted_at: str = ""


class Watchdog:
    """Watches the event loop of one worker.

    :param limit: seconds after which a stretch of orchestrator or entity code is interrupted; 0: never.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit or math.inf
        self._ident: int | None = None
        self._pulse: _Pulse | None = None
        self._current: _Stretch | None = None
        self._aiming = False
        self._moved = False
        self._dormant = False
        self._stirred = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._last: _Stretch | None = None

    # --- on the event loop ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Watch the running event loop, if its time is real."""
        loop = asyncio.get_running_loop()
        if _is_virtual(loop):
            return
        self._pulse = _Pulse(loop, threading.get_ident())
        self.start_beside()

    def start_beside(self) -> None:
        """Watch what this runs in the current thread, whether or not an event loop is there."""
        self._ident = threading.get_ident()
        self._stopped.clear()
        self._thread = threading.Thread(target=self._watch, name="azure_durable_py watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._ident = None
        self._stopped.set()
        self._stirred.set()

    def runner(self, what: Callable[[], str]) -> CodeRunner:
        """What runs stretches of an orchestrator's code.

        :param what: says whose code it is, for people; called by another thread.
        """

        def run_code(code: Callable[[], T]) -> T:
            return self.run(code, what)

        return run_code

    def run(self, code: Callable[[], T], what: Callable[[], str], limit: float | None = None) -> T:
        """Run one stretch of user code.

        :param limit: seconds; None: the limit of turns.
        :raises TurnTimeoutError: it was interrupted.
        """
        if self._ident is None:
            return code()
        limit = self._limit if limit is None else limit
        stretch = self._current = _Stretch(what, limit, self._current, NOTICE_AFTER)
        self._moved = True
        if self._dormant:
            self._stirred.set()
        try:
            try:
                result = code()
            finally:
                self._leave(stretch)
        except Interruption:
            self._leave(stretch)
            raise _verdict(stretch) from None
        except BaseException:
            if stretch.interrupted_at:
                raise _verdict(stretch) from None
            raise
        if stretch.interrupted_at:
            raise _verdict(stretch)
        return result

    def _leave(self, stretch: _Stretch) -> None:
        self._current = stretch.outer
        while self._aiming:
            time.sleep(0)
        if stretch.interrupted_at:
            _take_back()

    def steps(self, work: Awaitable[T], what: Callable[[], str], limit: float | None = None) -> Awaitable[T]:
        """An awaitable in the place of another, each of whose steps is a stretch.

        :raises TurnTimeoutError: when awaited: one was interrupted.
        """
        if self._ident is None or not inspect.iscoroutine(work):
            return work
        return _Steps(cast("Coroutine[Any, Any, T]", work), self, what, limit)

    # --- in the thread -------------------------------------------------------------------------------------

    def _watch(self) -> None:
        pulse = self._pulse
        last, quiet = time.monotonic(), 0.0
        while not self._stopped.wait(PERIOD):
            now = time.monotonic()
            # More than that has passed only if this process was stopped.
            passed, last = min(now - last, 2 * PERIOD), now
            stretch, answered = self._current, pulse is None or pulse.answered
            self._look_at(stretch, passed)
            if pulse is not None and not pulse.listen(passed, told=stretch is not None):
                return
            quiet = 0.0 if self._moved or stretch is not None or not answered else quiet + passed
            self._moved = False
            if quiet >= DORMANT_AFTER:
                self._sleep()
                last, quiet = time.monotonic(), 0.0

    def _sleep(self) -> None:
        self._stirred.clear()
        self._dormant = True
        if not self._moved and not self._stopped.is_set():
            self._stirred.wait()
        self._dormant = False

    def _look_at(self, stretch: _Stretch | None, passed: float) -> None:
        if stretch is not None and stretch is self._last:
            stretch.seen += passed
            if stretch.seen >= stretch.tell_at:
                stretch.tell_at *= 2
                logger.warning(
                    "%s has kept the event loop for %.1f s, and nothing else runs meanwhile. It is at %s.",
                    _capital(stretch.what()),
                    stretch.seen,
                    place_of_thread(self._ident),
                )
            if stretch.seen >= stretch.limit:
                self._aim(stretch)
        self._last = stretch

    def _aim(self, stretch: _Stretch) -> None:
        ident = self._ident
        frame = None if ident is None else sys._current_frames().get(ident)  # pyright: ignore[reportPrivateUsage]
        if ident is None or frame is None:
            return
        if _may_hold_a_lock(frame) and stretch.skips < MOST_SKIPS:
            stretch.skips += 1
            return
        place = _place(frame)
        # Source lines are looked up later: from here on it should not get far.
        stack = traceback.StackSummary.extract(_within_stretch(frame), limit=50, lookup_lines=False)
        del frame
        if self._raise_in(stretch, ident, place):
            logger.error(
                "%s has kept the event loop for %.1f s and is interrupted at %s:\n%s",
                _capital(stretch.what()),
                stretch.seen,
                place,
                "".join(reversed(stack.format())),
            )

    def _raise_in(self, stretch: _Stretch, ident: int, place: str) -> bool:
        """Interrupt a stretch unless it is over; tells whether it is interrupted for the first time."""
        self._aiming = True
        try:
            if self._current is not stretch:
                return False
            first = not stretch.interrupted_at
            stretch.interrupted_at = stretch.interrupted_at or place
            _interrupt(ident, Interruption)
            return first
        finally:
            self._aiming = False


class _Pulse:
    """Whether the event loop runs at all: code of no stretch may keep it, too.

    :param ident: the loop's thread.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, ident: int) -> None:
        self._loop = loop
        self._ident = ident
        self.answered = True
        self._unanswered = 0.0
        self._tell_at = NOTICE_AFTER

    def _answer(self) -> None:
        self.answered = True

    def listen(self, passed: float, *, told: bool) -> bool:
        """Look whether the loop has run since the last look. False: it is closed.

        :param told: whether somebody else tells who keeps it.
        """
        if self.answered:
            self.answered, self._unanswered, self._tell_at = False, 0.0, NOTICE_AFTER
            try:
                self._loop.call_soon_threadsafe(self._answer)
            except RuntimeError:
                return False
            return True
        self._unanswered += passed
        if not told and self._unanswered >= self._tell_at:
            self._tell_at *= 2
            logger.warning(
                "The event loop has not run for %.1f s: %s is at %s.",
                self._unanswered,
                self._task_name(),
                place_of_thread(self._ident),
            )
        return True

    def _task_name(self) -> str:
        try:
            task = asyncio.current_task(self._loop)
        except RuntimeError:
            task = None
        return "code outside of tasks" if task is None else f"task {task.get_name()!r}"


class _Steps(Awaitable[T]):
    """Awaits a coroutine step by step."""

    def __init__(
        self, work: Coroutine[Any, Any, T], watchdog: Watchdog, what: Callable[[], str], limit: float | None
    ) -> None:
        self._work = work
        self._watchdog = watchdog
        self._what = what
        self._limit = limit

    def __await__(self) -> Generator[Any, Any, T]:
        work, run = self._work, self._watchdog.run
        given: Any = None
        error: BaseException | None = None
        while True:
            try:
                if error is None:
                    awaited = run(lambda: work.send(given), self._what, self._limit)  # noqa: B023 - called at once
                else:
                    awaited = run(lambda: work.throw(error), self._what, self._limit)  # type: ignore[arg-type]  # noqa: B023
            except StopIteration as stop:
                return stop.value
            try:
                given, error = (yield awaited), None
            except GeneratorExit:
                work.close()
                raise
            except BaseException as thrown:  # noqa: BLE001 - it is the coroutine's to handle
                error = thrown


def _verdict(stretch: _Stretch) -> TurnTimeoutError:
    return TurnTimeoutError(
        f"{_capital(stretch.what())} kept the event loop for more than {stretch.limit:g} s (maxOrchestratorTurnTime in "
        f"host.json) and was interrupted at {stretch.interrupted_at or 'an unknown place'}. Nothing else runs in its "
        "process meanwhile: work that takes time belongs into activities."
    )


def _interrupt(ident: int, kind: type[BaseException]) -> None:
    """Raise an exception in a thread when it next runs Python code."""
    api = getattr(ctypes, "pythonapi", None)
    if api is not None:  # There is none on PyPy.
        api.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(kind))


def _take_back() -> None:
    """Take back an interruption of the current thread that has perhaps not arrived.

    That is done by another one, which arrives here. Up to Python 3.12 one that is merely withdrawn leaves the
    interpreter looking for it for ever: calls take a third longer from then on, and on 3.11 code under a tracer stands
    still.
    """
    with contextlib.suppress(Interruption):
        _interrupt(threading.get_ident(), Interruption)
        for _ in range(_SURELY):
            time.sleep(0)


_SURELY = 100
"""Steps within which an interruption arrives."""


def _is_virtual(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether the loop's time is not that of the world: only loops of tests say so."""
    return bool(getattr(loop, "is_virtual", False))


# --- where a thread is -----------------------------------------------------------------------------------

_PACKAGE = str(Path(__file__).parent.parent)
_STDLIB = sysconfig.get_paths()["stdlib"]
_LOCKING = ("logging", "threading.py", "importlib", "queue.py")


def place_of_thread(ident: int | None) -> str:
    """File, line and function where a thread is: of user code if there is any on its stack."""
    frame = None if ident is None else sys._current_frames().get(ident)  # pyright: ignore[reportPrivateUsage]
    return "an unknown place" if frame is None else _place(frame)


def _place(frame: FrameType) -> str:
    frames = list(_outwards(frame))
    found = next((f for f in frames if not _is_stdlib(f) and not _is_ours(f)), frame)
    return f"{found.f_code.co_filename}:{found.f_lineno} in {found.f_code.co_name}"


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _within_stretch(frame: FrameType) -> Iterator[tuple[FrameType, int]]:
    """The frames of a stretch, innermost first, each with its line."""
    for found in _outwards(frame):
        if found.f_code is Watchdog.run.__code__:
            return
        yield found, found.f_lineno


def _is_ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_PACKAGE)


def _is_stdlib(frame: FrameType) -> bool:
    name = frame.f_code.co_filename
    return name.startswith("<frozen") or (name.startswith(_STDLIB) and "-packages" not in name)


def _may_hold_a_lock(frame: FrameType) -> bool:
    """Whether the thread is in a part of the standard library that takes locks for all threads."""
    for outer in _outwards(frame):
        if not _is_stdlib(outer):
            return False
        if any(part in outer.f_code.co_filename for part in _LOCKING):
            return True
    return False


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
