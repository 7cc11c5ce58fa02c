"""Who may call the management API without the trust of a host: who has a key of the hub, or a signed URL.

Owns that judgement. It says of the hub nothing that a stranger does not know.
"""

from __future__ import annotations

from datetime import datetime

from azure_durable_py.errors import InstanceNotFoundError
from azure_durable_py.http.routing import AdmittedCall, ManagementRoute
from azure_durable_py.http.signing import Signature, UrlSigner
from azure_durable_py.http.wire import Parameters, RefusedError, Request
from azure_durable_py.taskhub.hub import TaskHub

KEY_HEADER = "x-functions-key"
_MOST_KEYS = 8
"""Keys that are looked at in one request: a Functions host has one of its own there, too."""


class Guard:
    """Admits callers to the management API of one hub.

    :param signer: checks the signatures of URLs.
    """

    def __init__(self, hub: TaskHub, signer: UrlSigner) -> None:
        self._hub = hub
        self._signer = signer

    async def admit(
        self, request: Request, route: ManagementRoute, values: dict[str, str], parameters: Parameters
    ) -> Signature | None:
        """Let a request pass; returns the signature that allows it, or None if a key does, which allows everything.

        A key that is not known may be a new one: then the hub's keys are read again.

        For which execution a signature is, `check_execution` looks.

        :raises RefusedError: neither allows it.
        """
        ring = await self._hub.keys.current()
        given = _keys(request, parameters)
        found = self._look(route, values, parameters, given)
        may_be_new = isinstance(found, str) and (given or not self._signer.knows(parameters.values))
        if may_be_new and await self._hub.keys.anew() is not ring:
            found = self._look(route, values, parameters, given)
        if isinstance(found, str):
            raise RefusedError(401, found)
        return found

    async def check_execution(self, call: AdmittedCall) -> None:
        """Refuse a call whose URL is signed for another execution than the one that is there.

        :raises InstanceNotFoundError: it is.
        """
        if call.signature is None:
            return
        header = await self._hub.salvage(call.values["id"])
        if header is not None:
            check_fit(call.signature, header.instance_id, header.columns.execution_id, header.columns.created_time)

    def _look(
        self, route: ManagementRoute, values: dict[str, str], parameters: Parameters, given: list[str]
    ) -> Signature | str | None:
        """The signature that allows a call, None if a key does, or why neither does."""
        ring = self._hub.keys.known
        # Each is compared with all keys, whatever the others are.
        if sum(ring.opens_management(key) for key in given):
            return None
        if route.operation is None:
            return f"{route.method} {route.path} needs the system key of the task hub: add it as parameter 'code'."
        refusal = self._signer.refusal(parameters.values, values["id"], route.operation)
        return self._signer.accepted(parameters.values) if refusal is None else refusal


def check_fit(signature: Signature, instance_id: str, execution_id: str | None, created: datetime | None) -> None:
    """Refuse a signed URL whose instance id was used again since.

    :param execution_id: of what is there now.
    :param created: when that was started.
    :raises InstanceNotFoundError: it is another execution than the URL was made for.
    """
    if not signature.fits(execution_id, created):
        raise InstanceNotFoundError(
            f"The execution of {instance_id!r} that this URL was made for is not there any more. Get a new management "
            "payload from the app."
        )


def _keys(request: Request, parameters: Parameters) -> list[str]:
    headers = [value for name, value in request.headers.items() if name.lower() == KEY_HEADER]
    return [key for key in (*headers, *parameters.values.get("code", ())) if key][:_MOST_KEYS]
