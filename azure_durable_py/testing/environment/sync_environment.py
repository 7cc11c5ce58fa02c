"""The sync test environment, as tests/testing/write_sync_environment.py writes it after the async one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, overload

from azure_durable_py.client.entities import EntityMetadata
from azure_durable_py.client.status import DurableOrchestrationStatus
from azure_durable_py.history.events import Event
from azure_durable_py.ids import EntityId
from azure_durable_py.runtime.cold import Replay
from azure_durable_py.settings import Settings
from azure_durable_py.testing.apps import App
from azure_durable_py.testing.calls import CallList
from azure_durable_py.testing.doubles.behaviours import Execution
from azure_durable_py.testing.doubles.stand_ins import OperationDouble
from azure_durable_py.testing.environment.entity_handle import EntityHandle, T
from azure_durable_py.testing.environment.environment import DurableTestEnvironment
from azure_durable_py.testing.environment.handle import InstanceHandle
from azure_durable_py.testing.environment.sync_base import SyncEnvironmentBase, SyncPart
from azure_durable_py.testing.ordinary.asked import Params
from azure_durable_py.testing.ordinary.functions import FunctionOfApp
from azure_durable_py.testing.virtual.hub import EPOCH
from azure_durable_py.testing.virtual.scripted_http import AnswerHttp
from azure_durable_py.testing.virtual.time import PATIENCE

if TYPE_CHECKING:
    from azure.functions import HttpResponse


class DurableTestSyncEnvironment(SyncEnvironmentBase):
    """An app that runs in memory with the real engine, at virtual time. A context manager.

    It is `DurableTestEnvironment` for tests without `await`: the same calls, with the same parameters, results and
    errors. It can be used in any thread, and also where an event loop runs, as in a notebook.

    :param app: an app, a plain `azure.functions.FunctionApp` or a blueprint.
    :param settings: as from host.json.
    :param seed: decides random ids and jitter.
    :param epoch: the UTC time at which it begins.
    :param workers: how many workers serve the app.
    :param within: how much virtual time one call may wait for at most.
    :param http: answers the requests of `call_http`: gets a `DurableHttpRequest`, gives a `DurableHttpResponse`. It may
        be `async def`. What it raises is what the request fails with. None: such requests fail.
    :param replay: `"every-turn"`: each turn is at once run again from its history; an orchestrator that then does
        something else fails. Slower, for tests that look for such code.
    """

    def __init__(
        self,
        app: App,
        *,
        settings: Settings | None = None,
        seed: int | str = 0,
        epoch: datetime = EPOCH,
        workers: int = 1,
        within: timedelta = PATIENCE,
        http: AnswerHttp | None = None,
        replay: Replay = "when-needed",
    ) -> None:
        super().__init__(
            DurableTestEnvironment(
                app, settings=settings, seed=seed, epoch=epoch, workers=workers, within=within, http=http, replay=replay
            )
        )

    def start(
        self,
        orchestrator: str | Callable[..., Any],
        input: Any = None,
        *,
        instance_id: str | None = None,
        version: str | None = None,
        start_at: datetime | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> InstanceSyncHandle:
        """Start an orchestration.

        :param orchestrator: its name, or the decorated function.
        :param input: its input; None: no input.
        :param instance_id: its id (default: one that the seed decides).
        :param version: its version (default: that of the settings).
        :param start_at: when it begins (default: now).
        :param tags: small texts by name, kept with the instance.
        :raises FunctionNotFoundError: the app has no such orchestrator.
        :raises InstanceAlreadyExistsError: one with this id is under way.
        :raises SerializationError: the input cannot be turned into JSON.
        """
        made = self._bridge.run(
            self._source.start(
                orchestrator, input, instance_id=instance_id, version=version, start_at=start_at, tags=tags
            )
        )
        return InstanceSyncHandle(made, self._bridge)

    def handle(self, instance_id: str) -> InstanceSyncHandle:
        """A handle of an instance that something else started: a client, an HTTP function, an orchestrator."""
        made = self._source.handle(instance_id)
        return InstanceSyncHandle(made, self._bridge)

    def entity(
        self, entity: str | Callable[..., Any], key: str | None = None, *, create: bool = False
    ) -> EntitySyncHandle:
        """An entity, or all entities of a name: its operations, its state, and what its operations are to do instead.

        :param entity: its name, or the decorated function or class.
        :param key: the key of the entity; None: all of them.
        :param create: for one that the app is still to get. Without a behaviour it is not found.
        :raises FunctionNotFoundError: the app has no such entity; the message lists a near name.
        :raises ValueError: it is to be created, and the app has it.
        """
        made = self._source.entity(entity, key, create=create)
        return EntitySyncHandle(made, self._bridge)

    def skip(self, duration: timedelta | float) -> None:
        """Let time pass, and everything happen that comes with it: timers that are due by then have fired.

        :param duration: a timedelta, or seconds.
        :raises TypeError: it is neither.
        :raises ValueError: it is negative, or leads beyond the year 9998.
        """
        self._bridge.run(self._source.skip(duration))

    def skip_to(self, moment: datetime) -> None:
        """Let time pass until a moment, and everything happen that comes with it.

        :param moment: naive means UTC.
        :raises ValueError: it is over, or beyond the year 9998.
        """
        self._bridge.run(self._source.skip_to(moment))

    def at_rest(self) -> None:
        """Let time pass until nobody has anything to do any more: no message waits in any queue, no timer is set.

        :raises StuckError: that is not within the environment's time.
        """
        self._bridge.run(self._source.at_rest())

    def crash(self) -> None:
        """End all workers as `kill -9` does. What they had in hand stays reserved for a while."""
        self._bridge.run(self._source.crash())

    def restart(self, workers: int | None = None) -> None:
        """Stop the workers that run in good order, as a deployment does, and start others.

        :param workers: how many (default: as many as there were at first).
        """
        self._bridge.run(self._source.restart(workers))

    def request(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        params: Params | None = None,
        raise_errors: bool = True,
    ) -> HttpResponse:
        """Have the app answer an HTTP request as the local host does, and return the answer.

        The management API answers, too, so that the URLs of `create_check_status_response` can be followed. As on a
        loopback address, nobody is asked for a key.

        :param method: the verb.
        :param url: a whole path, like `/api/orders/7`, or a URL.
        :param json: a value that is the body as JSON; None: there is none.
        :param body: the body as it is.
        :param headers: by name.
        :param params: query parameters, beside those of the URL.
        :param raise_errors: what the function raises is raised here; False: it is answered with 500, as hosts do.
        :raises TypeError: the function takes more than a request, or returned what is no response.
        :raises ValueError: the URL is no address of an app.
        """
        return self._bridge.run(
            self._source.request(
                method, url, json=json, body=body, headers=headers, params=params, raise_errors=raise_errors
            )
        )

    def fire(self, function: FunctionOfApp, /, *, past_due: bool = False, **bindings: Any) -> Any:
        """Call a function that is not durable as its trigger does, and return what it returns.

        Durable clients, `func.Out` parameters and the invocation context are filled in, and the `func.TimerRequest` of
        a timer function. What it gives to output bindings is added to `outputs`.

        :param function: by name, or as its decorators left it.
        :param past_due: a timer function is told that it comes late.
        :param bindings: by parameter, what triggers it and what its other input bindings bring.
        :raises FunctionNotFoundError: the app has no such function, or it is durable.
        :raises TypeError: a parameter is missing, or is none of the function's.
        """
        return self._bridge.run(self._source.fire(function, past_due=past_due, **bindings))

    def run_timers(self) -> None:
        """From now on call each timer function when it is due, as hosts do; those with `run_on_startup` at once.

        What one of them raises is raised when the environment is left.

        :raises SettingsError: a schedule refers to an app setting that is missing.
        """
        self._bridge.run(self._source.run_timers())


class InstanceSyncHandle(SyncPart[InstanceHandle]):
    """`InstanceHandle` for tests without `await`, as the sync environment gives it."""

    @property
    def instance_id(self) -> str:
        """Its id."""
        return self._source.instance_id

    @overload
    def result(self, timeout: timedelta | float | None = None) -> Any: ...
    @overload
    def result(self, timeout: timedelta | float | None = None, *, expected_type: type[T]) -> T: ...
    @overload
    def result(self, timeout: timedelta | float | None = None, *, expected_type: Any) -> Any: ...
    def result(self, timeout: timedelta | float | None = None, *, expected_type: Any = None) -> Any:
        """Wait for its end, and return what it returned.

        :param timeout: how long at most, in seconds or as a timedelta.
        :param expected_type: the type to build; by default plain JSON values.
        :raises OrchestrationFailedError: it failed, or was terminated. It has the `details`, and tells where in the
            code of the app it happened.
        :raises InstanceNotFoundError: there is none.
        :raises TimeoutError: it is not finished in time.
        :raises StuckError: it waits for what never comes. It says what it waits for.
        """
        source: Any = self._source
        return self._bridge.run(source.result(timeout, expected_type=expected_type))

    def wait(self, timeout: timedelta | float | None = None) -> DurableOrchestrationStatus:
        """Wait for its end, whatever that is, and return its status.

        :param timeout: how long at most, in seconds or as a timedelta.
        :raises InstanceNotFoundError: there is none.
        :raises TimeoutError: it is not finished in time.
        :raises StuckError: it waits for what never comes. It says what it waits for.
        """
        return self._bridge.run(self._source.wait(timeout))

    def wait_for_start(self, timeout: timedelta | float | None = None) -> DurableOrchestrationStatus:
        """Wait until it has begun, and return its status.

        :param timeout: how long at most, in seconds or as a timedelta.
        :raises InstanceNotFoundError: there is none.
        :raises TimeoutError: it has not begun in time.
        """
        return self._bridge.run(self._source.wait_for_start(timeout))

    def wait_for_custom_status(
        self, wanted: Any | Callable[[Any], bool], timeout: timedelta | float | None = None
    ) -> DurableOrchestrationStatus:
        """Wait until it has set this custom status, and return its status of that moment.

        :param wanted: the value, or a function that gets the custom status (plain JSON values) and tells whether it is
            the one.
        :param timeout: how long at most, in seconds or as a timedelta.
        :raises InstanceNotFoundError: there is none.
        :raises TimeoutError: it has not set it in time.
        :raises StuckError: it has ended without, or waits for what never comes.
        """
        return self._bridge.run(self._source.wait_for_custom_status(wanted, timeout))

    def status(self) -> DurableOrchestrationStatus:
        """Its status as it is now, with its input.

        :raises InstanceNotFoundError: there is none.
        """
        return self._bridge.run(self._source.status())

    def history(self) -> list[Event]:
        """The events of its current generation.

        :raises InstanceNotFoundError: there is none.
        """
        return self._bridge.run(self._source.history())

    def calls(self, *wanted: str | Callable[..., Any]) -> CallList:
        """What its orchestrator has called in its current generation, in order, and what it waits for.

        :param wanted: only calls of these: names, or decorated functions.
        :raises InstanceNotFoundError: there is none.
        """
        return self._bridge.run(self._source.calls(*wanted))

    def tree(self) -> str:
        """What it and its sub-orchestrations did, and what they wait for: its history as a tree of lines, for people.

        :raises InstanceNotFoundError: there is none.
        """
        return self._bridge.run(self._source.tree())

    def raise_event(self, name: str, data: Any = None) -> None:
        """Send it an external event.

        :param name: matched regardless of case.
        :param data: what the orchestrator receives.
        :raises InstanceNotFoundError: there is none.
        :raises InstanceCompletedError: it is finished.
        """
        self._bridge.run(self._source.raise_event(name, data))

    def terminate(self, reason: str = "", *, recurse: bool = False) -> bool:
        """Terminate it. False: it had already finished.

        :param reason: becomes its output.
        :param recurse: also its sub-orchestrations.
        :raises InstanceNotFoundError: there is none.
        """
        return self._bridge.run(self._source.terminate(reason, recurse=recurse))

    def suspend(self, reason: str = "") -> bool:
        """Have it pause until it is resumed. False: it had already finished.

        :raises InstanceNotFoundError: there is none.
        """
        return self._bridge.run(self._source.suspend(reason))

    def resume(self, reason: str = "") -> bool:
        """Have it go on. False: it had already finished.

        :raises InstanceNotFoundError: there is none.
        """
        return self._bridge.run(self._source.resume(reason))

    def rewind(self, reason: str = "") -> None:
        """Have it go on from where it failed.

        :raises InstanceNotFoundError: there is none.
        :raises InstanceNotFailedError: it has not failed.
        """
        self._bridge.run(self._source.rewind(reason))

    def restart(self, *, with_new_id: bool = True) -> InstanceSyncHandle:
        """Start it again with its input; returns the new one.

        :param with_new_id: False: it is started under the same id.
        :raises InstanceNotFoundError: there is none.
        :raises InstanceAlreadyExistsError: the same id is asked for, and it is not finished.
        """
        made = self._bridge.run(self._source.restart(with_new_id=with_new_id))
        return InstanceSyncHandle(made, self._bridge)


class EntitySyncHandle(SyncPart[EntityHandle]):
    """`EntityHandle` for tests without `await`, as the sync environment gives it."""

    @property
    def entity_id(self) -> EntityId:
        """Its id.

        :raises ValueError: it stands for all entities of its name.
        """
        return self._source.entity_id

    def operation(self, operation: str | Callable[..., Any]) -> OperationDouble[Any, Any]:
        """The double of an operation: says what it is to do, and tells what it was called with.

        :param operation: its name, or the method of the class.
        :raises FunctionNotFoundError: the class of the entity has no such operation; the message lists a near one.
        """
        return self._source.operation(operation)

    @property
    def received(self) -> list[Execution[Any]]:
        """Each operation since it was first asked for, in the order in which they began."""
        return self._source.received

    def signal(self, operation: str, input: Any = None, *, signal_time: datetime | None = None) -> None:
        """Have it perform an operation, now or later. Now, it has been performed when this returns.

        :param signal_time: when (default: now); naive means UTC.
        :raises ValueError: this handle stands for all entities of a name.
        :raises SerializationError: the input cannot be turned into JSON.
        """
        self._bridge.run(self._source.signal(operation, input, signal_time=signal_time))

    @overload
    def call(self, operation: str, input: Any = None, *, timeout: timedelta | float | None = None) -> Any: ...
    @overload
    def call(
        self,
        operation: str,
        input: Any = None,
        *,
        timeout: timedelta | float | None = None,
        expected_type: type[T],
    ) -> T: ...
    def call(
        self, operation: str, input: Any = None, *, timeout: timedelta | float | None = None, expected_type: Any = None
    ) -> Any:
        """Have it perform an operation, and return its result, as an orchestration would get it.

        :param timeout: how long to wait at most, in seconds or as a timedelta.
        :param expected_type: the type to build; by default plain JSON values.
        :raises TaskFailedError: the operation failed.
        :raises ValueError: this handle stands for all entities of a name.
        :raises SerializationError: the input cannot be turned into JSON, or the result is not of that type.
        :raises TimeoutError: it has not been performed in time.
        """
        source: Any = self._source
        return self._bridge.run(source.call(operation, input, timeout=timeout, expected_type=expected_type))

    def status(self) -> EntityMetadata:
        """What is known of it: who holds its lock and who waits for that, when it ran last. Falsy if it has no state.

        :raises ValueError: this handle stands for all entities of a name.
        """
        return self._bridge.run(self._source.status())

    def exists(self) -> bool:
        """Whether it has a state.

        :raises ValueError: this handle stands for all entities of a name.
        """
        return self._bridge.run(self._source.exists())

    @overload
    def state(self) -> Any: ...
    @overload
    def state(self, expected_type: type[T]) -> T | None: ...
    def state(self, expected_type: Any = None) -> Any:
        """Its state; None: it has none.

        :param expected_type: the type to build; by default plain JSON values.
        :raises ValueError: this handle stands for all entities of a name.
        :raises SerializationError: the state is not of that type.
        """
        source: Any = self._source
        return self._bridge.run(source.state(expected_type))
