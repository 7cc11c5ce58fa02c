"""A running host as a client sees it: the management API behind `--url`.

Owns the requests, and which of the client's errors an answer means. It offers what that API offers, by the names of the
durable client; whatever needs the hub itself is not there.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Collection, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any, NamedTuple, NoReturn, cast
from urllib.parse import SplitResult, quote, urlsplit

import aiohttp

from azure_durable_py.cli.exits import CommandError, ExitCode
from azure_durable_py.cli.output import encoded_time
from azure_durable_py.client.arguments import status_names
from azure_durable_py.client.status import DurableOrchestrationStatus, PurgeHistoryResult, StatusPage
from azure_durable_py.errors import (
    DurableError,
    InstanceAlreadyExistsError,
    InstanceCompletedError,
    InstanceNotFoundError,
    InvalidRequestError,
)
from azure_durable_py.status import OrchestrationRuntimeStatus

_LOCAL_BASE = "/runtime/webhooks/durabletask"
_TIMEOUT = 60.0
_FIRST_POLL, _LONGEST_POLL = 0.1, 2.0
_ERRORS: dict[int, type[DurableError]] = {
    400: InvalidRequestError,
    404: InstanceNotFoundError,
    409: InstanceAlreadyExistsError,
    410: InstanceCompletedError,
}


class RemoteAnswer(NamedTuple):
    """What the management API said."""

    status: int
    value: Any
    headers: Mapping[str, str]


def _address(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        # The port, too, is looked at only when it is asked for.
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and url.isprintable():
            return parts
    except ValueError:
        pass
    raise CommandError(f"--url {url!r} is no address of a host, such as http://127.0.0.1:7071.", ExitCode.wrong_usage)


class RemoteClient:
    """Asks the management API of a running host; use it as an async context manager.

    :param url: the host's origin (`http://127.0.0.1:7071`), or the whole base of the API, as
        `https://myapp.azurewebsites.net/api/durabletask`.
    :param code: the hub's system key; a host on this machine may need none.
    :param task_hub_name: the hub that the host is expected to serve.
    :raises CommandError: the URL is none.
    """

    def __init__(self, url: str, code: str | None, task_hub_name: str | None = None) -> None:
        parts = _address(url)
        self.base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/') or _LOCAL_BASE}"
        self._code = code
        self._hub = {} if task_hub_name is None else {"taskHub": task_hub_name}
        # A proxy of the environment is for what is far away.
        self._trust_env = parts.hostname not in ("localhost", "127.0.0.1", "::1")
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> RemoteClient:  # noqa: PYI034 - Python 3.10 has no Self
        headers = {"Accept": "application/json"} | ({} if self._code is None else {"x-functions-key": self._code})
        self._session = aiohttp.ClientSession(
            headers=headers, timeout=aiohttp.ClientTimeout(total=_TIMEOUT), trust_env=self._trust_env
        )
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._session is not None
        await self._session.close()

    # --- what the durable client offers too ------------------------------------------------------

    async def start_new(
        self,
        orchestration_function_name: str,
        instance_id: str | None = None,
        client_input: Any = None,
        version: str | None = None,
    ) -> str:
        """Start an orchestration; returns its instance id."""
        path = f"orchestrators/{_part(orchestration_function_name)}"
        if instance_id is not None:
            path += f"/{_part(instance_id)}"
        query = {} if version is None else {"version": version}
        answer = await self.ask("POST", path, query, None if client_input is None else (client_input,))
        with understanding():
            return str(_object(answer)["id"])

    async def get_status(
        self,
        instance_id: str,
        show_history: bool = False,
        show_history_output: bool = False,
        show_input: bool = False,
    ) -> DurableOrchestrationStatus:
        """The status of an instance, falsy if there is none."""
        query = {
            "showHistory": _truth(show_history),
            "showHistoryOutput": _truth(show_history_output),
            "showInput": _truth(show_input),
        }
        try:
            answer = await self.ask("GET", _instance(instance_id), query)
        except InstanceNotFoundError:
            return DurableOrchestrationStatus()
        with understanding():
            return _status(_object(answer))

    async def query_instances(
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
        """One page of the instances that meet all criteria; the API knows no names, which are looked at here."""
        if tags:
            raise CommandError(
                "The management API does not tell tags: leave out --tag, or --url.", ExitCode.wrong_usage
            )
        query = {"top": str(page_size), "showInput": _truth(show_input)}
        query |= {"runtimeStatus": ",".join(status_names(runtime_status))} if runtime_status else {}
        query |= {"instanceIdPrefix": instance_id_prefix} if instance_id_prefix else {}
        for name, moment in (("createdTimeFrom", created_time_from), ("createdTimeTo", created_time_to)):
            query |= {} if moment is None else {name: encoded_time(moment) or ""}
        headers = {} if continuation_token is None else {"x-ms-continuation-token": continuation_token}
        answer = await self.ask("GET", "instances", query, headers=headers)
        with understanding():
            items = [_status(item) for item in objects_of(answer)]
        kept = tuple(item for item in items if not names or item.name in names)
        return StatusPage(kept, answer.headers.get("x-ms-continuation-token") or None)

    async def raise_event(self, instance_id: str, event_name: str, event_data: Any = None) -> None:
        """Send an external event to an instance."""
        body = None if event_data is None else (event_data,)
        await self.ask("POST", f"{_instance(instance_id)}/raiseEvent/{_part(event_name)}", body=body)

    async def terminate(self, instance_id: str, reason: str = "", *, recurse: bool = False) -> bool:
        """Ask an instance to end as Terminated. Returns False if it had already finished."""
        return await self._control(instance_id, "terminate", reason, {"recursive": _truth(recurse)})

    async def suspend(self, instance_id: str, reason: str = "") -> bool:
        """Ask an instance to pause. Returns False if it had already finished."""
        return await self._control(instance_id, "suspend", reason)

    async def resume(self, instance_id: str, reason: str = "") -> bool:
        """Ask a suspended instance to go on. Returns False if it had already finished."""
        return await self._control(instance_id, "resume", reason)

    async def _control(self, instance_id: str, verb: str, reason: str, more: Mapping[str, str] | None = None) -> bool:
        try:
            await self.ask("POST", f"{_instance(instance_id)}/{verb}", {"reason": reason, **(more or {})})
        except InstanceCompletedError:
            return False
        return True

    async def rewind(self, instance_id: str, reason: str) -> None:
        """Have a failed instance go on from where it failed."""
        await self.ask("POST", f"{_instance(instance_id)}/rewind", {"reason": reason})

    async def restart(self, instance_id: str, restart_with_new_instance_id: bool = True) -> str:
        """Start an instance again with its name and input; returns the id of the new one."""
        query = {"restartWithNewInstanceId": _truth(restart_with_new_instance_id)}
        if not await self.get_status(instance_id):
            raise InstanceNotFoundError(f"There is no instance {instance_id!r} to restart at {self.base}.")
        answer = await self.ask("POST", f"{_instance(instance_id)}/restart", query)
        with understanding():
            return str(_object(answer)["id"])

    async def purge_instance_history(self, instance_id: str, *, recursive: bool = False) -> PurgeHistoryResult:
        """Delete a finished instance with its history. Nothing is deleted if there is none."""
        try:
            answer = await self.ask("DELETE", _instance(instance_id), {"recursive": _truth(recursive)})
        except InstanceNotFoundError:
            return PurgeHistoryResult(0)
        with understanding():
            return PurgeHistoryResult.from_json(_object(answer))

    async def purge_instance_history_by(
        self,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: Collection[OrchestrationRuntimeStatus | str] | None = None,
    ) -> PurgeHistoryResult:
        """Delete all finished instances that meet all criteria given."""
        query: dict[str, str] = {}
        for name, moment in (("createdTimeFrom", created_time_from), ("createdTimeTo", created_time_to)):
            query |= {} if moment is None else {name: encoded_time(moment) or ""}
        query |= {"runtimeStatus": ",".join(status_names(runtime_status))} if runtime_status else {}
        try:
            answer = await self.ask("DELETE", "instances", query)
        except InstanceNotFoundError:
            return PurgeHistoryResult(0)
        with understanding():
            return PurgeHistoryResult.from_json(_object(answer))

    async def wait_for_completion(self, instance_id: str, timeout: float | None = None) -> DurableOrchestrationStatus:
        """Wait until an instance is finished.

        :raises InstanceNotFoundError: there is none.
        :raises TimeoutError: it is not finished.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        delay = _FIRST_POLL
        while True:
            status = await self.get_status(instance_id, show_input=True)
            if not status:
                raise InstanceNotFoundError(f"There is no instance {instance_id!r} at {self.base}.")
            if status.is_finished:
                return status
            left = delay if deadline is None else deadline - time.monotonic()
            if left <= 0:
                state = None if status.runtime_status is None else status.runtime_status.value
                raise TimeoutError(f"Instance {instance_id!r} is still {state} after {timeout:g} s.")
            await asyncio.sleep(min(delay, left))
            delay = min(1.5 * delay, _LONGEST_POLL)

    # --- requests --------------------------------------------------------------------------------

    async def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: tuple[Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> RemoteAnswer:
        """Send a request below the base of the API, and return what it answers.

        :param path: percent-encoded.
        :param body: a value to send as JSON, alone in a tuple; None: no body.
        :raises CommandError: the host cannot be reached, refuses the key, or is none of ours.
        :raises DurableError: as the durable client raises it.
        """
        data = None if body is None else json.dumps(body[0]).encode()
        sent = {"Content-Type": "application/json"} if data is not None else {}
        async with self._answer(method, path, {**self._hub, **(query or {})}, data, {**sent, **(headers or {})}) as got:
            text = await got.text(errors="replace")
            try:
                value = json.loads(text) if text else None
            except ValueError:
                value = _NOT_JSON
            answer = RemoteAnswer(got.status, value, got.headers)
        if answer.status >= 300 and not (method == "GET" and answer.status == 500 and _is_status(value)):
            self._refuse(answer)
        if value is _NOT_JSON:
            raise CommandError(f"What answers at {self.base} is no management API: its answer is no JSON. {self._mend}")
        return answer

    @asynccontextmanager
    async def _answer(
        self, method: str, path: str, query: Mapping[str, str], data: bytes | None, headers: Mapping[str, str]
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        from yarl import URL

        assert self._session is not None
        url = (
            URL(f"{self.base}/{path}", encoded=True).with_query(query)
            if query
            else URL(f"{self.base}/{path}", encoded=True)
        )
        try:
            async with self._session.request(
                method, url, data=data, headers=headers, allow_redirects=False
            ) as response:
                yield response
        except asyncio.TimeoutError as error:
            raise CommandError(f"The host at {self.base} gave no answer within {_TIMEOUT:g} s.") from error
        except aiohttp.ClientError as error:
            # aiohttp says `ssl:default` of every connection, plain http included.
            why = str(error).replace(" ssl:default", "")
            raise CommandError(f"The host at {self.base} cannot be reached: {why}. Does it run?") from error

    def _refuse(self, answer: RemoteAnswer) -> NoReturn:
        told = cast("dict[str, Any]", answer.value).get("Message") if _is_object(answer.value) else None
        if answer.status in (401, 403):
            raise CommandError(
                f"The host at {self.base} {'refuses this' if self._code else 'wants a'} key ({answer.status}). "
                "Give the hub's system key as --code or in "
                "AZURE_DURABLE_CODE; `azure-durable hub keys show system/durabletask_extension` prints it."
            )
        if answer.status < 400:
            raise CommandError(
                f"The host at {self.base} leads elsewhere ({answer.status}), and the key is not taken there. Give the "
                "address itself as --url."
            )
        if told is None:
            raise CommandError(f"The host at {self.base} answered {answer.status}. {self._mend}")
        if answer.status == 404 and "ExceptionType" not in answer.value:
            raise CommandError(f"The host at {self.base} does not offer this: {str(told).partition('. ')[0]}.")
        raise _ERRORS.get(answer.status, CommandError)(str(told))

    @property
    def _mend(self) -> str:
        return "Of a Functions app, the base is https://APP.azurewebsites.net/api/durabletask."


_NOT_JSON = object()


def _status(told: dict[str, Any]) -> DurableOrchestrationStatus:
    """A status as the API tells it; of one that cannot be read, it does not know the state."""
    known = {**told, "runtimeStatus": None} if told.get("runtimeStatus") == "Unknown" else told
    return DurableOrchestrationStatus.from_json(known)


def _is_status(value: Any) -> bool:
    return _is_object(value) and "runtimeStatus" in value


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _object(answer: RemoteAnswer) -> dict[str, Any]:
    if not _is_object(answer.value):
        raise TypeError("this is no object")
    return cast("dict[str, Any]", answer.value)


def objects_of(answer: RemoteAnswer) -> list[dict[str, Any]]:
    """The objects in an answer that is an array.

    :raises TypeError: it is none.
    """
    value: Any = answer.value
    if not isinstance(value, list):
        raise TypeError("this is no array")
    return cast("list[dict[str, Any]]", value)


@contextmanager
def understanding() -> Generator[None, None, None]:
    """Reading what a host has answered: what is not as it should be is no defect of ours.

    :raises CommandError: in place of what reading raises.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        if isinstance(error, DurableError):
            raise
        raise not_understood() from error


def not_understood() -> CommandError:
    """The host has answered, and it makes no sense."""
    return CommandError(
        "The host answered with something that was not expected. Is it of another version? It should be as new as this "
        "command."
    )


def _part(text: str) -> str:
    return quote(text, safe="")


def _instance(instance_id: str) -> str:
    return f"instances/{_part(instance_id)}"


def _truth(value: bool) -> str:
    return "true" if value else "false"
