"""The tasks that orchestrator code awaits.

Owns their states and how completion travels from a task to the composites that hold it. It
never schedules anything and knows nothing of histories.

A composite that has been decided lets go of its other children. A child that nobody waits
for any more is *dropped*; it is wanted again as soon as code awaits it or puts it into
another composite.

The orchestrator function itself is given what it awaits by the driver. A coroutine that asyncio runs beside it
awaits a task as asyncio has it: through a future.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable
from contextvars import Context
from enum import Enum
from functools import partial
from typing import Any, Generic, TypeVar, cast

from azure_durable_py.errors import OrchestratorError, TaskCanceledError
from azure_durable_py.history.events import Decision, Value
from azure_durable_py.runtime.event_loop import Abandonable, OrchestrationLoop, running_loop

T = TypeVar("T")


class TaskState(Enum):
    """How far a task is."""

    RUNNING = 0
    SUCCEEDED = 1
    FAILED = 2
    CANCELED = 3


# Looked up once: of the class it takes as long as to make a task.
_RUNNING, _SUCCEEDED, _FAILED, _CANCELED = TaskState


class Task(Abandonable, Generic[T]):
    """Something that an orchestrator waits for: `yield` it in a generator, `await` it in a coroutine."""

    __slots__ = ("_dropped", "_error", "_parents", "_state", "_value", "is_awaited", "number")

    def __init__(self, number: int = 0) -> None:
        self.number = number
        """The same on every replay: the place of the task in sets."""
        self._state = _RUNNING
        self._value: Any = None
        self._error: BaseException | None = None
        # By identity: what code keeps in sets hashes by a method. Most tasks have none, or one for a while.
        self._parents: dict[int, ParentTask[Any]] | None = None
        self._dropped = False
        self.is_awaited = False
        """Whether the orchestrator function itself waits for it."""

    def __hash__(self) -> int:
        # By address, sets of tasks would be walked in another order on every replay.
        return self.number

    def __await__(self) -> Generator[Any, Any, T]:
        loop = running_loop()
        if getattr(loop, "is_beside", False):
            return (yield from self._future(cast("OrchestrationLoop", loop)))
        return (yield self)

    def _future(self, loop: OrchestrationLoop) -> Generator[Any, Any, T]:
        """Wait as a coroutine that asyncio runs."""
        if not self.is_completed:
            future = loop.create_future()
            watch = Watch(self, lambda _: None if future.done() else future.set_result(None))
            loop.waits += 1
            try:
                yield from future
            except asyncio.CancelledError:
                self.detach(watch)
                self.abandon()
                raise
            finally:
                loop.waits -= 1
                self.detach(watch)
        if self._error is not None:
            raise self._error
        return self._value

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._state.name.lower()}>"

    @property
    def state(self) -> TaskState:
        """How far the task is."""
        return self._state

    @property
    def is_completed(self) -> bool:
        """Whether the task has succeeded, failed or been cancelled."""
        return self._state is not _RUNNING

    @property
    def is_faulted(self) -> bool:
        """Whether the task has failed."""
        return self.state is _FAILED

    @property
    def is_cancelled(self) -> bool:
        """Whether the task was cancelled by the orchestrator."""
        return self.state is _CANCELED

    @property
    def error(self) -> BaseException | None:
        """What awaiting the task raises, or None."""
        return self._error

    @property
    def result(self) -> Any:
        """What the task came to: its value, or the exception that it failed with; None while there is neither.

        It never raises. `get_result` does, and has the type of the value.
        """
        match self.state:
            case TaskState.SUCCEEDED:
                return self._value
            case TaskState.FAILED:
                return self._error
            case _:
                return None

    def get_result(self) -> T:
        """The value of a task that succeeded.

        :raises OrchestratorError: it is still running; await it first.
        :raises TaskFailedError: it failed (or the error that it failed with).
        :raises TaskCanceledError: the orchestrator has cancelled it.
        """
        if self.state is _RUNNING:
            raise OrchestratorError(f"{self!r} has no result yet: yield or await it first.")
        if self._error is not None:
            raise self._error
        return self._value

    # --- for asyncio: what `asyncio.wait` asks ------------------------------------------------

    def done(self) -> bool:
        """The same as `is_completed`."""
        return self.is_completed

    def cancelled(self) -> bool:
        """The same as `is_cancelled`."""
        return self.is_cancelled

    def exception(self) -> BaseException | None:
        """The same as `error`."""
        return self.error

    def add_done_callback(self, fn: Callable[[Task[T]], object], *, context: Context | None = None) -> None:
        """Have `fn` called with the task soon after it has completed."""
        loop = asyncio.get_running_loop()
        if self.is_completed:
            loop.call_soon(fn, self, context=context)
        else:
            Callback(self, fn, context, cast("OrchestrationLoop", loop))

    def remove_done_callback(self, fn: Callable[[Task[T]], object]) -> int:
        """Take back what `add_done_callback` was given. Returns how often it was."""
        found = [parent for parent in self.parents if isinstance(parent, Callback) and parent.function == fn]
        for callback in found:
            callback.loop.waits -= 1
            self.detach(callback)
        return len(found)

    # --- the same under the names of durabletask ------------------------------------------------

    @property
    def is_complete(self) -> bool:
        """The same as `is_completed`."""
        return self.is_completed

    @property
    def is_failed(self) -> bool:
        """The same as `is_faulted`."""
        return self.is_faulted

    def get_exception(self) -> BaseException:
        """The same as `error`, of a task that has one.

        :raises OrchestratorError: it has none.
        """
        if self._error is None:
            raise OrchestratorError(f"{self!r} has not failed.")
        return self._error

    # --- for the engine ---------------------------------------------------------------------

    def outcome(self) -> tuple[BaseException | None, Any]:
        """What awaiting the task raises, and else comes to, once it is completed."""
        return self._error, self._value

    def settle(self, value: T) -> None:
        """Succeed with a value."""
        self._finish(_SUCCEEDED, value, None)

    def fail(self, error: BaseException) -> None:
        """Fail; the error is raised where the task is awaited."""
        self._finish(_FAILED, None, error)

    def _cancel(self) -> bool:
        if self._state is not _RUNNING:
            return False
        self._finish(_CANCELED, None, TaskCanceledError(f"{self!r} was cancelled by the orchestrator."))
        return True

    def _finish(self, state: TaskState, value: Any, error: BaseException | None) -> None:
        if self._state is not _RUNNING:
            return
        self._state, self._value, self._error = state, value, error
        parents, self._parents = self._parents, None
        if parents:
            for parent in parents.values():
                parent.child_done(self)

    @property
    def parents(self) -> Iterable[ParentTask[Any]]:
        """The undecided tasks that hold this one."""
        return () if self._parents is None else self._parents.values()

    def attach(self, parent: ParentTask[Any]) -> bool:
        """Have `parent` told of the completion. False if it is there already."""
        self.want()
        if self.state is not _RUNNING:
            return False
        if self._parents is None:
            self._parents = {}
        self._parents[id(parent)] = parent
        return True

    def detach(self, parent: ParentTask[Any]) -> None:
        """`parent` is decided and no longer interested."""
        if self._parents is not None:
            self._parents.pop(id(parent), None)
        self.drop_if_unwanted()

    def want(self) -> None:
        """Code waits for this task (again)."""
        self._dropped = False

    def drop_if_unwanted(self) -> None:
        """Note that nobody waits for this task any more, if that is so."""
        if self._state is _RUNNING and all(parent.dropped for parent in self.parents):
            self._dropped = True

    def abandon(self) -> None:
        """Nobody waits here any more: code that did, or was about to, was cancelled, or says so by this call.

        If nobody else waits, there are no more retries, and an activity that is `cancellable` is cancelled.
        """
        self.drop_if_unwanted()
        if self._dropped and not self.is_awaited:
            self._stop()

    def _stop(self) -> None:
        """Take no more steps of one's own."""

    @property
    def dropped(self) -> bool:
        """Whether code waited for this task and then went on without it."""
        return self._dropped

    @property
    def was_never_awaited(self) -> bool:
        """Whether it is still running, and no code has waited for it, alone or with others."""
        return not (self.is_completed or self.is_awaited or self._dropped or self._parents)


