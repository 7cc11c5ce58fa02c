"""What holds for every test environment of a run, whatever it says itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from azure_durable_py.runtime.cold import Replay

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
    if wanted not in get_args(Replay):
        raise ValueError(f"replay is {wanted!r}; it is to be one of: {', '.join(get_args(Replay))}.")
    return "every-turn" if _every_turn else wanted
