"""Runs of activities that may be cancelled, and the cancelling of those whose result nobody wants any more.

Theory of operation
-------------------
Whether a result is wanted, the header of the instance says, and nothing else (PROTOCOL R25). A run was decided by one
execution, generation and attempt, and its result counts for no other. So once a header says that the instance has
ended, or is another one, no header that comes after will ever count it: such a run is *superseded*, and answers
nothing.

An activity is *abandoned* if code was cancelled which waited for it: the header names it. Its instance counts it still,
since the code may wait for it once more. So a run that is abandoned answers, with the failure that it was cancelled;
else that code would wait for ever.

Headers are looked at as they come along: with each commit and load of the instance in this process. Another worker may
have it in hand, though. So every few seconds the header of an instance is loaded for as long as runs of it may be
cancelled, whoever put them here.

A header may be older than the decision of a run: that may have been committed by another worker, and may even have come
here, while the header was on its way. So it says something only of runs that were begun before it was asked for
(`newest`). What the instance in this process commits or loads is never older than what it has offered to be run here
(`local`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from enum import Enum
from typing import Any

from azure_durable_py.errors import StorageError, TaskCanceledError
from azure_durable_py.taskhub.outgoing import Sender
from azure_durable_py.taskhub.protocol import Header, TaskHubStore
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.worker.taskset import TaskSet

logger = logging.getLogger("azure_durable_py.worker")
LOOK_EVERY = 10.0
"""Seconds from one look at the header of an instance with runs under way to the next."""


class Fate(Enum):
    """Why nobody wants the result of a run."""

    superseded = "the orchestration has ended or gone on as another"
    abandoned = "the orchestrator no longer waits for it"


class CancellableRun:
    """One run: begun by `run`, and cancelled at most once.

    :param sender: on whose behalf.
    :param number: grows from one run of a worker to the next.
    :param local: the instance in this process has offered it.
    """

    def __init__(self, sender: Sender, task_id: int, number: int, *, local: bool) -> None:
        self.sender = sender
        self.task_id = task_id
        self.number = number
        self.local = local
        self.fate: Fate | None = None
        """Why it is cancelled, if it is."""
        self._task: asyncio.Task[Any] | None = None

    def cancel(self, fate: Fate) -> None:
        """Nobody wants its result. One that is superseded stays so."""
        is_first, self.fate = self.fate is None, Fate.superseded if self.fate is Fate.superseded else fate
        if is_first and self._task is not None:
            self._task.cancel()

    @property
    def error(self) -> TaskCanceledError:
        """That it is cancelled, and why."""
        return TaskCanceledError(f"The activity was cancelled: {(self.fate or Fate.abandoned).value}.")

    async def run(self, code: Callable[[], Awaitable[Any]]) -> Any:
        """What async code returns or raises.

        :raises TaskCanceledError: the run was cancelled, and the code did not come to anything else.
        :raises asyncio.CancelledError: the worker is stopping, or the code has cancelled itself.
        """
        if self.fate is not None:
            raise self.error
        raised: list[BaseException] = []

        async def caught() -> Any:
            # Some of what user code raises must not get into the event loop, which would end with it.
            try:
                return await code()
            except BaseException as error:  # noqa: BLE001 - raised below, whatever it is
                raised.append(error)

        # A task of its own, so that its end is told from that of the worker.
        task = self._task = asyncio.get_running_loop().create_task(caught())
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait([task])
            raise
        if not raised and not task.cancelled():
            return task.result()
        error = raised.pop() if raised else asyncio.CancelledError()
        try:
            if self.fate is not None and isinstance(error, asyncio.CancelledError):
                raise self.error from None
            raise error
        finally:
            # Its traceback holds this frame.
            del error


class CancellableRuns:
    """The runs of one worker that may be cancelled.

    :param superseded: told of an instance here that has offered a run which another worker has superseded. It is to
        look at its header: no answer comes.
    :param on_failure: told what failed in a way that nobody foresaw.
    """

    def __init__(
        self, store: TaskHubStore, superseded: Callable[[str], None], on_failure: Callable[[str, BaseException], None]
    ) -> None:
        self._store = store
        self._superseded = superseded
        self._by_instance: dict[str, list[CancellableRun]] = {}
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._watching = TaskSet(on_failure=on_failure)
        self.newest = 0
        """The number of the newest run. Who asks for a header notes it before."""

    @contextmanager
    def begin(self, sender: Sender, task_id: int, *, local: bool) -> Generator[CancellableRun]:
        """A run is under way for as long as the block lasts. The parameters are those of `CancellableRun`."""
        instance_id = sender.instance_id
        self.newest += 1
        run = CancellableRun(sender, task_id, self.newest, local=local)
        self._by_instance.setdefault(instance_id, []).append(run)
        if instance_id not in self._watches:
            self._watches[instance_id] = self._watching.start(self._watch(instance_id), f"watch {instance_id}")
        try:
            yield run
        finally:
            left = self._by_instance[instance_id]
            left.remove(run)
            if not left:
                del self._by_instance[instance_id]
                self._watches.pop(instance_id).cancel()

    def look(self, instance_id: str, header: Header | None, state: InstanceState | None, newest: int) -> None:
        """Cancel the runs of an instance whose result nobody wants, by what the instance in this process knows now.

        :param newest: the number of the newest run before it asked for the header, or began to write it.
        """
        for run in self._of(instance_id):
            if run.local or run.number <= newest:
                _judge(run, header, state)

    async def load_and_look(self, instance_id: str) -> None:
        """The same by the header as storage has it. One that cannot be had, or read, says nothing."""
        newest = self.newest
        try:
            header = await self._store.load_header(instance_id)
            state = None if header is None else InstanceState.decode(header.body)
        except StorageError as error:
            logger.debug("Whether results for instance %r are wanted cannot be told: %s", instance_id, error)
            return
        for run in self._of(instance_id):
            if run.number <= newest and _judge(run, header, state) is Fate.superseded and run.local:
                self._superseded(instance_id)

    def _of(self, instance_id: str) -> tuple[CancellableRun, ...]:
        return tuple(self._by_instance.get(instance_id, ()))

    async def _watch(self, instance_id: str) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            await self.load_and_look(instance_id)

    async def stop(self) -> None:
        """Look no more."""
        await self._watching.cancel()


def _judge(run: CancellableRun, header: Header | None, state: InstanceState | None) -> Fate | None:
    """Cancel a run if nobody wants its result by a header that is not older than its decision."""
    fate = _fate(run, header, state)
    if fate is not None:
        run.cancel(fate)
    return fate


def _fate(run: CancellableRun, header: Header | None, state: InstanceState | None) -> Fate | None:
    if header is None or state is None or header.is_terminal:
        return Fate.superseded
    sender = run.sender
    if (state.execution_id, state.generation, state.attempt) != (
        sender.execution_id,
        sender.generation,
        sender.attempt,
    ):
        return Fate.superseded
    return Fate.abandoned if run.task_id in state.abandoned else None
