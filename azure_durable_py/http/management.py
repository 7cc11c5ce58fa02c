"""The HTTP management API: routes, who may call them, and what they answer.

Owns no web server: a host hands in a `Request` and sends the `HttpAnswer`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.client.links import HttpAnswer, accepted, origin_of
from azure_durable_py.client.status import DurableOrchestrationStatus
from azure_durable_py.client.waiter import completed_answer
from azure_durable_py.errors import (
    DurableError,
    FunctionNotFoundError,
    InstanceAlreadyExistsError,
    InstanceCompletedError,
    InstanceNotFailedError,
    InstanceNotFoundError,
    InvalidInstanceIdError,
    InvalidRequestError,
    PayloadTooLargeError,
    RewindNotPossibleError,
    SerializationError,
    StorageUnavailableError,
    UnstorableError,
)
from azure_durable_py.http.entities import EntityRoutes
from azure_durable_py.http.guard import Guard, check_fit
from azure_durable_py.http.monitor.routes import MonitorRoutes
from azure_durable_py.http.routing import AdmittedCall, ManagementRoute, page_answer
from azure_durable_py.http.signing import Signature, SignedOperation, UrlSigner
from azure_durable_py.http.tracing import requested
from azure_durable_py.http.urls import instance_url, management_payload
from azure_durable_py.http.wire import (
    OutcomeWait,
    Parameters,
    RefusedError,
    Request,
    error_answer,
    json_body,
    shown_time,
    value_answer,
)
from azure_durable_py.registry import Registry
from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.taskhub.protocol import CorruptRowError

logger = logging.getLogger("azure_durable_py.http")

MAX_STRANGERS_BODY = 10 * 1024 * 1024
"""Largest body taken from a caller that is not trusted, in bytes."""

_STATUS_OF: tuple[tuple[type[DurableError], int], ...] = (
    (InstanceNotFoundError, 404),
    (InstanceCompletedError, 410),
    (InstanceNotFailedError, 410),
    (InstanceAlreadyExistsError, 409),
    (RewindNotPossibleError, 409),
    (PayloadTooLargeError, 413),
    (UnstorableError, 400),
    (InvalidRequestError, 400),
    (FunctionNotFoundError, 400),
    (SerializationError, 400),
    (CorruptRowError, 500),
)


class ManagementApi:
    """Answers management requests for one task hub.

    :param client: does what is asked.
    :param signer: checks the signatures of URLs, and signs those in answers.
    :param admitted: tells which origin URLs in answers have for a caller who used one (default: that one).
    :param registry: the functions of the app that the host runs, where it runs one: the monitor names them.
    """

    def __init__(
        self,
        client: DurableOrchestrationClient,
        signer: UrlSigner,
        admitted: Callable[[str], str] = lambda origin: origin,
        registry: Registry | None = None,
    ) -> None:
        self._client = client
        self._admitted = admitted
        self._signer = signer
        self._guard = Guard(client.hub, signer)
        self._entities = EntityRoutes(client)
        self.routes: tuple[ManagementRoute, ...] = (
            ManagementRoute("POST", "orchestrators/{name}", None, self._start),
            ManagementRoute("POST", "orchestrators/{name}/{id}", None, self._start),
            ManagementRoute("GET", "instances", None, self._list),
            ManagementRoute("DELETE", "instances", None, self._purge_many),
            ManagementRoute("GET", "instances/{id}", SignedOperation.status, self._status),
            ManagementRoute("DELETE", "instances/{id}", SignedOperation.purge, self._purge),
            ManagementRoute(
                "POST", "instances/{id}/raiseEvent/{event}", SignedOperation.raise_event, self._raise_event
            ),
            ManagementRoute("POST", "instances/{id}/terminate", SignedOperation.terminate, self._terminate),
            ManagementRoute("POST", "instances/{id}/suspend", SignedOperation.suspend, self._suspend),
            ManagementRoute("POST", "instances/{id}/resume", SignedOperation.resume, self._resume),
            ManagementRoute("POST", "instances/{id}/restart", SignedOperation.restart, self._restart),
            ManagementRoute("POST", "instances/{id}/rewind", SignedOperation.rewind, self._rewind),
            ManagementRoute("POST", "makeprimary", None, self._make_primary),
            *self._entities.routes(),
            *MonitorRoutes(client, registry).routes(),
        )

    async def handle(self, request: Request, *, trusted: bool) -> HttpAnswer:
        """Answer a request; never raises an `Exception`.

        A call is allowed if the host trusts the caller, if it brings a system key of the hub or its master key (as
        `code` or in the header `x-functions-key`), or if its URL is signed for this operation on this execution
        of this instance. Starting, listing and purging by filter need trust or such a key.

        :param trusted: the host vouches for the caller, for instance because it is a program on
            the same machine. Such callers need no key and have no limit on bodies.
        """
        try:
            route, values = self._find(request)
        except RefusedError as refused:
            return error_answer(refused.status, str(refused), refused.headers)
        answer = await self._answer(request, route, values, trusted=trusted)
        return replace(answer, headers={**answer.headers, **route.headers}) if route.headers else answer

    async def _answer(
        self, request: Request, route: ManagementRoute, values: dict[str, str], *, trusted: bool
    ) -> HttpAnswer:
        try:
            call = await self._admit(request, route, values, trusted=trusted)
            if route.operation is not SignedOperation.status:
                # Who looks at an instance sees in what was read whether it is the right one.
                await self._guard.check_execution(call)
            with requested(self._client.hub.observer, request.headers):
                return await route.handler(call)
        except RefusedError as refused:
            return error_answer(refused.status, str(refused), refused.headers)
        except InvalidInstanceIdError as error:
            # Nothing can be there; it is an error of the caller only where something is to be made.
            looked_for = route.path.startswith("instances/")
            return error_answer(404 if looked_for else 400, str(error), error=error)
        except StorageUnavailableError as error:
            logger.warning("%s %s: storage gave no answer: %s", request.method, request.path, error)
            message = "The task hub's storage gives no answer at the moment. Try again in a few seconds."
            return error_answer(503, message, {"Retry-After": "5"})
        except DurableError as error:
            return _error(request, error)
        except Exception:
            logger.exception("%s %s failed.", request.method, request.path)
            return error_answer(500, "The request failed; the host's log tells why.")

    async def refusal(self, request: Request, *, trusted: bool) -> HttpAnswer | None:
        """The answer to a request that is refused whatever its body is; None: its body is needed.

        So nothing needs to be read from a caller who may not call.

        :param trusted: the host vouches for the caller.
        """
        try:
            await self._admit(request, *self._find(request), trusted=trusted)
        except RefusedError as refused:
            return error_answer(refused.status, str(refused), refused.headers)
        except DurableError:
            # Whatever it is, `handle` comes to it again, and tells it.
            return None
        return None

    # --- admission -------------------------------------------------------------------------------

    def _find(self, request: Request) -> tuple[ManagementRoute, dict[str, str]]:
        segments = _segments(request.path)
        found = [(route, values) for route in self.routes if (values := route.match(segments)) is not None]
        for route, values in found:
            if route.method == request.method:
                return route, values
        if found:
            allowed = ", ".join(sorted({route.method for route, _ in found}))
            # As the .NET extension answers it.
            raise RefusedError(404, f"{request.method} is not possible here; accepted: {allowed}.", {"Allow": allowed})
        routes = "; ".join(f"{route.method} {route.path}" for route in self.routes)
        raise RefusedError(404, f"There is nothing at {request.path[:200]!r}. The management API has: {routes}.")

    async def _admit(
        self, request: Request, route: ManagementRoute, values: dict[str, str], *, trusted: bool
    ) -> AdmittedCall:
        parameters = Parameters(request.query)
        signature = None
        if route.is_public:
            return AdmittedCall(request, values, parameters, "", None)
        # Also to sign what is answered with the keys of today.
        await self._client.hub.keys.current()
        if not trusted:
            if len(request.body) > MAX_STRANGERS_BODY:
                raise RefusedError(413, f"The body has {len(request.body)} bytes; the limit is {MAX_STRANGERS_BODY}.")
            signature = await self._guard.admit(request, route, values, parameters)
        # Told to nobody who may not ask: it names the hub.
        hub = parameters.text("taskHub")
        if hub is not None and hub.lower() != self._client.task_hub_name.lower():
            raise RefusedError(
                404,
                f"This host serves task hub {self._client.task_hub_name!r}, not {hub[:80]!r}. Ask that hub's own host.",
            )
        headers = {name.lower(): value for name, value in request.headers.items()}
        forwarded = self._client.settings.http_use_forwarded_host
        origin = self._admitted(origin_of(request.base_url, headers, use_forwarded=forwarded))
        base_url = origin + urlsplit(request.base_url).path
        return AdmittedCall(request, values, parameters, base_url.rstrip("/"), signature)

    # --- starting --------------------------------------------------------------------------------

    async def _start(self, call: AdmittedCall) -> HttpAnswer:
        patience = call.parameters.patience()
        instance_id = await self._client.start_new(
            call.values["name"],
            call.values.get("id"),
            json_body(call.request.body),
            call.parameters.text("version"),
        )
        return await self._begun(call, instance_id, patience)

    async def _restart(self, call: AdmittedCall) -> HttpAnswer:
        patience = call.parameters.patience()
        new_id = call.parameters.done("restartWithNewInstanceId", True)
        try:
            instance_id = await self._client.restart(call.values["id"], new_id)
        except (InstanceNotFoundError, InvalidInstanceIdError) as error:
            raise RefusedError(400, str(error)) from None
        return await self._begun(call, instance_id, patience)

    async def _begun(self, call: AdmittedCall, instance_id: str, patience: OutcomeWait | None) -> HttpAnswer:
        """What an instance came to, if the caller waits for it and it comes to an end in time; else where to look."""
        if patience is not None:
            status = await self._client.finished(instance_id, patience.timeout, patience.interval)
            if status is not None and status.damaged is not None:
                raise CorruptRowError(f"Instance {instance_id!r} has ended, but cannot be read: {status.damaged}")
            if status is not None:
                return completed_answer(status) or await self._look(call, instance_id, failure_code=200)
        return self._accepted(call, instance_id)

    async def _rewind(self, call: AdmittedCall) -> HttpAnswer:
        await self._client.rewind(call.values["id"], _reason(call))
        return HttpAnswer(202)

    def _accepted(self, call: AdmittedCall, instance_id: str) -> HttpAnswer:
        execution_id = self._client.recent_execution(instance_id)
        if call.signature is None:
            return accepted(management_payload(self._signer, call.base_url, instance_id, execution_id))
        # A signature buys no rights that it does not have itself, and no more time: only a look.
        until = call.signature.until
        query = self._signer.sign(instance_id, SignedOperation.status, until=until, execution_id=execution_id)
        look = f"{instance_url(call.base_url, instance_id)}?{query}"
        return accepted({"id": instance_id, "statusQueryGetUri": look})

    # --- reading ---------------------------------------------------------------------------------

    async def _status(self, call: AdmittedCall) -> HttpAnswer:
        fail = call.parameters.shown("returnInternalServerErrorOnFailure", False)
        return await self._look(call, call.values["id"], failure_code=500 if fail else 200, signature=call.signature)

    async def _look(
        self, call: AdmittedCall, instance_id: str, *, failure_code: int, signature: Signature | None = None
    ) -> HttpAnswer:
        show_history = call.parameters.shown("showHistory", False)
        show_output = call.parameters.shown("showHistoryOutput", False)
        show_input = call.parameters.shown("showInput", True)
        status = await self._client.get_status(instance_id, show_history, show_output, show_input)
        if not status:
            raise InstanceNotFoundError(f"There is no instance {instance_id!r} in this task hub.")
        if signature is not None:
            check_fit(signature, instance_id, status.execution_id, status.created_time)
        shown = status_json(status)
        if status.is_finished:
            failed = status.runtime_status is OrchestrationRuntimeStatus.Failed
            return value_answer(failure_code if failed else 200, shown)
        # The caller's own URL, so that looking again never prolongs a signature.
        query = urlencode(call.request.query, doseq=True)
        location = instance_url(call.base_url, instance_id) + (f"?{query}" if query else "")
        return value_answer(202, shown, {"Location": location, "Retry-After": "5"})

    async def _list(self, call: AdmittedCall) -> HttpAnswer:
        page = await self._client.query_instances(
            created_time_from=call.parameters.time("createdTimeFrom"),
            created_time_to=call.parameters.time("createdTimeTo"),
            runtime_status=call.parameters.texts("runtimeStatus"),
            instance_id_prefix=call.parameters.text("instanceIdPrefix"),
            show_input=call.parameters.shown("showInput", True),
            page_size=call.parameters.page_size("top", 100, most=1000),
            continuation_token=call.continuation_token,
        )
        return page_answer([status_json(status) for status in page.items], page.continuation_token)

    # --- steering --------------------------------------------------------------------------------

    async def _raise_event(self, call: AdmittedCall) -> HttpAnswer:
        data = json_body(call.request.body)
        await self._client.raise_event(call.values["id"], call.values["event"], data)
        return HttpAnswer(202)

    async def _terminate(self, call: AdmittedCall) -> HttpAnswer:
        recurse = call.parameters.done("recursive", False)
        return self._asked(call, await self._client.terminate(call.values["id"], _reason(call), recurse=recurse))

    async def _suspend(self, call: AdmittedCall) -> HttpAnswer:
        return self._asked(call, await self._client.suspend(call.values["id"], _reason(call)))

    async def _resume(self, call: AdmittedCall) -> HttpAnswer:
        return self._asked(call, await self._client.resume(call.values["id"], _reason(call)))

    def _asked(self, call: AdmittedCall, running: bool) -> HttpAnswer:
        if not running:
            raise InstanceCompletedError(f"Instance {call.values['id']!r} is finished and takes no more messages.")
        return HttpAnswer(202)

    async def _make_primary(self, call: AdmittedCall) -> HttpAnswer:
        """With leases of apps, it would make this one the one that works. Here every app on a hub does."""
        del call
        return HttpAnswer(200)

    # --- purging ---------------------------------------------------------------------------------

    async def _purge(self, call: AdmittedCall) -> HttpAnswer:
        recursive = call.parameters.done("recursive", False)
        result = await self._client.purge_instance_history(call.values["id"], recursive=recursive)
        if not result.instances_deleted:
            raise InstanceNotFoundError(f"There is no instance {call.values['id']!r} in this task hub.")
        return value_answer(200, {"instancesDeleted": result.instances_deleted})

    async def _purge_many(self, call: AdmittedCall) -> HttpAnswer:
        created_from = call.parameters.time("createdTimeFrom")
        if created_from is None:
            raise RefusedError(
                400, "Parameter 'createdTimeFrom' is missing. To purge everything that is finished, give an early time."
            )
        result = await self._client.purge_instance_history_by(
            created_from, call.parameters.time("createdTimeTo"), call.parameters.texts("runtimeStatus")
        )
        if not result.instances_deleted:
            raise InstanceNotFoundError("No finished instance meets these criteria.")
        return value_answer(200, {"instancesDeleted": result.instances_deleted})


def status_json(status: DurableOrchestrationStatus) -> dict[str, Any]:
    """A status as the management API shows it, in the order of the .NET extension; times are UTC to the second."""
    told = status.to_json()
    told["runtimeStatus"] = told["runtimeStatus"] or "Unknown"
    told["createdTime"] = shown_time(status.created_time)
    told["lastUpdatedTime"] = shown_time(status.last_updated_time)
    history = told.pop("history")
    shown = {name: told.pop(name) for name in _FIRST} | told
    if status.version is not None:
        shown["version"] = status.version
    if history is not None:
        shown["historyEvents"] = history
    return shown


_FIRST = (
    *("name", "instanceId", "runtimeStatus", "input", "customStatus", "output"),
    *("createdTime", "lastUpdatedTime"),
)


def _segments(path: str) -> list[str]:
    try:
        return [unquote(segment, errors="strict") for segment in path.removeprefix("/").removesuffix("/").split("/")]
    except UnicodeDecodeError:
        raise RefusedError(400, f"The path {path[:200]!r} is not UTF-8 after percent-decoding.") from None


def _reason(call: AdmittedCall) -> str:
    return call.parameters.text("reason") or ""


def _error(request: Request, error: DurableError) -> HttpAnswer:
    for kind, status in _STATUS_OF:
        if isinstance(error, kind):
            return error_answer(status, str(error), error=error)
    logger.error("%s %s failed: %s: %s", request.method, request.path, type(error).__name__, error)
    return error_answer(500, "The request failed; the host's log tells why.")
