"""Calls of sub-orchestrations."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar, overload

from azure_durable_py.history.events import SubOrchestrationCreated
from azure_durable_py.ids import check_instance_id
from azure_durable_py.registry import Registry
from azure_durable_py.retry_policy import RetryPolicy
from azure_durable_py.runtime import ids
from azure_durable_py.runtime.calls.base import Calls
from azure_durable_py.runtime.critical_sections import CriticalSection, refuse_child
from azure_durable_py.runtime.names import FunctionReference, durable_name
from azure_durable_py.runtime.tasks import DecisionTask, Task

T = TypeVar("T")


class ChildCalls(Calls):
    """The part of the context that starts sub-orchestrations."""

    @overload
    def call_sub_orchestrator(
        self,
        name: FunctionReference[..., Coroutine[Any, Any, T]],
        input_: Any = None,
        instance_id: str | None = None,
        version: str | None = None,
        expected_type: None = None,
    ) -> Task[T]: ...
    @overload
    def call_sub_orchestrator(
        self,
        name: FunctionReference[..., Generator[Any, Any, T]],
        input_: Any = None,
        instance_id: str | None = None,
        version: str | None = None,
        expected_type: None = None,
    ) -> Task[T]: ...
    @overload
    def call_sub_orchestrator(
        self,
        name: str | FunctionReference[..., Any],
        input_: Any = None,
        instance_id: str | None = None,
        version: str | None = None,
        *,
        expected_type: type[T],
    ) -> Task[T]: ...
    @overload
    def call_sub_orchestrator(
        self,
        name: str | FunctionReference[..., Any],
        input_: Any = None,
        instance_id: str | None = None,
        version: str | None = None,
        expected_type: Any = None,
    ) -> Task[Any]: ...
    def call_sub_orchestrator(
        self,
        name: str | Callable[..., Any],
        input_: Any = None,
        instance_id: str | None = None,
        version: str | None = None,
        expected_type: Any = None,
    ) -> Task[Any]:
        """Start a sub-orchestration; its output is the result of the task.

        :param name: its name, or the decorated function.
        :param input_: its input, JSON-serializable.
        :param instance_id: its id; by default a deterministic one that is unique to this call.
        :param version: the version that it carries (default: `defaultVersion` in host.json when it is called).
        :param expected_type: the type to build from the output.
        :raises OrchestratorError: not an orchestrator, or called inside a critical section.
        :raises SerializationError: `input_` is not JSON.
        :raises InvalidInstanceIdError: `instance_id` breaks the rules for ids.
        """
        return self._child(name, input_, instance_id, version, expected_type)()

    @overload
    def call_sub_orchestrator_with_retry(
        self,
        name: FunctionReference[..., Coroutine[Any, Any, T]],
        retry_options: RetryPolicy,
        input_: Any = None,
        instance_id: str | None = None,
        version: str | None = None,
        expected_type: None = None,
    ) -> Task[T]: ...
    @overload
    def call_sub_orchestrator_with_retry(
        self,
        name: FunctionReference[..., Generator[Any, Any, T]],
        retry_options: RetryPolicy,
        input_: Any = None,
        instance_id: str | None = None,
        version: str | None = None,
        expected_type: None = None,
    ) -> Task[T]: ...
    @overload
    def call_sub_orchestrator_with_retry(
        self,
        name: str | FunctionReference[..., Any],
        retry_options: RetryPolicy,
        input_: Any = None,
        instance_id: str | None = None,
        version: str | None = None,
        *,
        expected_type: type[T],
    ) -> Task[T]: ...
    @overload
    def call_sub_orchestrator_with_retry(
        self,
        name: str | FunctionReference[..., Any],
        retry_options: RetryPolicy,
        input_: Any = None,
        instance_id: str | None = None,
        version: str | None = None,
        expected_type: Any = None,
    ) -> Task[Any]: ...
    def call_sub_orchestrator_with_retry(
        self,
        name: str | Callable[..., Any],
        retry_options: RetryPolicy,
        input_: Any = None,
        instance_id: str | None = None,
        version: str | None = None,
        expected_type: Any = None,
    ) -> Task[Any]:
        """Start a sub-orchestration, and start it again when it fails, as `retry_options` say.

        The other parameters are those of `call_sub_orchestrator`.
        """
        return self._retry(retry_options, self._child(name, input_, instance_id, version, expected_type))

    def _child(
        self,
        ref: str | Callable[..., Any],
        input_: Any,
        instance_id: str | None,
        version: str | None,
        expected_type: Any,
    ) -> Callable[[], DecisionTask[Any]]:
        name = durable_name(ref, "orchestrator")
        text = self._serialize(input_, lambda: f"input of sub-orchestration {name!r}")
        given = None if instance_id is None else check_instance_id(instance_id)
        decode = self._decoder(ref, expected_type, lambda registry: _registered(registry, name))

        def schedule() -> DecisionTask[Any]:
            refuse_child(CriticalSection.current(self._generation), name)
            task: DecisionTask[Any] = DecisionTask(f"sub-orchestration {name!r}", decode)
            now = self._generation.now
            carried = self._generation.default_version if version is None else version
            self._decisions.make(
                lambda number: SubOrchestrationCreated(
                    now, number, name, given or self._child_id(number), text, carried, self._generation.attempt
                ),
                task,
            )
            return task

        return schedule

    def _child_id(self, number: int) -> str:
        generation = self._generation
        return ids.child_id(
            generation.instance_id,
            generation.execution_id,
            generation.number,
            generation.attempt,
            generation.start.timestamp,
            number,
        )


def _registered(registry: Registry, name: str) -> Callable[..., Any] | None:
    found = registry.orchestrators.find(name)
    return None if found is None else found.function
