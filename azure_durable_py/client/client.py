"""The durable client.

Owns the names and arguments that users call to start, steer, purge and wait; those to read, to answer HTTP requests and
to talk to entities are in `queries`, `responses` and `entities`. What it takes to do it is in the modules beside: a
messenger, a starter, a reader, a waiter and a purger.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from datetime import datetime, timedelta
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from azure_durable_py.client import connect
from azure_durable_py.client.arguments import (
    check_name,
    check_reason,
    check_tags,
    check_version,
    orchestrator_name,
    seconds,
)
from azure_durable_py.client.batches import InstanceEvent, NewInstance, do_all
from azure_durable_py.client.entities import EntityClient
from azure_durable_py.client.executions import RecentExecutions
from azure_durable_py.client.given import Given
from azure_durable_py.client.id_reuse import OrchestrationIdReusePolicy
from azure_durable_py.client.keys import KeyClient
from azure_durable_py.client.links import (
    ManagementUrls,
    ResponseFactory,
)
from azure_durable_py.client.messenger import Messenger
from azure_durable_py.client.purger import Purger
from azure_durable_py.client.queries import QueryClient
from azure_durable_py.client.reader import Reader, query_of
from azure_durable_py.client.responses import ResponseClient
from azure_durable_py.client.schedules import ScheduleClient
from azure_durable_py.client.starter import Starter
from azure_durable_py.client.status import DurableOrchestrationStatus, PurgeHistoryResult
from azure_durable_py.client.waiter import Waiter
from azure_durable_py.errors import (
    InstanceCompletedError,
    InstanceNotFoundError,
    InvalidRequestError,
)
from azure_durable_py.history.events import (
    Event,
    EventRaised,
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
)
from azure_durable_py.ids import check_instance_id, check_new_instance_id
from azure_durable_py.registry import Registry
from azure_durable_py.serialization.converter import DataConverter, JsonDataConverter
from azure_durable_py.settings import Settings
from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.taskhub.damage import end_damaged
from azure_durable_py.taskhub.hub import StartRequest, TaskHub
from azure_durable_py.taskhub.protocol import CorruptRowError, Header
from azure_durable_py.taskhub.rewinding import rewind
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.taskhub.storage import store_from_connection_string, store_from_credential, store_from_file
from azure_durable_py.taskhub.upgrades import NewerFormatError
from azure_durable_py.times import utc

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.credentials_async import AsyncTokenCredential

Elsewhere: TypeAlias = "Callable[[str | None, str | None], DurableOrchestrationClient]"


class DurableOrchestrationClient(QueryClient, ResponseClient, EntityClient, metaclass=Given):
    """Starts, queries and steers orchestration instances of one task hub, and talks to its entities.

    Inside a function app a client comes with `durable_client_input`, and called with that client alone the class
    returns it, for functions that were written to make one of their `starter`. Elsewhere, use one of the
    `from_...` constructors as async context managers.

    :param hub: the task hub, open; it stays the caller's to close.
    :param settings: settings of the hub.
    :param converter: turns values into JSON and back.
    :param registry: the app's functions, where known: unknown orchestrators are then refused.
    :param urls: makes management URLs, where something serves them.
    :param elsewhere: gives the client of another hub by hub name and connection name (None: the app's own).
    :param respond: makes response objects; without it HTTP methods return `HttpAnswer`.
    """

    def __init__(
        self,
        hub: TaskHub,
        settings: Settings,
        *,
        converter: DataConverter | None = None,
        registry: Registry | None = None,
        urls: ManagementUrls | None = None,
        elsewhere: Elsewhere | None = None,
        respond: ResponseFactory | None = None,
    ) -> None:
        self._hub = hub
        self._settings = settings
        self._converter = converter or JsonDataConverter(strict_types=registry is not None and registry.strict_types)
        self._registry = registry
        self._urls = urls
        self._elsewhere = elsewhere
        self._respond = respond
        self._executions = RecentExecutions(hub.clock)
        self._messenger = Messenger(hub)
        self._reader = Reader(hub, self._converter)
        self._purger = Purger(hub, self._reader)
        override = settings.overridable_existing_instance_states == "AnyState"
        self._starter = Starter(hub, self._messenger, replace_running=override)
        self._schedules = ScheduleClient(self, self._converter, registry)
        self._keys = KeyClient(hub, settings)
        self._waiter = Waiter(hub, self._messenger, self._starter, self._reader)

    @classmethod
    def from_app_settings(
        cls, app_dir: str | PathLike[str] = ".", *, storage: str | None = None
    ) -> AbstractAsyncContextManager[DurableOrchestrationClient]:
        """A client of the hub of the function app in a directory, which is found as `azure-durable start` finds it.

        Reads host.json and local.settings.json there, and the environment. The code of the app is not loaded.

        :param app_dir: the directory with host.json.
        :param storage: as for `azure-durable start`: `sqlite`, `sqlite:PATH`, `azurite`, or the name of an app
            setting that holds a connection (default: AzureWebJobsStorage if it is set, else `sqlite`).
        :raises SettingsError: a setting or the storage cannot be used (when entered).
        :raises HubFormatError: the hub does not fit this version or queue count (when entered).
        """
        return connect.opened(lambda: connect.of_app(Path(app_dir), storage, os.environ), cls)

    @classmethod
    def from_sqlite(
        cls, path: str | PathLike[str], hub_name: str, *, instance_queue_count: int = 1
    ) -> AbstractAsyncContextManager[DurableOrchestrationClient]:
        """A client of a hub in a SQLite file, as `azure-durable start --storage sqlite:PATH` serves it.

        Client and host may be different processes on one machine: what the client sends wakes the host.

        :param path: the file; it is made when it is not there.
        :param hub_name: as in the host.json of the app.
        :param instance_queue_count: as in the host.json of the app.
        :raises SettingsError: its directory does not exist (when entered).
        :raises HubFormatError: the hub does not fit this version or queue count (when entered).
        """
        settings = Settings(hub_name=hub_name, instance_queue_count=instance_queue_count)
        return connect.opened(lambda: (store_from_file(settings, Path(path)), settings), cls)

    @classmethod
    def from_connection_string(
        cls, connection_string: str, hub_name: str, *, instance_queue_count: int = 1
    ) -> AbstractAsyncContextManager[DurableOrchestrationClient]:
        """A client of a hub in the storage account of a connection string.

        :param connection_string: of an Azure Storage account, or `UseDevelopmentStorage=true`.
        :param hub_name: as in the host.json of the app.
        :param instance_queue_count: as in the host.json of the app.
        :raises SettingsError: the connection string cannot be used (when entered).
        :raises HubFormatError: the hub does not fit this version or queue count (when entered).
        """
        settings = Settings(hub_name=hub_name, instance_queue_count=instance_queue_count)
        return connect.opened(lambda: (store_from_connection_string(settings, connection_string), settings), cls)

    @classmethod
    def from_credential(
        cls,
        table_service_uri: str,
        queue_service_uri: str,
        credential: AsyncTokenCredential | TokenCredential,
        hub_name: str,
        *,
        instance_queue_count: int = 1,
    ) -> AbstractAsyncContextManager[DurableOrchestrationClient]:
        """A client of a hub in a storage account that is opened with an identity.

        :param table_service_uri: like `https://myaccount.table.core.windows.net`.
        :param queue_service_uri: like `https://myaccount.queue.core.windows.net`.
        :param credential: one of `azure.identity.aio`, or of `azure.identity`; it stays the caller's to close.
        :param hub_name: as in the host.json of the app.
        :param instance_queue_count: as in the host.json of the app.
        :raises SettingsError: a URI cannot be used (when entered).
        :raises HubFormatError: the hub does not fit this version or queue count (when entered).
        """
        settings = Settings(hub_name=hub_name, instance_queue_count=instance_queue_count)
        return connect.opened(
            lambda: (store_from_credential(settings, table_service_uri, queue_service_uri, credential), settings), cls
        )

    @classmethod
    def from_settings(
        cls, settings: Settings, app_settings: Mapping[str, str], *, storage: str | None = None
    ) -> AbstractAsyncContextManager[DurableOrchestrationClient]:
        """A client of the hub that an app's settings name.

        :param settings: as read from host.json.
        :param app_settings: the app's settings by name; they hold the connection.
        :param storage: as for `from_app_settings`; relative paths are below the working directory (default: the
            connection that `settings` name).
        :raises SettingsError: the connection is missing, or it or the storage cannot be used (when entered).
        :raises HubFormatError: the hub does not fit this version or queue count (when entered).
        """
        return connect.opened(lambda: connect.of_settings(settings, app_settings, storage), cls)

    @property
    def task_hub_name(self) -> str:
        """The name of the task hub."""
        return self._settings.hub_name

    @property
    def hub(self) -> TaskHub:
        """The task hub that the client works on."""
        return self._hub

    @property
    def settings(self) -> Settings:
        """The settings that the client works with."""
        return self._settings

    @property
    def schedules(self) -> ScheduleClient:
        """The schedules of the task hub: orchestrations that are started again and again."""
        return self._schedules

    @property
    def keys(self) -> KeyClient:
        """The keys of the task hub: who has one may call its HTTP functions, or its management API."""
        return self._keys

    # --- starting --------------------------------------------------------------------------------

    async def start_new(
        self,
        orchestration_function_name: str | Callable[..., Any],
        instance_id: str | None = None,
        client_input: Any = None,
        version: str | None = None,
        *,
        start_at: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        id_reuse_policy: OrchestrationIdReusePolicy | None = None,
    ) -> str:
        """Start an orchestration; returns its instance id.

        :param orchestration_function_name: the orchestrator by name, or the decorated function.
        :param instance_id: its id (default: 32 random hex digits). A finished instance with this
            id is replaced, unless `id_reuse_policy` says otherwise.
        :param client_input: the input; None: no input.
        :param version: its version (default: `defaultVersion` in host.json).
        :param start_at: when it begins (default: now); naive means UTC.
        :param tags: small texts by name, kept with the instance.
        :param id_reuse_policy: what to do when there is an instance with this id (default: as
            `overridableExistingInstanceStates` in host.json says).
        :raises FunctionNotFoundError: the app has no such orchestrator.
        :raises InvalidInstanceIdError: the id breaks the rules for ids.
        :raises InstanceAlreadyExistsError: an instance with this id is there, and is not to be replaced.
        :raises SerializationError: the input cannot be turned into JSON.
        :raises PayloadTooLargeError: the input or the tags are larger than the hub stores.
        """
        name = orchestrator_name(orchestration_function_name, self._registry)
        instance_id = self._hub.ids.new() if instance_id is None else check_new_instance_id(instance_id)
        text = None if client_input is None else self._converter.serialize(client_input)
        request = StartRequest(
            instance_id=instance_id,
            execution_id=self._hub.ids.new(),
            name=name,
            created_at=self._hub.clock.now(),
            input=text,
            version=check_version(self._settings.default_version if version is None else version),
            tags=check_tags(tags),
            start_at=None if start_at is None else utc(start_at),
        )
        self._executions.note(instance_id, await self._starter.start(request, id_reuse_policy))
        return instance_id

    async def start_many(self, instances: Iterable[NewInstance]) -> list[str]:
        """Start many orchestrations, up to 32 at once; returns their instance ids, in the order given.

        What is started stays started, whatever becomes of the others.

        :raises BatchError: some are not started; its `outcomes` has, for each, the instance id or the error.
        """
        return await do_all(
            instances,
            lambda each: self.start_new(
                each.orchestrator,
                each.instance_id,
                each.input,
                each.version,
                start_at=each.start_at,
                tags=each.tags,
                id_reuse_policy=each.id_reuse_policy,
            ),
        )

    async def restart(
        self,
        instance_id: str,
        restart_with_new_instance_id: bool = True,
        *,
        wait_timeout: timedelta | float | None = None,
    ) -> str:
        """Start an instance again with its name, input, version and tags; returns the id of the new one.

        :param restart_with_new_instance_id: False: under the same id. Like a start, this replaces a finished
            instance, and terminates and replaces another one only where `overridableExistingInstanceStates` in
            host.json is `AnyState`.
        :param wait_timeout: also wait until the new execution is finished, so long at most: seconds or a timedelta;
            None: do not wait. How it ended, its status tells.
        :raises InstanceNotFoundError: there is none.
        :raises InstanceAlreadyExistsError: the same id is asked for, and it is not finished.
        :raises CorruptRowError: what it was started with cannot be read.
        :raises TimeoutError: it was started, and is not finished within `wait_timeout`.
        """
        status = await self.get_status(instance_id, show_input=True)
        if not status:
            raise InstanceNotFoundError(f"There is no instance {instance_id!r} to restart in this task hub.")
        if status.damaged:
            raise CorruptRowError(f"Instance {instance_id!r} cannot be restarted as it was: {status.damaged}")
        request = StartRequest(
            instance_id=self._hub.ids.new() if restart_with_new_instance_id else instance_id,
            execution_id=self._hub.ids.new(),
            name=status.name or "",
            created_at=self._hub.clock.now(),
            input=status.input_json,
            version=status.version,
            tags=dict(status.tags) or None,
        )
        self._executions.note(request.instance_id, await self._starter.start(request))
        if wait_timeout is not None:
            await self.wait_for_completion(request.instance_id, wait_timeout)
        return request.instance_id

    # --- steering --------------------------------------------------------------------------------

    async def raise_event(
        self,
        instance_id: str,
        event_name: str,
        event_data: Any = None,
        task_hub_name: str | None = None,
        connection_name: str | None = None,
    ) -> None:
        """Send an external event to an instance.

        It is for the execution that runs now: if that ends before it takes the event, the event has no effect. An
        instance that is started under the same id later never gets it, however late storage takes it.

        :param event_name: matched regardless of case.
        :param event_data: what the orchestrator receives.
        :param task_hub_name: the instance's task hub, if it is another one.
        :param connection_name: the setting with the connection to that hub, if it is another one.
        :raises InstanceNotFoundError: there is none.
        :raises InstanceCompletedError: it is finished.
        :raises InvalidRequestError: the name is empty or too long; the other hub cannot be reached from here.
        :raises SerializationError: the data cannot be turned into JSON.
        :raises PayloadTooLargeError: the data is larger than the hub stores.
        """
        check_name("an event", event_name)
        data = None if event_data is None else self._converter.serialize(event_data)
        await self._of_hub(task_hub_name, connection_name)._raise(instance_id, event_name, data)

    async def raise_events(self, events: Iterable[InstanceEvent]) -> None:
        """Send many external events. Those for one instance go together, and arrive in the order given.

        What is sent stays sent, whatever becomes of the others.

        :raises BatchError: some are not sent; its `outcomes` has, for each, None or the error.
        """
        await do_all(
            events, lambda each: self.raise_event(each.instance_id, each.name, each.data), lambda each: each.instance_id
        )

    async def _raise(self, instance_id: str, event_name: str, data: str | None) -> None:
        running = await self._messenger.find_running(check_instance_id(instance_id))
        event = EventRaised(self._hub.clock.now(), event_name, data)
        await self._messenger.send(instance_id, event, running.columns.execution_id)

    def _of_hub(self, task_hub_name: str | None, connection_name: str | None) -> DurableOrchestrationClient:
        own = (self._settings.hub_name.lower(), self._settings.connection_name.lower())
        asked = ((task_hub_name or own[0]).lower(), (connection_name or own[1]).lower())
        if asked == own:
            return self
        if self._elsewhere is None:
            raise InvalidRequestError(
                f"This client works on task hub {self._settings.hub_name!r} only. Make another client for "
                f"{task_hub_name or self._settings.hub_name!r} ({connection_name or self._settings.connection_name})."
            )
        return self._elsewhere(task_hub_name, connection_name)

    async def terminate(self, instance_id: str, reason: str = "", *, recurse: bool = False) -> bool:
        """Ask an instance to end as Terminated. Returns False if it had already finished.

        An instance whose header is damaged cannot be asked: it is ended at once, and what was there is kept in
        rows of its partition until it is purged.

        :param reason: becomes its output.
        :param recurse: also terminate the sub-orchestrations that it has open, and theirs. Not reached are those that
            it started before it continued as new, and those of an instance that has finished without them.
        :raises InstanceNotFoundError: there is none.
        """
        event = ExecutionTerminated(self._hub.clock.now(), check_reason(reason), recurse)
        try:
            header = await self._messenger.find_running(check_instance_id(instance_id))
            _check_body(header)
        except InstanceCompletedError:
            return False
        except CorruptRowError:
            return await end_damaged(self._hub, instance_id, reason)
        await self._messenger.control(header, event)
        return True

    async def suspend(self, instance_id: str, reason: str = "") -> bool:
        """Ask an instance to pause: it keeps events until resumed. Returns False if it had already finished.

        :raises InstanceNotFoundError: there is none.
        """
        return await self._control(instance_id, ExecutionSuspended(self._hub.clock.now(), check_reason(reason)))

    async def resume(self, instance_id: str, reason: str = "") -> bool:
        """Ask a suspended instance to go on. Returns False if it had already finished.

        :raises InstanceNotFoundError: there is none.
        """
        return await self._control(instance_id, ExecutionResumed(self._hub.clock.now(), check_reason(reason)))

    async def _control(self, instance_id: str, event: Event) -> bool:
        try:
            header = await self._messenger.find_running(check_instance_id(instance_id))
        except InstanceCompletedError:
            return False
        await self._messenger.control(header, event)
        return True

    async def rewind(
        self, instance_id: str, reason: str, task_hub_name: str | None = None, connection_name: str | None = None
    ) -> None:
        """Have a failed instance go on from where it failed: what failed runs again, what succeeded does not.

        Its failed activities and entity operations are asked for again, its failed sub-orchestrations are rewound
        themselves. It is `Pending` until a worker takes it up. What was decided after the failure that ended it is
        decided anew.

        :param reason: for people: kept in the history.
        :param task_hub_name: the instance's task hub, if it is another one.
        :param connection_name: the setting with the connection to that hub, if it is another one.
        :raises InstanceNotFoundError: there is none.
        :raises InstanceNotFailedError: it has not failed.
        :raises RewindNotPossibleError: it failed inside a critical section, whose locks are gone.
        :raises CorruptRowError: its history cannot be read.
        :raises InvalidRequestError: the other hub cannot be reached from here.
        """
        hub = self._of_hub(task_hub_name, connection_name).hub
        await rewind(hub, check_instance_id(instance_id), check_reason(reason))

    # --- purging ---------------------------------------------------------------------------------

    async def purge_instance_history(self, instance_id: str, *, recursive: bool = False) -> PurgeHistoryResult:
        """Delete a finished instance with its history. Nothing is deleted if there is none.

        :param recursive: also the finished sub-orchestrations that its history names, and theirs, before it. Not
            reached are those that still run, and those that it started before it continued as new.
        :raises InstanceAlreadyExistsError: it is not finished; terminate it first.
        """
        return PurgeHistoryResult(await self._purger.one(check_instance_id(instance_id), recursive=recursive))

    async def purge_instance_history_by(
        self,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: Collection[OrchestrationRuntimeStatus | str] | None = None,
    ) -> PurgeHistoryResult:
        """Delete all finished instances that meet all criteria given (see `get_status_by`).

        :param created_time_from: as there, but needed: an early time means all.
        :raises InvalidRequestError: `created_time_from` is missing, or a criterion cannot be used. It is a ValueError.
        """
        if created_time_from is None:
            raise InvalidRequestError(
                "purge_instance_history_by needs created_time_from, so that nobody deletes everything by leaving it "
                "out. To purge every finished instance, give an early time: datetime(1970, 1, 1)."
            )
        query = query_of(
            created_time_from=created_time_from,
            created_time_to=created_time_to,
            runtime_status=runtime_status,
            page_size=1000,
        )
        return PurgeHistoryResult(await self._purger.many(query))

    # --- waiting ---------------------------------------------------------------------------------

    async def wait_for_start(
        self, instance_id: str, timeout: timedelta | float | None = None
    ) -> DurableOrchestrationStatus:
        """Wait until an instance has begun (is not Pending).

        :param timeout: how long at most, in seconds or as a timedelta; None: without limit.
        :raises InstanceNotFoundError: there is none.
        :raises TimeoutError: it is still pending.
        """
        return await self._waiter.until(
            check_instance_id(instance_id),
            seconds(timeout),
            lambda status: status is not OrchestrationRuntimeStatus.Pending,
        )

    async def wait_for_completion(
        self,
        instance_id: str,
        timeout: timedelta | float | None = None,
        *,
        raise_if_failed: bool = False,
        expected_type: Any = None,
    ) -> DurableOrchestrationStatus:
        """Wait until an instance is finished.

        :param timeout: how long at most, in seconds or as a timedelta; None: without limit.
        :param raise_if_failed: raise if it failed.
        :param expected_type: the type of its `output`.
        :raises InstanceNotFoundError: there is none.
        :raises TimeoutError: it is not finished.
        :raises OrchestrationFailedError: it failed, and `raise_if_failed`.
        """
        status = await self._waiter.until(
            check_instance_id(instance_id),
            seconds(timeout),
            lambda status: status.is_terminal,
            output_type=expected_type,
        )
        if raise_if_failed:
            status.raise_if_failed()
        return status

    async def finished(
        self, instance_id: str, timeout: float, longest_poll: float = 1.0
    ) -> DurableOrchestrationStatus | None:
        """The status of an instance once it is finished; None if it is not in time, or there is none.

        :param timeout: how long to wait, in seconds.
        :param longest_poll: how long to wait between two looks at most, in seconds.
        """
        return await self._waiter.finished(check_instance_id(instance_id), timeout, longest_poll)


def _check_body(header: Header) -> None:
    """Find out whether a worker can read a header.

    :raises CorruptRowError: it is damaged.
    """
    with suppress(NewerFormatError):  # One that is upgraded can.
        InstanceState.decode(header.body)
