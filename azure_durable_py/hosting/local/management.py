"""Joins the management API to the local host's HTTP server.

Owns the conversion of requests and responses, and the address in management URLs.
"""

from __future__ import annotations

from aiohttp import web
from multidict import CIMultiDict

from azure_durable_py.client.links import ManagementUrls
from azure_durable_py.hosting.engine import Engine
from azure_durable_py.hosting.local.server import WEBHOOKS, ManagementCall
from azure_durable_py.http.management import ManagementApi
from azure_durable_py.http.signing import UrlSigner
from azure_durable_py.http.urls import SignedUrls
from azure_durable_py.http.wire import Request
from azure_durable_py.taskhub.hub import TaskHub


class Management:
    """The management API of one engine.

    Set `origin` once it is known: it stands in URLs that are made without a request at hand.
    """

    def __init__(self, engine: Engine) -> None:
        self.origin: str | None = None
        self._engine = engine
        self._signer: UrlSigner | None = None
        self._api: ManagementApi | None = None

    def urls_of(self, hub: TaskHub) -> ManagementUrls:
        """What makes the management URLs of an open hub."""
        settings = self._engine.settings
        self._signer = UrlSigner(
            hub.info.signing_key, settings.hub_name, now=hub.clock.now, lifetime=settings.url_lifetime
        )
        return _Urls(self, SignedUrls(self._signer, path=WEBHOOKS))

    async def handle(self, call: ManagementCall) -> web.Response:
        """Answer a request to the management API."""
        if self._api is None:
            if self._signer is None:
                raise RuntimeError("Management requests are answered once the hub is open.")
            self._api = ManagementApi(self._engine.client, self._signer)
        try:
            body = await call.request.read()
        except web.HTTPRequestEntityTooLarge as error:
            return web.json_response({"message": error.text}, status=413)
        request = Request(
            method=call.request.method,
            path=call.path,
            base_url=call.base_url,
            query={name: call.request.query.getall(name) for name in call.request.query},
            headers={name: ",".join(call.request.headers.getall(name)) for name in call.request.headers},
            body=body,
        )
        answer = await self._api.handle(request, trusted=call.trusted)
        return web.Response(status=answer.status_code, headers=CIMultiDict(answer.headers), body=answer.body)


class _Urls:
    def __init__(self, management: Management, signed: SignedUrls) -> None:
        self._management = management
        self._signed = signed

    def payload(self, instance_id: str, origin: str | None = None) -> dict[str, str]:
        return self._signed.payload(instance_id, origin or self._management.origin)
