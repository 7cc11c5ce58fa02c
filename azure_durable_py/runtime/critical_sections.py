"""Critical sections: the locks of several entities at once, and the rules inside.

Owns the order of asking (sorted, one after the other, so that two sections can never wait for
each other) and what is refused inside a section. That locks are released when an orchestration
ends in the middle of a section is the worker's business: it knows what was asked for.

A section is the business of the code that asked for it, and of what that starts: a coroutine beside it is not inside.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, final

from azure_durable_py.errors import OrchestratorError
from azure_durable_py.runtime.tasks import DecisionTask, ParentTask, Task


@final
class CriticalSection:
    """The locks of some entities, held until the end of the `with` block.

    :param name: unique among all sections there ever are.
    :param entities: instance ids of the entities, sorted, each once.
    :param release: decides the release of one entity's lock.
    :param owner: the generation that it is part of.
    """

    def __init__(
        self, name: str, entities: tuple[str, ...], release: Callable[[str, str], None], owner: object
    ) -> None:
        self.name = name
        self.entities = entities
        self.asked: list[str] = []
        self.is_held = False
        self._is_over = False
        self._owner = owner
        self._release = release
        self._calls: dict[str, Task[Any]] = {}

    def begin(self) -> None:
        """Have the code that runs now inside of it."""
        _current.set(self)

    @staticmethod
    def current(owner: object) -> CriticalSection | None:
        """The section of `owner` that the code which runs now is inside of, from asking for its locks to their release.

        Code that is dropped may leave one behind in a context which is not its own.
        """
        section = _current.get()
        return None if section is None or section._is_over or section._owner is not owner else section

    def __enter__(self) -> CriticalSection:
        if not self.is_held:
            raise OrchestratorError("A critical section is entered once, right after its locks were awaited.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave(kind)

    def leave(self, kind: type[BaseException] | None) -> None:
        """The block is left, with an error of this kind or without one."""
        # Code that the engine drops decides nothing: whoever ends the orchestration releases its locks.
        if kind is not GeneratorExit:
            self.release()

    def release(self) -> None:
        """Give back every lock that was asked for. Without effect the second time."""
        asked, self.asked = self.asked, []
        self.is_held = False
        self._is_over = True
        for entity in asked:
            self._release(entity, self.name)

    # --- the rules inside ------------------------------------------------------------------------

    def admit_call(self, entity: str) -> None:
        """Refuse the call of an entity that must not be called now.

        :raises OrchestratorError: it is not locked here, or a call of it has not been answered.
        """
        if not self.is_held:
            if entity in self.entities:
                raise OrchestratorError(f"Entity {entity!r} is being locked: await the lock before calling it.")
            return
        if entity not in self.entities:
            raise OrchestratorError(
                f"Entity {entity!r} is called inside a critical section that does not lock it, which could wait "
                f"for ever. Add it to the section ({', '.join(self.entities)}), or call it outside."
            )
        open_call = self._calls.get(entity)
        if open_call is not None and not open_call.is_completed:
            raise OrchestratorError(
                f"Entity {entity!r} has not answered the call before. Inside a critical section, await one call "
                "of an entity before the next."
            )

    def note_call(self, entity: str, task: Task[Any]) -> None:
        """A call was decided."""
        if self.is_held:
            self._calls[entity] = task

    def admit_signal(self, entity: str) -> None:
        """Refuse a signal to an entity that is locked here.

        :raises OrchestratorError: it would wait until the section is over.
        """
        if entity in self.entities:
            raise OrchestratorError(
                f"Entity {entity!r} is signaled inside the critical section that locks it: the signal would wait for "
                "the end of the section. Call the entity, or signal it outside."
            )


_current: ContextVar[CriticalSection | None] = ContextVar("azure_durable_py_section", default=None)


def refuse_child(section: CriticalSection | None, name: str) -> None:
    """Refuse a sub-orchestration inside a critical section.

    :raises OrchestratorError: there is a section.
    """
    if section is not None:
        raise OrchestratorError(
            f"Sub-orchestration {name!r} is called inside a critical section, where it could wait for the locks of its "
            "own parent. Call it outside of the section."
        )


class LockTask(ParentTask[CriticalSection]):
    """Asks for the locks of a critical section, one after the other.

    In a generator: `with (yield context.lock([...])):`. In a coroutine: `async with context.lock([...]):`.

    :param ask: decides the request for one entity's lock.
    """

    __slots__ = ("_ask", "_left", "_section")

    def __init__(self, section: CriticalSection, ask: Callable[[str, str], DecisionTask[Any]]) -> None:
        super().__init__()
        self._section = section
        self._ask = ask
        self._left = list(reversed(section.entities))
        self._next()

    async def __aenter__(self) -> CriticalSection:
        return (await self).__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._section.leave(kind)

    def child_done(self, child: Task[Any]) -> None:
        """A lock is granted."""
        if self._state.value:
            return
        if child.error is not None:
            self._section.release()
            self.fail(child.error)
        elif self._left:
            self._next()
        else:
            self._section.is_held = True
            self.settle(self._section)

    def decided_by(self, count: int) -> bool:
        """Every grant matters: it decides the next request, or the whole."""
        return count == 1

    def acts_on(self, child: Task[Any]) -> bool:  # noqa: ARG002 - part of the contract
        """A grant that is not the last asks for the next lock."""
        return bool(self._left)

    def cancel(self) -> bool:
        """Give up waiting for the locks. False, without effect, if they are all granted already."""
        cancelled = self._cancel()
        if cancelled:
            self._section.release()
        return cancelled

    def _stop(self) -> None:
        self.cancel()

    def _next(self) -> None:
        entity = self._left.pop()
        self._section.asked.append(entity)
        self._ask(entity, self._section.name).attach(self)
