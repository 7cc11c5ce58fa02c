"""What a run may be given: wrong values are refused where they are given, with what would be right.

Owns these checks. What the values mean is told where they are used.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import get_args

from azure_durable_py.runtime.cold import Replay
from azure_durable_py.settings import Settings


def check_arguments(
    *, settings: object, epoch: object, replay: object, workers: object = 1, within: object = None, http: object = None
) -> None:
    """Check the arguments of a run.

    :raises TypeError: one is of another type. :raises ValueError: it is none of the values that there are.
    """
    if settings is not None and not isinstance(settings, Settings):
        raise TypeError(f"settings is a Settings(...) of azure_durable_py, not {settings!r}.")
    if not isinstance(epoch, datetime):
        raise TypeError(f"epoch is a datetime, not {epoch!r}.")
    if within is not None and not isinstance(within, timedelta):
        raise TypeError(f"within is a timedelta, as timedelta(days=3), not {within!r}.")
    if isinstance(workers, bool) or not isinstance(workers, int):
        raise TypeError(f"workers is a number, not {workers!r}.")
    if workers < 0:
        raise ValueError(f"workers is 0 or more, not {workers}.")
    if http is not None and not callable(http):
        raise TypeError(f"http is a function that gets a DurableHttpRequest, not {http!r}.")
    check_replay(replay)


def seconds_to_skip(duration: object) -> float:
    """How much time is to pass, in seconds.

    :param duration: a timedelta, or seconds.
    :raises TypeError: it is neither. :raises ValueError: it is negative.
    """
    if isinstance(duration, bool) or not isinstance(duration, timedelta | int | float):
        raise TypeError(f"skip(...) takes a timedelta, as timedelta(days=3), or seconds, not {duration!r}.")
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else float(duration)
    if not 0 <= seconds < math.inf:
        raise ValueError(f"Time does not go back, nor to its end: {duration} cannot be skipped.")
    return seconds


def check_replay(replay: object) -> None:
    """Check how a run replays.

    :raises ValueError: it is none of the ways that there are.
    """
    if replay not in get_args(Replay):
        raise ValueError(f"replay is {replay!r}; it is to be one of: {', '.join(get_args(Replay))}.")