class ParentTask(Task[T]):
    """A task that reacts to the completion of others."""

    __slots__ = ()

    def child_done(self, child: Task[Any]) -> None:
        """One of the tasks it is attached to has completed."""
        raise NotImplementedError

    def decided_by(self, count: int) -> bool:
        """Whether the success of so many of its open children - and no fewer - completes it."""
        return count == 1

    def acts_on(self, child: Task[Any]) -> bool:  # noqa: ARG002 - part of the contract
        """Whether the completion of this child makes it decide something new."""
        return False


class Watch(ParentTask[None]):
    """Calls a function when a task completes that is running."""

    __slots__ = ("_call",)

    def __init__(self, task: Task[Any], call: Callable[[Task[Any]], object]) -> None:
        super().__init__()
        self._call = call
        task.attach(self)

    def child_done(self, child: Task[Any]) -> None:
        """It has completed."""
        self._call(child)

    def acts_on(self, child: Task[Any]) -> bool:  # noqa: ARG002 - part of the contract
        """What is called may do anything."""
        return True


class Callback(Watch):
    """A function that asyncio is to call soon after a task has completed."""

    __slots__ = ("function", "loop")

    def __init__(
        self, task: Task[Any], function: Callable[[Any], object], context: Context | None, loop: OrchestrationLoop
    ) -> None:
        self.function = function
        self.loop = loop
        loop.waits += 1
        super().__init__(task, partial(self._soon, context))

    def _soon(self, context: Context | None, task: Task[Any]) -> None:
        self.loop.waits -= 1
        self.loop.call_soon(self.function, task, context=context)


