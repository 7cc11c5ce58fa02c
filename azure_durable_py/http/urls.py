"""The management URLs of instances, signed.

Owns their form. `{eventName}` and `{text}` stay in them literally, for callers to fill in.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from azure_durable_py.errors import InvalidRequestError
from azure_durable_py.http.signing import SignedOperation, UrlSigner

_AFTER_INSTANCE = {
    "statusQueryGetUri": (SignedOperation.status, "?"),
    "sendEventPostUri": (SignedOperation.raise_event, "/raiseEvent/{eventName}?"),
    "terminatePostUri": (SignedOperation.terminate, "/terminate?reason={text}&"),
    "rewindPostUri": (SignedOperation.rewind, "/rewind?reason={text}&"),
    "purgeHistoryDeleteUri": (SignedOperation.purge, "?"),
    "restartPostUri": (SignedOperation.restart, "/restart?"),
    "suspendPostUri": (SignedOperation.suspend, "/suspend?reason={text}&"),
    "resumePostUri": (SignedOperation.resume, "/resume?reason={text}&"),
}


def management_payload(
    signer: UrlSigner, base_url: str, instance_id: str, execution_id: str | None = None
) -> dict[str, str]:
    """The management payload of an instance: `id` and the URLs by their names.

    :param base_url: where the management API is mounted.
    :param execution_id: the execution that they are for; None: the one that is there now.
    """
    instance = instance_url(base_url, instance_id)
    urls = {
        name: f"{instance}{rest}{signer.sign(instance_id, operation, execution_id=execution_id)}"
        for name, (operation, rest) in _AFTER_INSTANCE.items()
    }
    return {"id": instance_id, **urls}


def instance_url(base_url: str, instance_id: str) -> str:
    """The address of an instance, not signed."""
    return f"{base_url.rstrip('/')}/instances/{quote(instance_id, safe='')}"


class SignedUrls:
    """Gives a durable client the management URLs of a host.

    :param signer: signs them.
    :param path: where the management API is mounted, like `/runtime/webhooks/durabletask`.
    :param origin: tells `scheme://host[:port]` of the host; None while it is not known.
    :param admitted: tells which origin URLs have for a caller who used one: a host need not believe what it is called.
    """

    def __init__(
        self,
        signer: UrlSigner,
        *,
        path: str,
        origin: Callable[[], str | None],
        admitted: Callable[[str], str] = lambda origin: origin,
    ) -> None:
        self._signer = signer
        self._path = path
        self._origin = origin
        self._admitted = admitted

    def payload(
        self, instance_id: str, origin: str | None = None, *, execution_id: str | None = None
    ) -> dict[str, str]:
        """The management payload of an instance.

        :param origin: `scheme://host[:port]` that the caller used; None: the host's.
        :param execution_id: the execution that the URLs are for; None: the one that is there now.
        :raises InvalidRequestError: none is given and none is known.
        """
        found = self._admitted(origin) if origin else self._origin()
        if found is None:
            raise InvalidRequestError(
                "This host does not know the address under which it is reached. Use "
                "get_client_response_links(request, instance_id), which takes it from the request."
            )
        return management_payload(self._signer, f"{found}{self._path}", instance_id, execution_id)
