"""What a test environment has that takes no waiting, so that it is the same with `await` and without.

Owns the stand-ins and the crashes that a test sets up, and the clock.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NoReturn, cast

from azure_durable_py.testing.doubles.giving_doubles import FindsDoubles, GivesDoubles
from azure_durable_py.testing.environment.crashes import Crashes
from azure_durable_py.testing.environment.loop_thread import VirtualThread
from azure_durable_py.testing.ordinary.triggers import FunctionOutput
from azure_durable_py.testing.virtual.hub import VirtualHub


class OnlyAsync:
    """Says what to write where it is entered by `with`."""

    def __enter__(self) -> NoReturn:
        raise TypeError(
            "DurableTestEnvironment is entered by `async with`, in a test that is `async def`. For `with`, and a test "
            "that is `def`, there is DurableTestSyncEnvironment."
        )

    def __exit__(self, *_: object) -> None:
        """It is never entered."""


class OnlySync:
    """Says what to write where it is entered by `async with`."""

    async def __aenter__(self) -> NoReturn:
        raise TypeError(
            "DurableTestSyncEnvironment is entered by `with`, and its calls are not awaited. For `async with` there is "
            "DurableTestEnvironment."
        )

    async def __aexit__(self, *_: object) -> None:
        """It is never entered."""


class EnvironmentBase(GivesDoubles):
    """A test environment, as far as nothing is waited for."""

    @property
    def thread(self) -> VirtualThread:
        """Where the engine runs."""
        raise NotImplementedError

    @property
    def hub(self) -> VirtualHub:
        """The hub below. It belongs to the engine's event loop: what is awaited of it is awaited there."""
        raise NotImplementedError

    @property
    def crashes(self) -> Crashes:
        """The crashes that are still to come."""
        raise NotImplementedError

    @property
    def _finder(self) -> FindsDoubles:
        return self.hub.doubles

    @property
    def now(self) -> datetime:
        """The UTC time. It stands still between calls."""
        return self.hub.epoch + timedelta(seconds=self.thread.loop.time())

    @property
    def outputs(self) -> list[FunctionOutput]:
        """What functions gave to output bindings, in order; those of a call that failed are not among them."""
        return list(self.hub.triggers.outputs)

    def crash_before(
        self, activity: str | Callable[..., Any], *, times: int = 1, when: Callable[[Any], object] | None = None
    ) -> None:
        """Have the worker die, as by `kill -9`, that is next to run an activity, before it does.

        Another worker takes its place. What the dead one had in hand comes to it after a while: five minutes, unless
        settings say otherwise.

        :param activity: its name, or the decorated function.
        :param times: how many workers are to die, one after the other.
        :param when: gets the input, and tells whether it is such a run of the activity; None: any is.
        :raises FunctionNotFoundError: the app has no such activity.
        :raises ValueError: `times` is less than 1.
        """
        self.crashes.before(self.activity(cast("str", activity)), times, when)

    def crash_after(
        self, activity: str | Callable[..., Any], *, times: int = 1, when: Callable[[Any], object] | None = None
    ) -> None:
        """Have the worker die, as by `kill -9`, that is next to run an activity, before what it came to is stored.

        So the activity has run, and runs again. All else is as for `crash_before`.

        :param activity: its name, or the decorated function.
        :param times: how many workers are to die, one after the other.
        :param when: gets the input, and tells whether it is such a run of the activity; None: any is.
        :raises FunctionNotFoundError: the app has no such activity.
        :raises ValueError: `times` is less than 1.
        """
        self.crashes.after(self.activity(cast("str", activity)), times, when)
