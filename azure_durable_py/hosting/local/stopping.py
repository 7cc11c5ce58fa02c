"""How a process of the local host is told to stop, and how it is made sure that it does.

Owns signals: the first asks to stop in good order, the second ends the process. Neither depends on the
event loop, which user code may be keeping: Python runs the handlers between any two steps of that code, and an
alarm that needs no Python at all ends a process that has been asked to stop for too long. A process that another one
looks after stops as well when its standard input ends: that works on every system, and also when the other one is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def on_signals(stop: Callable[[], None], *, at_first: Callable[[], None], at_second: Callable[[], None]) -> None:
    """Call `stop` on the event loop at the first signal, and end the process at the next.

    :param at_first: called at once at the first signal, whatever keeps the event loop.
    :param at_second: called before the process ends at the next.
    """
    loop = asyncio.get_running_loop()
    told = False

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal told
        if told:
            at_second()
            os._exit(128 + number)
        told = True
        at_first()
        with contextlib.suppress(RuntimeError):  # The loop is closed: the process is about to end.
            loop.call_soon_threadsafe(stop)

    for number in _SIGNALS:
        # Has a signal wake the loop, whichever thread the system gives it to. Windows does so by itself.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, nothing)
        signal.signal(number, handle)


class EndOfInput:
    """Looks out for the end of standard input, from a thread of its own. Until `then` says otherwise, it ends the
    process at once: nothing runs yet that needs to come to an end.
    """

    def __init__(self) -> None:
        self._then: Callable[[], None] = lambda: os._exit(0)
        threading.Thread(target=self._look_out, name="end of input", daemon=True).start()

    def then(self, react: Callable[[], None]) -> None:
        """Have this called, on the thread that looks out."""
        self._then = react

    def _look_out(self) -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 1024):
                pass
        self._then()


def say_stopping() -> None:
    """Tell the person at the console what happens, and how to have it at once."""
    # Not `print`: a handler may run in the middle of one.
    with contextlib.suppress(OSError):
        os.write(1, b"\nStopping. Press Ctrl+C again to stop at once.\n")


def end_after(seconds: float) -> None:
    """End the process, with the stack of every thread, if it still lives after so long."""
    try:
        faulthandler.dump_traceback_later(seconds, exit=True)
    except (OSError, RuntimeError, ValueError, AttributeError):
        # There is no stderr to write to.
        alarm = threading.Timer(seconds, os._exit, (1,))
        alarm.daemon = True
        alarm.start()


def nothing() -> None:
    """What there is to do when all is done elsewhere."""
