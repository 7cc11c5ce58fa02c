"""What holds for every test environment of a run, whatever it says itself."""

from __future__ import annotations

from collections.abc import Callable

from azure_durable_py.runtime.cold import Replay
from azure_durable_py.testing.arguments import check_replay

_every_turn = 0


def every_turn() -> Callable[[], None]:
    """From now on have every environment replay each turn. Returns what takes that back."""
    global _every_turn  # noqa: PLW0603 - it is of the run as a whole
    _every_turn += 1

    def take_back() -> None:
        global _every_turn  # noqa: PLW0603 - as above
        _every_turn -= 1

    return take_back


def replay_of(wanted: Replay) -> Replay:
    """How an environment replays that wants this.

    :raises ValueError: there is no such way.
    """
    check_replay(wanted)
    return "every-turn" if _every_turn else wanted
