"""Calls of activities."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Concatenate, TypeVar, overload

from azure_durable_py.history.events import TaskScheduled, Value
from azure_durable_py.registry import Registry
from azure_durable_py.retry_policy import RetryPolicy
from azure_durable_py.runtime.calls.base import Calls
from azure_durable_py.runtime.names import FunctionReference, durable_name
from azure_durable_py.runtime.tasks import ActivityTask, Task

I = TypeVar("I")  # noqa: E741 - the input
T = TypeVar("T")


class ActivityCalls(Calls):
    """The part of the context that calls activities."""

    @overload
    def call_activity(
        self,
        name: FunctionReference[Concatenate[I, ...], Coroutine[Any, Any, T]],
        input_: I,
        expected_type: None = None,
    ) -> Task[T]: ...
    @overload
    def call_activity(
        self, name: FunctionReference[Concatenate[I, ...], T], input_: I, expected_type: None = None
    ) -> Task[T]: ...
    @overload
    def call_activity(self, name: FunctionReference[..., Coroutine[Any, Any, T]]) -> Task[T]: ...
    @overload
    def call_activity(self, name: FunctionReference[..., T]) -> Task[T]: ...
    @overload
    def call_activity(
        self, name: str | FunctionReference[..., Any], input_: Any, expected_type: type[T]
    ) -> Task[T]: ...
    @overload
    def call_activity(
        self, name: str | FunctionReference[..., Any], input_: Any = None, *, expected_type: type[T]
    ) -> Task[T]: ...
    @overload
    def call_activity(self, name: str, input_: Any = None, expected_type: Any = None) -> Task[Any]: ...
    def call_activity(self, name: str | Callable[..., Any], input_: Any = None, expected_type: Any = None) -> Task[Any]:
        """Schedule an activity.

        :param name: its name, or the decorated function.
        :param input_: its input, JSON-serializable.
        :param expected_type: the type to build from the result; by default the return
            annotation of the decorated function, if that was given.
        :raises OrchestratorError: not an activity. :raises SerializationError: `input_` is not JSON.
        """
        return self._schedule(*self._activity(name, input_, expected_type))

    @overload
    def call_activity_with_retry(
        self,
        name: FunctionReference[Concatenate[I, ...], Coroutine[Any, Any, T]],
        retry_options: RetryPolicy,
        input_: I,
        expected_type: None = None,
    ) -> Task[T]: ...
    @overload
    def call_activity_with_retry(
        self,
        name: FunctionReference[Concatenate[I, ...], T],
        retry_options: RetryPolicy,
        input_: I,
        expected_type: None = None,
    ) -> Task[T]: ...
    @overload
    def call_activity_with_retry(
        self, name: FunctionReference[..., Coroutine[Any, Any, T]], retry_options: RetryPolicy
    ) -> Task[T]: ...
    @overload
    def call_activity_with_retry(self, name: FunctionReference[..., T], retry_options: RetryPolicy) -> Task[T]: ...
    @overload
    def call_activity_with_retry(
        self, name: str | FunctionReference[..., Any], retry_options: RetryPolicy, input_: Any, expected_type: type[T]
    ) -> Task[T]: ...
    @overload
    def call_activity_with_retry(
        self,
        name: str | FunctionReference[..., Any],
        retry_options: RetryPolicy,
        input_: Any = None,
        *,
        expected_type: type[T],
    ) -> Task[T]: ...
    @overload
    def call_activity_with_retry(
        self, name: str, retry_options: RetryPolicy, input_: Any = None, expected_type: Any = None
    ) -> Task[Any]: ...
    def call_activity_with_retry(
        self, name: str | Callable[..., Any], retry_options: RetryPolicy, input_: Any = None, expected_type: Any = None
    ) -> Task[Any]:
        """Schedule an activity, and schedule it again when it fails, as `retry_options` say.

        The other parameters are those of `call_activity`.
        """
        return self._retry(retry_options, partial(self._schedule, *self._activity(name, input_, expected_type)))

    def _activity(
        self, ref: str | Callable[..., Any], input_: Any, expected_type: Any
    ) -> tuple[str, str, Callable[[Value], Any]]:
        """Its name, its input as JSON text, and what decodes its result."""
        name = ref if isinstance(ref, str) and ref else durable_name(ref, "activity")
        text = self._serialize(input_, lambda: f"input of activity {name!r}")
        if name is ref and expected_type is None:
            return name, text, self._generation.decode
        return name, text, self._decoder(ref, expected_type, lambda registry: _registered(registry, name))

    def _schedule(self, name: str, text: str, decode: Callable[[Value], Any]) -> ActivityTask[Any]:
        decisions = self._decisions
        task: ActivityTask[Any] = ActivityTask(f"activity {name!r}", decode)
        task.abandoned = decisions.abandoned
        now = decisions.now
        decisions.make(lambda number: TaskScheduled(now, number, name, text), task)
        return task


def _registered(registry: Registry, name: str) -> Callable[..., Any] | None:
    found = registry.activities.find(name)
    return None if found is None else found.function
