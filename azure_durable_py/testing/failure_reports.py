"""What a failed test is told: of the task hubs that it used, and where in its code an error of the kit came up.

Owns which hubs are kept until a test is over, and which of their instances are told of. A hub is read only when its
test has failed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from concurrent import futures
from datetime import datetime
from pathlib import Path
from typing import Any

from azure_durable_py.client.status import DurableOrchestrationStatus
from azure_durable_py.errors import OrchestrationFailedError
from azure_durable_py.status import OrchestrationRuntimeStatus as Status
from azure_durable_py.testing.trees import instance_tree
from azure_durable_py.testing.unit.subjects import StepError
from azure_durable_py.testing.virtual import watchers
from azure_durable_py.testing.virtual.at_once import at_once
from azure_durable_py.testing.virtual.hub import VirtualHub
from azure_durable_py.testing.virtual.time import StuckError
from azure_durable_py.wording import counted

MOST_HUBS = 3
"""Hubs and players that are told of: those that a test used last."""
MOST_INSTANCES = 10
"""Instances of a hub that are told of."""
MOST_DOUBLES = 10
"""Doubles that are told of."""
MOST_STEPS = 30
"""Steps of an orchestration that are told of."""
PATIENCE_SECONDS = 5.0
"""Real time that an engine has to tell of its instances."""
_FIRST = (Status.Failed, Status.Suspended, Status.Running, Status.Pending, Status.Terminated)
"""Whom to tell of first, in this order; then of all others."""


_ENGINE = tuple(f"{Path(str(file)).parent}{os.sep}" for file in (asyncio.__file__, futures.__file__, __file__))
"""Where the code is that runs between a test and its app."""


class HubWatch:
    """Keeps the hubs that are left until `end`, the newest of them."""

    def __init__(self) -> None:
        self._left: list[tuple[VirtualHub, datetime]] = []
        self._players: list[watchers.Player] = []
        watchers.watch(self)

    async def left(self, hub: VirtualHub) -> None:
        """A hub was left: it is kept."""
        self._left.append((hub, hub.now))
        if len(self._left) > MOST_HUBS:
            oldest, _ = self._left.pop(0)
            await oldest.task_hub.close()

    def playing(self, player: watchers.Player) -> None:
        """A player was made: it is kept, if it is among the newest."""
        self._players = [*self._players[-MOST_HUBS + 1 :], player]

    def text(self) -> str:
        """The instances of these hubs, of those in use, and what was played, as trees; empty, if there are none."""
        told = [_told(lambda hub=hub, now=now: at_once(lambda: hub_text(hub, now))) for hub, now in self._left]
        told += [
            _told(lambda ask=hub.ask, hub=hub: _asked(ask, hub)) for hub in list(watchers.in_use) if hub.ask is not None
        ]
        told += [_told(player.tree) for player in self._players]
        return "\n\n".join([text for text in told if text][-MOST_HUBS:])

    def end(self) -> None:
        """Let go of them all."""
        watchers.unwatch(self)
        left, self._left = self._left, []
        self._players = []
        for hub, _ in left:
            at_once(hub.task_hub.close)


def leave_engine_out(error: BaseException) -> None:
    """End the traceback of an error that tells the test something with the last frame that is not of the engine."""
    if not isinstance(error, StuckError | StepError | OrchestrationFailedError):
        return
    frame, last = error.__traceback__, None
    while frame is not None:
        if not frame.tb_frame.f_code.co_filename.startswith(_ENGINE):
            last = frame
        frame = frame.tb_next
    if last is not None:
        last.tb_next = None


def _told(read: Callable[[], str]) -> str:
    try:
        return read()
    except Exception as error:  # noqa: BLE001 - a report that cannot be had must not take the place of the failure
        return f"The instances cannot be told of: {type(error).__name__}: {error}"


def _asked(ask: Callable[[Coroutine[Any, Any, str]], futures.Future[str]], hub: VirtualHub) -> str:
    """The text of a hub that another thread has run.

    :raises TimeoutError: code of the app does not return.
    """
    answer = ask(hub_text(hub))
    try:
        return answer.result(PATIENCE_SECONDS)
    except futures.TimeoutError:
        raise TimeoutError(f"code of the app keeps the engine for more than {PATIENCE_SECONDS:g} s") from None


async def hub_text(hub: VirtualHub, now: datetime | None = None) -> str:
    """The instances of a hub as trees, those that have not come to a good end first, and what doubles did nothing.

    Empty, if there are no instances.

    :param now: the time, if it is not the running event loop's.
    """
    found = await hub.client.get_status_by(show_input=False)
    shown = _chosen(found)
    trees = [
        await instance_tree(hub.task_hub, status.instance_id or "", now or hub.now, most_steps=MOST_STEPS)
        for status in shown[:MOST_INSTANCES]
    ]
    told = [tree for tree in trees if tree is not None]
    if len(shown) > MOST_INSTANCES:
        told.append(f"({counted(len(shown) - MOST_INSTANCES, 'more instance')})")
    if told:
        told += _in_vain(hub.doubles.in_vain)
    return "\n".join(told)


def _in_vain(doubles: Sequence[str]) -> list[str]:
    """The doubles that stood in for nothing: a `when` that is for no input that came, perhaps."""
    told = [f"Never stood in: {double}" for double in doubles[:MOST_DOUBLES]]
    if len(doubles) > MOST_DOUBLES:
        told.append(f"({counted(len(doubles) - MOST_DOUBLES, 'more double')} that never stood in)")
    return told


def _chosen(found: Sequence[DurableOrchestrationStatus]) -> list[DurableOrchestrationStatus]:
    """The instances to tell of: without those that are seen below their parents."""
    ids = {status.instance_id for status in found}
    tops = [status for status in found if status.parent_instance_id not in ids]
    return sorted(tops, key=lambda status: _rank(status.runtime_status))


def _rank(status: Status | None) -> int:
    return _FIRST.index(status) if status in _FIRST else len(_FIRST)