class CompositeTask(ParentTask[T]):
    """A task over a fixed list of tasks."""

    __slots__ = ("_children", "_open")

    def __init__(self, children: Iterable[Task[Any]]) -> None:
        self._children = list(children)
        super().__init__(hash(self._children[0]) if self._children else 0)
        self._open: dict[int, Task[Any]] = {}
        """By identity, in the order given."""

    @property
    def children(self) -> list[Task[Any]]:
        """The tasks in the order given."""
        return self._children

    def want(self) -> None:
        """Code waits for this task (again), so it waits for the children."""
        if self._dropped:
            self._dropped = False
            for child in tuple(self._open.values()):
                child.want()

    def drop_if_unwanted(self) -> None:
        """Nobody waits for it any more: the children may be unwanted too."""
        super().drop_if_unwanted()
        if self._dropped:
            for child in self._open.values():
                child.drop_if_unwanted()

    def _stop(self) -> None:
        for child in tuple(self._open.values()):
            child.abandon()

    def _release(self) -> None:
        left, self._open = self._open, {}
        for child in left.values():
            child.detach(self)


class AllTask(CompositeTask[list[Any]]):
    """Succeeds with all results, in order, or fails with the first failure."""

    __slots__ = ()

    def __init__(self, children: Iterable[Task[Any]]) -> None:
        super().__init__(children)
        for child in self._children:
            if child.attach(self):
                self._open[id(child)] = child
        failed = next((child for child in self._children if child._error is not None), None)
        if failed is not None:
            self._lose(failed)
        elif not self._open:
            self._win()

    def child_done(self, child: Task[Any]) -> None:
        """Count it; the last one decides, and so does a failure."""
        self._open.pop(id(child), None)
        if child._error is not None:
            self._lose(child)
        elif not self._open:
            self._win()

    def decided_by(self, count: int) -> bool:
        """All open children together decide it."""
        return count == len(self._open)

    def _win(self) -> None:
        self.settle([child._value for child in self._children])

    def _lose(self, child: Task[Any]) -> None:
        self._release()
        self.fail(child.error or OrchestratorError(f"{child!r} failed."))


class AnyTask(CompositeTask["Task[Any] | None"]):
    """Succeeds with the first child that completes, whether that one succeeded or failed. Over none: with None."""

    __slots__ = ()

    def __init__(self, children: Iterable[Task[Any]]) -> None:
        super().__init__(children)
        if not self._children:
            self.settle(None)
        for child in self._children:
            if not child.attach(self):
                self._win(child)
                return
            self._open[id(child)] = child

    def child_done(self, child: Task[Any]) -> None:
        """The first one decides."""
        self._win(child)

    def _win(self, child: Task[Any]) -> None:
        self._open.pop(id(child), None)
        self._release()
        self.settle(child)


class AtomicTask(Task[T]):
    """A task that is not made of others."""

    __slots__ = ()


class DecisionTask(AtomicTask[T]):
    """The task of one decision in the history: an activity, a sub-orchestration, an entity call.

    `subject` names it in errors; `decode` turns the recorded result into a value.
    """

    __slots__ = ("_decode", "decision", "subject")

    decision: Decision
    """The event that decided it; there once it is decided."""

    def __init__(self, subject: str, decode: Callable[[Value], T]) -> None:
        # As `Task` does, without the call: these are most tasks, and to make them is much of what a call costs.
        self.number = 0
        self._state = _RUNNING
        self._value = self._error = self._parents = None
        self._dropped = self.is_awaited = False
        self.subject = subject
        self._decode = decode

    def __repr__(self) -> str:
        return f"<{self.subject}, id {self.id}, {self._state.name.lower()}>"

    @property
    def id(self) -> int:
        """The id of the decision."""
        return self.number

    def answer(self, result: Value) -> None:
        """Succeed with a result, or fail because it cannot be read."""
        try:
            value = self._decode(result)
        except Exception as error:  # noqa: BLE001 - the error belongs to the code that awaits the task
            self.fail(error)
        else:
            self._finish(_SUCCEEDED, value, None)


class ActivityTask(DecisionTask[T]):
    """A call of an activity."""

    __slots__ = ("abandoned",)

    abandoned: dict[int, Decision]
    """Where it is noted, by its id, while it is under way and code that waited for it was cancelled."""

    def want(self) -> None:
        """Code waits for it (again)."""
        self._dropped = False
        if self.abandoned:
            self.abandoned.pop(self.number, None)

    def _stop(self) -> None:
        if self._state is _RUNNING:
            self.abandoned[self.number] = self.decision


class TimerTask(DecisionTask[None]):
    """A durable timer."""

    __slots__ = ("_on_cancel",)

    def __init__(self, on_cancel: Callable[[int], object]) -> None:
        super().__init__("timer", _nothing)
        self._on_cancel = on_cancel

    def cancel(self) -> bool:
        """Stop the timer. False, without effect, if it has fired or been cancelled already."""
        cancelled = self._cancel()
        if cancelled:
            self._on_cancel(self.id)
        return cancelled


def _nothing(_result: Value) -> None:
    return None


def done(value: T, number: int) -> Task[T]:
    """The task of a decision that has no answer: it has already succeeded."""
    task: Task[T] = Task(number)
    task.settle(value)
    return task
