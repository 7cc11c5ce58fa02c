"""The sync client, as tests/client/write_sync_client.py writes it: change the async one, and write anew."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from os import PathLike
from typing import TYPE_CHECKING, Any, overload

from azure_durable_py.client.batches import EntitySignal, InstanceEvent, NewInstance
from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.client.entities import CleanEntityStorageResult, EntityMetadata, EntityPage, EntityStateResponse
from azure_durable_py.client.export import ExportedInstance
from azure_durable_py.client.id_reuse import OrchestrationIdReusePolicy
from azure_durable_py.client.keys import KeyClient, KeyDescription
from azure_durable_py.client.links import HttpRequestLike
from azure_durable_py.client.schedules import ScheduleClient, ScheduleDescription
from azure_durable_py.client.status import DurableOrchestrationStatus, PurgeHistoryResult, StatusPage
from azure_durable_py.client.sync_base import SyncClientBase, SyncPartBase
from azure_durable_py.history.events import Event
from azure_durable_py.ids import EntityId
from azure_durable_py.schedules.definition import CatchUp, Overlap
from azure_durable_py.settings import Settings
from azure_durable_py.status import OrchestrationRuntimeStatus

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.credentials_async import AsyncTokenCredential


class DurableOrchestrationSyncClient(SyncClientBase):
    """Starts, queries and steers orchestration instances of one task hub, and talks to its entities; every call waits.

    It is `DurableOrchestrationClient` for code without `await`: the same calls, with the same parameters,
    results and errors. An event loop in another thread does the work, so that it can be used in any thread, in many at
    once, and also where an event loop runs, as in a notebook. It cannot be used on the event loop that does its work,
    nor in a process that was forked off after it was made: both are a `RuntimeError`.

    A sync function of an app gets one from `durable_client_input` when its parameter is annotated with this class.
    Elsewhere, use one of the `from_...` constructors, with `with` or with `close()` at the end.
    """

    @classmethod
    def from_app_settings(
        cls, app_dir: str | PathLike[str] = ".", *, storage: str | None = None
    ) -> DurableOrchestrationSyncClient:
        """A client of the hub of the function app in a directory, which is found as `azure-durable start` finds it.

        Reads host.json and local.settings.json there, and the environment. The code of the app is not loaded.

        :param app_dir: the directory with host.json.
        :param storage: as for `azure-durable start`: `sqlite`, `sqlite:PATH`, `azurite`, or the name of an app
            setting that holds a connection (default: AzureWebJobsStorage if it is set, else `sqlite`).
        :raises SettingsError: a setting or the storage cannot be used.
        :raises HubFormatError: the hub does not fit this version or queue count.
        """
        return cls._open(DurableOrchestrationClient.from_app_settings(app_dir, storage=storage))

    @classmethod
    def from_sqlite(
        cls, path: str | PathLike[str], hub_name: str, *, instance_queue_count: int = 1
    ) -> DurableOrchestrationSyncClient:
        """A client of a hub in a SQLite file, as `azure-durable start --storage sqlite:PATH` serves it.

        Client and host may be different processes on one machine: what the client sends wakes the host.

        :param path: the file; it is made when it is not there.
        :param hub_name: as in the host.json of the app.
        :param instance_queue_count: as in the host.json of the app.
        :raises SettingsError: its directory does not exist.
        :raises HubFormatError: the hub does not fit this version or queue count.
        """
        return cls._open(
            DurableOrchestrationClient.from_sqlite(path, hub_name, instance_queue_count=instance_queue_count)
        )

    @classmethod
    def from_connection_string(
        cls, connection_string: str, hub_name: str, *, instance_queue_count: int = 1
    ) -> DurableOrchestrationSyncClient:
        """A client of a hub in the storage account of a connection string.

        :param connection_string: of an Azure Storage account, or `UseDevelopmentStorage=true`.
        :param hub_name: as in the host.json of the app.
        :param instance_queue_count: as in the host.json of the app.
        :raises SettingsError: the connection string cannot be used.
        :raises HubFormatError: the hub does not fit this version or queue count.
        """
        return cls._open(
            DurableOrchestrationClient.from_connection_string(
                connection_string, hub_name, instance_queue_count=instance_queue_count
            )
        )

    @classmethod
    def from_credential(
        cls,
        table_service_uri: str,
        queue_service_uri: str,
        credential: AsyncTokenCredential | TokenCredential,
        hub_name: str,
        *,
        instance_queue_count: int = 1,
    ) -> DurableOrchestrationSyncClient:
        """A client of a hub in a storage account that is opened with an identity.

        :param table_service_uri: like `https://myaccount.table.core.windows.net`.
        :param queue_service_uri: like `https://myaccount.queue.core.windows.net`.
        :param credential: one of `azure.identity.aio`, or of `azure.identity`; it stays the caller's to close.
        :param hub_name: as in the host.json of the app.
        :param instance_queue_count: as in the host.json of the app.
        :raises SettingsError: a URI cannot be used.
        :raises HubFormatError: the hub does not fit this version or queue count.
        """
        return cls._open(
            DurableOrchestrationClient.from_credential(
                table_service_uri, queue_service_uri, credential, hub_name, instance_queue_count=instance_queue_count
            )
        )

    @classmethod
    def from_settings(
        cls, settings: Settings, app_settings: Mapping[str, str], *, storage: str | None = None
    ) -> DurableOrchestrationSyncClient:
        """A client of the hub that an app's settings name.

        :param settings: as read from host.json.
        :param app_settings: the app's settings by name; they hold the connection.
        :param storage: as for `from_app_settings`; relative paths are below the working directory (default: the
            connection that `settings` name).
        :raises SettingsError: the connection is missing, or it or the storage cannot be used.
        :raises HubFormatError: the hub does not fit this version or queue count.
        """
        return cls._open(DurableOrchestrationClient.from_settings(settings, app_settings, storage=storage))

    @property
    def task_hub_name(self) -> str:
        """The name of the task hub."""
        return self._client.task_hub_name

    @property
    def settings(self) -> Settings:
        """The settings that the client works with."""
        return self._client.settings

    @property
    def schedules(self) -> ScheduleSyncClient:
        """The schedules of the task hub: orchestrations that are started again and again."""
        return ScheduleSyncClient(self._client.schedules, self._bridge)

    @property
    def keys(self) -> KeySyncClient:
        """The keys of the task hub: who has one may call its HTTP functions, or its management API."""
        return KeySyncClient(self._client.keys, self._bridge)

    def start_new(
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
        return self._bridge.run(
            self._client.start_new(
                orchestration_function_name,
                instance_id,
                client_input,
                version,
                start_at=start_at,
                tags=tags,
                id_reuse_policy=id_reuse_policy,
            )
        )

    def start_many(self, instances: Iterable[NewInstance]) -> list[str]:
        """Start many orchestrations, up to 32 at once; returns their instance ids, in the order given.

        What is started stays started, whatever becomes of the others.

        :raises BatchError: some are not started; its `outcomes` has, for each, the instance id or the error.
        """
        return self._bridge.run(self._client.start_many(instances))

    def restart(
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
        return self._bridge.run(
            self._client.restart(instance_id, restart_with_new_instance_id, wait_timeout=wait_timeout)
        )

    def raise_event(
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
        self._bridge.run(self._client.raise_event(instance_id, event_name, event_data, task_hub_name, connection_name))

    def raise_events(self, events: Iterable[InstanceEvent]) -> None:
        """Send many external events. Those for one instance go together, and arrive in the order given.

        What is sent stays sent, whatever becomes of the others.

        :raises BatchError: some are not sent; its `outcomes` has, for each, None or the error.
        """
        self._bridge.run(self._client.raise_events(events))

    def terminate(self, instance_id: str, reason: str = "", *, recurse: bool = False) -> bool:
        """Ask an instance to end as Terminated. Returns False if it had already finished.

        An instance whose header is damaged cannot be asked: it is ended at once, and what was there is kept in
        rows of its partition until it is purged.

        :param reason: becomes its output.
        :param recurse: also terminate the sub-orchestrations that it has open, and theirs. Not reached are those that
            it started before it continued as new, and those of an instance that has finished without them.
        :raises InstanceNotFoundError: there is none.
        """
        return self._bridge.run(self._client.terminate(instance_id, reason, recurse=recurse))

    def suspend(self, instance_id: str, reason: str = "") -> bool:
        """Ask an instance to pause: it keeps events until resumed. Returns False if it had already finished.

        :raises InstanceNotFoundError: there is none.
        """
        return self._bridge.run(self._client.suspend(instance_id, reason))

    def resume(self, instance_id: str, reason: str = "") -> bool:
        """Ask a suspended instance to go on. Returns False if it had already finished.

        :raises InstanceNotFoundError: there is none.
        """
        return self._bridge.run(self._client.resume(instance_id, reason))

    def rewind(
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
        self._bridge.run(self._client.rewind(instance_id, reason, task_hub_name, connection_name))

    def purge_instance_history(self, instance_id: str, *, recursive: bool = False) -> PurgeHistoryResult:
        """Delete a finished instance with its history. Nothing is deleted if there is none.

        :param recursive: also the finished sub-orchestrations that its history names, and theirs, before it. Not
            reached are those that still run, and those that it started before it continued as new.
        :raises InstanceAlreadyExistsError: it is not finished; terminate it first.
        """
        return self._bridge.run(self._client.purge_instance_history(instance_id, recursive=recursive))

    def purge_instance_history_by(
        self,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: Collection[OrchestrationRuntimeStatus | str] | None = None,
    ) -> PurgeHistoryResult:
        """Delete all finished instances that meet all criteria given (see `get_status_by`).

        :param created_time_from: as there, but needed: an early time means all.
        :raises InvalidRequestError: `created_time_from` is missing, or a criterion cannot be used. It is a ValueError.
        """
        return self._bridge.run(
            self._client.purge_instance_history_by(created_time_from, created_time_to, runtime_status)
        )

    def wait_for_start(self, instance_id: str, timeout: timedelta | float | None = None) -> DurableOrchestrationStatus:
        """Wait until an instance has begun (is not Pending).

        :param timeout: how long at most, in seconds or as a timedelta; None: without limit.
        :raises InstanceNotFoundError: there is none.
        :raises TimeoutError: it is still pending.
        """
        return self._bridge.run(self._client.wait_for_start(instance_id, timeout))

    def wait_for_completion(
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
        return self._bridge.run(
            self._client.wait_for_completion(
                instance_id, timeout, raise_if_failed=raise_if_failed, expected_type=expected_type
            )
        )

    def finished(
        self, instance_id: str, timeout: float, longest_poll: float = 1.0
    ) -> DurableOrchestrationStatus | None:
        """The status of an instance once it is finished; None if it is not in time, or there is none.

        :param timeout: how long to wait, in seconds.
        :param longest_poll: how long to wait between two looks at most, in seconds.
        """
        return self._bridge.run(self._client.finished(instance_id, timeout, longest_poll))

    def get_status(
        self,
        instance_id: str,
        show_history: bool = False,
        show_history_output: bool = False,
        show_input: bool = False,
    ) -> DurableOrchestrationStatus:
        """The status of an instance, falsy if there is none.

        :param show_history: with its history, compacted.
        :param show_history_output: with the results in the history.
        :param show_input: with its input (and, in the history, the inputs of what it called).
        """
        return self._bridge.run(self._client.get_status(instance_id, show_history, show_history_output, show_input))

    def get_history(self, instance_id: str) -> list[Event]:
        """The history events of the current generation of an instance, values included.

        :raises InstanceNotFoundError: there is none.
        """
        return self._bridge.run(self._client.get_history(instance_id))

    def get_status_all(self) -> list[DurableOrchestrationStatus]:
        """The status of every orchestration instance in the hub."""
        return self._bridge.run(self._client.get_status_all())

    def get_status_by(
        self,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: Collection[OrchestrationRuntimeStatus | str] | None = None,
        instance_id_prefix: str | None = None,
        *,
        names: Collection[str] = (),
        tags: Mapping[str, str] | None = None,
        show_input: bool = True,
    ) -> list[DurableOrchestrationStatus]:
        """The status of every instance that meets all criteria given.

        :param created_time_from: created at this time or later; naive means UTC.
        :param created_time_to: created at this time or earlier; naive means UTC.
        :param runtime_status: in one of these states.
        :param instance_id_prefix: its id begins with this.
        :param names: of one of these orchestrators; exact names.
        :param tags: it has all of these. Storage is not asked for them: instances that have not are read and left out.
        :param show_input: with inputs.
        :raises InvalidRequestError: a criterion cannot be used.
        """
        return self._bridge.run(
            self._client.get_status_by(
                created_time_from,
                created_time_to,
                runtime_status,
                instance_id_prefix,
                names=names,
                tags=tags,
                show_input=show_input,
            )
        )

    def query_instances(
        self,
        *,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: Collection[OrchestrationRuntimeStatus | str] | None = None,
        instance_id_prefix: str | None = None,
        names: Collection[str] = (),
        tags: Mapping[str, str] | None = None,
        show_input: bool = False,
        page_size: int = 100,
        continuation_token: str | None = None,
    ) -> StatusPage:
        """One page of the instances that meet all criteria given (see `get_status_by`).

        :param page_size: at most so many, 1 to 1000; a page may be shorter.
        :param continuation_token: from the page before.
        :raises InvalidRequestError: a criterion, the page size or the token cannot be used.
        """
        return self._bridge.run(
            self._client.query_instances(
                created_time_from=created_time_from,
                created_time_to=created_time_to,
                runtime_status=runtime_status,
                instance_id_prefix=instance_id_prefix,
                names=names,
                tags=tags,
                show_input=show_input,
                page_size=page_size,
                continuation_token=continuation_token,
            )
        )

    def export_history(
        self,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: Collection[OrchestrationRuntimeStatus | str] | None = None,
        instance_id_prefix: str | None = None,
        *,
        names: Collection[str] = (),
        tags: Mapping[str, str] | None = None,
        completed_time_from: datetime | None = None,
        completed_time_to: datetime | None = None,
    ) -> Generator[ExportedInstance, None, None]:
        """Every instance that meets all criteria given, with its history; its `to_line()` is JSON.

        However many there are, only a few are in memory at a time. One that is damaged comes like the others: its
        status tells what cannot be read.

        :param created_time_from: created at this time or later; naive means UTC.
        :param created_time_to: created at this time or earlier; naive means UTC.
        :param runtime_status: in one of these states (default: those that are final). The history of one that runs
            is as far as it has come.
        :param instance_id_prefix: its id begins with this.
        :param names: of one of these orchestrators; exact names.
        :param tags: it has all of these.
        :param completed_time_from: finished at this time or later; naive means UTC.
        :param completed_time_to: finished at this time or earlier; naive means UTC.
        :raises InvalidRequestError: a criterion cannot be used.
        """
        return self._bridge.iterate(
            self._client.export_history(
                created_time_from,
                created_time_to,
                runtime_status,
                instance_id_prefix,
                names=names,
                tags=tags,
                completed_time_from=completed_time_from,
                completed_time_to=completed_time_to,
            )
        )

    def create_check_status_response(self, request: HttpRequestLike, instance_id: str) -> Any:
        """The 202 answer to a request that started an instance: management URLs, Location, Retry-After.

        :param request: the request being answered; its origin becomes that of the URLs.
        :raises InvalidRequestError: nothing serves management URLs here.
        """
        return self._client.create_check_status_response(request, instance_id)

    @overload
    def create_http_management_payload(self, instance_id: str, /) -> dict[str, str]: ...
    @overload
    def create_http_management_payload(self, *, instance_id: str) -> dict[str, str]: ...
    @overload
    def create_http_management_payload(self, request: HttpRequestLike | None, instance_id: str) -> dict[str, str]: ...
    def create_http_management_payload(
        self, request: HttpRequestLike | str | None = None, instance_id: str | None = None
    ) -> dict[str, str]:
        """The management URLs of an instance by name.

        It takes the id alone, or a request and the id.

        :param request: their origin is that of this request; without one it is the origin that the host knows of.
        :raises InvalidRequestError: there is no id, nothing serves management URLs here, or their origin is unknown.
        """
        source: Any = self._client
        return source.create_http_management_payload(request, instance_id)

    def get_client_response_links(self, request: HttpRequestLike | None, instance_id: str) -> dict[str, str]:
        """The management URLs of an instance by name, with the origin of a request.

        They are good for one execution: the one that this client started or read within the last minute, else the one
        that is there now. When the id is used again, they do not open what took its place.

        :raises InvalidRequestError: nothing serves management URLs here, or their origin is unknown.
        """
        return self._client.get_client_response_links(request, instance_id)

    def wait_for_completion_or_create_check_status_response(
        self,
        request: HttpRequestLike,
        instance_id: str,
        timeout_in_milliseconds: int = 10000,
        retry_interval_in_milliseconds: int = 1000,
    ) -> Any:
        """Wait for an instance for a while, then answer with its outcome or with its management URLs.

        Answers 200 with the output (Completed), 200 with the status (Terminated, Canceled), 500
        with the status (Failed), else like `create_check_status_response`. An output that is text is the body as
        it is, any other is JSON.

        :param timeout_in_milliseconds: how long to wait.
        :param retry_interval_in_milliseconds: how long to wait between looks, at most.
        :raises InvalidRequestError: the interval is longer than the timeout, or not positive.
        """
        return self._bridge.run(
            self._client.wait_for_completion_or_create_check_status_response(
                request, instance_id, timeout_in_milliseconds, retry_interval_in_milliseconds
            )
        )

    def signal_entity(
        self,
        entityId: EntityId,
        operation_name: str,
        operation_input: Any = None,
        task_hub_name: str | None = None,
        connection_name: str | None = None,
        *,
        signal_time: datetime | None = None,
        input: Any = None,
    ) -> None:
        """Have an entity perform an operation, now or later. Its result is not told.

        :param operation_input: JSON-serializable.
        :param task_hub_name: the entity's task hub, if it is another one.
        :param connection_name: the setting with the connection to that hub, if it is another one.
        :param signal_time: when to perform it (default: now); naive means UTC.
        :param input: another name of `operation_input`.
        :raises FunctionNotFoundError: the app has no such entity.
        :raises SerializationError: the input cannot be turned into JSON.
        :raises PayloadTooLargeError: the input is larger than the hub stores.
        :raises InvalidRequestError: two inputs are given, or the other hub cannot be reached from here.
        """
        self._bridge.run(
            self._client.signal_entity(
                entityId,
                operation_name,
                operation_input,
                task_hub_name,
                connection_name,
                signal_time=signal_time,
                input=input,
            )
        )

    def signal_entities(self, signals: Iterable[EntitySignal]) -> None:
        """Send many signals. Those for one entity go together, and arrive in the order given.

        What is sent stays sent, whatever becomes of the others.

        :raises BatchError: some are not sent; its `outcomes` has, for each, None or the error.
        """
        self._bridge.run(self._client.signal_entities(signals))

    def delete_entity(self, entityId: EntityId) -> None:
        """Delete the state of an entity, after what it was sent before. Its code is not run.

        An entity whose header is damaged begins anew at once; what was there is kept in rows of its partition.
        """
        self._bridge.run(self._client.delete_entity(entityId))

    def read_entity_state(
        self,
        entityId: EntityId,
        task_hub_name: str | None = None,
        connection_name: str | None = None,
        *,
        expected_type: Any = None,
    ) -> EntityStateResponse:
        """The state of an entity, as of its last operation.

        :param task_hub_name: the entity's task hub, if it is another one.
        :param connection_name: the setting with the connection to that hub, if it is another one.
        :param expected_type: the type to build; by default the state is plain JSON values.
        :raises SerializationError: the state is not of that type.
        :raises InvalidRequestError: the other hub cannot be reached from here.
        """
        return self._bridge.run(
            self._client.read_entity_state(entityId, task_hub_name, connection_name, expected_type=expected_type)
        )

    def get_entity(self, entityId: EntityId) -> EntityMetadata:
        """What is known of an entity, its state included; falsy if it has none."""
        return self._bridge.run(self._client.get_entity(entityId))

    def query_entities(
        self,
        *,
        name: str | None = None,
        key_prefix: str = "",
        last_operation_from: datetime | None = None,
        last_operation_to: datetime | None = None,
        include_state: bool = False,
        include_empty: bool = False,
        page_size: int = 100,
        continuation_token: str | None = None,
    ) -> EntityPage:
        """One page of the entities that meet all criteria given.

        :param name: the entity's name, regardless of case.
        :param key_prefix: its key begins with this; needs `name`.
        :param last_operation_from: its header changed at this time or later; naive means UTC.
        :param last_operation_to: its header changed at this time or earlier; naive means UTC.
        :param include_state: with states.
        :param include_empty: also entities without a state, of which only bookkeeping is left.
        :param page_size: at most so many, 1 to 1000; a page may be shorter.
        :param continuation_token: from the page before.
        :raises InvalidRequestError: a criterion, the page size or the token cannot be used.
        """
        return self._bridge.run(
            self._client.query_entities(
                name=name,
                key_prefix=key_prefix,
                last_operation_from=last_operation_from,
                last_operation_to=last_operation_to,
                include_state=include_state,
                include_empty=include_empty,
                page_size=page_size,
                continuation_token=continuation_token,
            )
        )

    def list_entities(
        self, name: str | None = None, key_prefix: str = "", *, include_state: bool = False
    ) -> Iterator[EntityMetadata]:
        """All entities that have a state, page by page (see `query_entities`)."""
        return self._bridge.iterate(self._client.list_entities(name, key_prefix, include_state=include_state))

    def clean_entity_storage(
        self, remove_empty_entities: bool = True, release_orphaned_locks: bool = True
    ) -> CleanEntityStorageResult:
        """Delete what is left of entities without a state, and release locks whose holder is gone.

        An entity is kept while it is locked, scheduled or waited for, and while somebody who sent it
        something could send that again.
        """
        return self._bridge.run(self._client.clean_entity_storage(remove_empty_entities, release_orphaned_locks))


class ScheduleSyncClient(SyncPartBase[ScheduleClient]):
    """The schedules of one task hub, as `schedules` of the sync client gives them; every call waits.

    It is `ScheduleClient` for code without `await`.
    """

    def create(
        self,
        schedule_id: str,
        orchestrator: str | Callable[..., Any],
        input_: Any = None,
        *,
        every: timedelta | None = None,
        cron: str | None = None,
        time_zone: str = "UTC",
        start_at: datetime | None = None,
        end_at: datetime | None = None,
        start_immediately: bool = False,
        overlap: Overlap = "skip",
        catch_up: CatchUp = "latest",
        version: str | None = None,
        instance_id: str = "{schedule_id}-{time}",
        paused: bool = False,
        replace: bool = False,
    ) -> ScheduleDescription:
        """Create a schedule.

        :param schedule_id: its id, of at most 100 characters, under the rules for instance ids.
        :param orchestrator: what it starts: an orchestrator by name, or the decorated function.
        :param input_: the input of every run; at most 65,536 characters of JSON.
        :param every: how long from one run to the next, at least a second; this or `cron`.
        :param cron: an NCRONTAB expression: `{second} {minute} {hour} {day} {month} {day-of-week}`, or without seconds.
        :param time_zone: whose local time `cron` speaks of: an IANA name, such as `Europe/Oslo`.
        :param start_at: nothing occurs before; intervals are counted from here (default: from now). Naive means UTC.
        :param end_at: nothing occurs after. Naive means UTC.
        :param start_immediately: also run once right away.
        :param overlap: what to do when a run is still under way: `skip` the new one, start it afterwards
            (`buffer_one`), `terminate` the old one and start it then, or `allow` both.
        :param catch_up: which occurrences to start that came while no worker ran: the `latest`, `all` (at most 100),
            or `none` that is more than a minute late.
        :param version: the version of the runs (default: that of the app).
        :param instance_id: their instance ids; `{schedule_id}` and `{time}` stand for those of the run.
        :param paused: nothing occurs until it is resumed.
        :param replace: if there is one with this id, give it this definition. Its counts stay, and so does its next
            occurrence unless it is to occur at other times. `start_immediately` and `paused` are for new ones only.
        :raises ScheduleAlreadyExistsError: there is one with this id, and `replace` was not asked for.
        :raises InvalidRequestError: an argument cannot be used; names it.
        :raises FunctionNotFoundError: the app has no such orchestrator.
        :raises SerializationError: the input cannot be turned into JSON.
        :raises TimeoutError: no worker has done it in time. It is done when one runs.
        """
        return self._bridge.run(
            self._client.create(
                schedule_id,
                orchestrator,
                input_,
                every=every,
                cron=cron,
                time_zone=time_zone,
                start_at=start_at,
                end_at=end_at,
                start_immediately=start_immediately,
                overlap=overlap,
                catch_up=catch_up,
                version=version,
                instance_id=instance_id,
                paused=paused,
                replace=replace,
            )
        )

    def get(self, schedule_id: str) -> ScheduleDescription | None:
        """A schedule as it is, or None if there is none.

        :raises CorruptRowError: it is damaged.
        """
        return self._bridge.run(self._client.get(schedule_id))

    def pause(self, schedule_id: str, reason: str | None = None) -> ScheduleDescription:
        """Start nothing until it is resumed. Runs that are under way go on.

        :param reason: kept for people, up to 1,000 characters.
        :raises ScheduleNotFoundError: there is none.
        :raises TimeoutError: no worker has done it in time. It is done when one runs.
        """
        return self._bridge.run(self._client.pause(schedule_id, reason))

    def resume(self, schedule_id: str) -> ScheduleDescription:
        """Go on with the first occurrence from now. Those during the pause are left out.

        :raises ScheduleNotFoundError: there is none.
        :raises TimeoutError: no worker has done it in time. It is done when one runs.
        """
        return self._bridge.run(self._client.resume(schedule_id))

    def update(
        self,
        schedule_id: str,
        *,
        orchestrator: str | Callable[..., Any] | None = None,
        input_: Any = None,
        every: timedelta | None = None,
        cron: str | None = None,
        time_zone: str | None = None,
        start_at: datetime | None = None,
        end_at: datetime | None = None,
        overlap: Overlap | None = None,
        catch_up: CatchUp | None = None,
        version: str | None = None,
        instance_id: str | None = None,
    ) -> ScheduleDescription:
        """Change a schedule. What is not given (or None) stays as it is; `create(..., replace=True)` says all anew.

        The next occurrence stays too, unless `every`, `cron`, `time_zone`, `start_at` or `end_at` changes. `every`
        takes the place of `cron`, and `cron` that of `every`. The parameters are those of `create`.

        :raises ScheduleNotFoundError: there is none.
        :raises InvalidRequestError: an argument cannot be used; names it.
        :raises FunctionNotFoundError: the app has no such orchestrator.
        :raises SerializationError: the input cannot be turned into JSON.
        :raises TimeoutError: no worker has done it in time. It is done when one runs.
        """
        return self._bridge.run(
            self._client.update(
                schedule_id,
                orchestrator=orchestrator,
                input_=input_,
                every=every,
                cron=cron,
                time_zone=time_zone,
                start_at=start_at,
                end_at=end_at,
                overlap=overlap,
                catch_up=catch_up,
                version=version,
                instance_id=instance_id,
            )
        )

    def run_now(self, schedule_id: str, *, overlap: Overlap | None = None) -> str | None:
        """Run once, beside the occurrences, paused or not. Returns the instance id.

        :param overlap: what to do when a run is under way (default: as the schedule has it).
        :returns: None: a run was under way, so none was started now.
        :raises ScheduleNotFoundError: there is none.
        :raises InvalidRequestError: there is no such `overlap`, or it does not go with the schedule's `instance_id`.
        :raises TimeoutError: no worker has done it in time. It is done when one runs.
        """
        return self._bridge.run(self._client.run_now(schedule_id, overlap=overlap))

    def delete(self, schedule_id: str) -> None:
        """Delete a schedule. Runs that are under way go on.

        :raises ScheduleNotFoundError: there is none.
        :raises TimeoutError: no worker has done it in time. It is done when one runs.
        """
        self._bridge.run(self._client.delete(schedule_id))

    def list(self, prefix: str = "") -> tuple[ScheduleDescription, ...]:
        """All schedules, in the order of their ids.

        :param prefix: only those whose id begins with this.
        :raises CorruptRowError: one is damaged; names it.
        """
        return self._bridge.run(self._client.list(prefix))


class KeySyncClient(SyncPartBase[KeyClient]):
    """The keys of one task hub, as `keys` of the sync client gives them; every call waits.

    It is `KeyClient` for code without `await`.
    """

    def list(self) -> tuple[KeyDescription, ...]:
        """All keys, by kind and name; none of them shows."""
        return self._bridge.run(self._client.list())

    def get(self, name: str) -> str:
        """A key itself, which is a secret.

        :param name: such as `master`, `host/default` or `function/HttpStart` (its key `default`).
        :raises KeyNotFoundError: there is none.
        :raises InvalidRequestError: it is no name of a key, or that of one for signing, which nobody else needs.
        """
        return self._bridge.run(self._client.get(name))

    def set(self, name: str, value: str) -> None:
        """Give a key a value of your own, whether there is such a key or not.

        :param value: 16 to 256 letters, digits and signs of ASCII, without spaces.
        :raises InvalidRequestError: the name or the value cannot be used.
        """
        self._bridge.run(self._client.set(name, value))

    def rotate(self, name: str, *, overlap: timedelta | float = 0) -> str:
        """Give a key another value, and return that; the one before opens nothing any more.

        To change a host key without a gap, `set` another one, hand it out, and `revoke` the first.

        :param name: of the key; `signing` makes another key for links: then its name is returned.
        :param overlap: of `signing`: how long links that are there stay good, in seconds or as a timedelta, as far as
            they do not expire before. Without it all links end.
        :raises KeyNotFoundError: there is none.
        :raises InvalidRequestError: it is no name of a key, or an overlap is asked for where there is none.
        """
        return self._bridge.run(self._client.rotate(name, overlap=overlap))

    def revoke(self, name: str) -> None:
        """Take a key away: it opens nothing any more. Of `signing/ID`: what that key signed is good no longer.

        :raises KeyNotFoundError: there is none.
        :raises InvalidRequestError: the hub cannot do without it: rotate the master key, and the key that signs.
        """
        self._bridge.run(self._client.revoke(name))

    def revoke_links(self, instance_id: str) -> None:
        """End all links to an instance that were made so far, for every execution under this id.

        Links that are made from now on are good.

        :raises InvalidInstanceIdError: the id breaks the rules for ids.
        :raises InvalidRequestError: too many instances have revoked links; rotate `signing`.
        """
        self._bridge.run(self._client.revoke_links(instance_id))
