"""The management API behind an HTTP trigger: requests of either kind that the worker hands out.

Owns the address in management URLs, and the conversion of requests and responses. The worker hands
out `azure.functions.HttpRequest`, or, in an app that streams HTTP, the requests of FastAPI.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import azure.functions as func

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.client.links import HttpAnswer, ManagementUrls
from azure_durable_py.hosting.appsettings import route_prefix
from azure_durable_py.http.management import ManagementApi
from azure_durable_py.http.signing import UrlSigner
from azure_durable_py.http.urls import SignedUrls
from azure_durable_py.http.wire import Request, error_answer
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import TaskHub

MOUNT = "durabletask"
"""Where the management API is, below the route prefix: the host keeps `admin` and `runtime` for itself."""
_STREAMING = "azurefunctions.extensions.base"


class Management:
    """The management API of one app.

    :param host_json: says the prefix of routes.
    :param app_settings: say under which name the host is reached.
    :raises SettingsError: the prefix cannot be used.
    """

    def __init__(self, host_json: Mapping[str, Any], app_settings: Mapping[str, str], settings: Settings) -> None:
        self._path = "/" + "/".join(part for part in (route_prefix(host_json), MOUNT) if part)
        self._origin = _origin(app_settings)
        self._settings = settings
        self._signer: UrlSigner | None = None
        self._api: ManagementApi | None = None

    def urls_of(self, hub: TaskHub) -> ManagementUrls:
        """What makes the management URLs of an open hub."""
        settings = self._settings
        self._signer = UrlSigner(
            hub.info.signing_key, settings.hub_name, now=hub.clock.now, lifetime=settings.url_lifetime
        )
        return SignedUrls(self._signer, path=self._path, origin=self._origin)

    def serve(self, client: DurableOrchestrationClient) -> None:
        """Answer by this client from now on."""
        assert self._signer is not None
        self._api = ManagementApi(client, self._signer)

    async def handle(self, request: Any) -> Any:
        """Answer a request of the worker, by an object of the same kind."""
        assert self._api is not None
        url = str(request.url)
        parts = urlsplit(url)
        at = parts.path.lower().find(f"{self._path.lower()}/")
        if at < 0:
            return self.to_http_response(error_answer(404, f"There is nothing at {parts.path[:200]!r}."))
        end = at + len(self._path)
        answer = await self._api.handle(
            Request(
                method=str(request.method).upper(),
                path=parts.path[end + 1 :],
                base_url=f"{parts.scheme}://{parts.netloc}{parts.path[:end]}",
                query=parse_qs(parts.query, keep_blank_values=True),
                headers=dict(request.headers),
                body=await _body(request),
            ),
            trusted=False,
        )
        return self.to_http_response(answer)

    @staticmethod
    def to_http_response(answer: HttpAnswer) -> Any:
        """An answer as the object that HTTP functions return here."""
        kind = sys.modules["fastapi"].Response if _is_streaming() else func.HttpResponse
        return kind(answer.body, status_code=answer.status_code, headers=dict(answer.headers))


def _origin(app_settings: Mapping[str, str]) -> str | None:
    host = app_settings.get("WEBSITE_HOSTNAME")
    if not host:
        return None
    local = host.partition(":")[0] in ("localhost", "127.0.0.1", "0.0.0.0")  # noqa: S104 - compared, not bound
    return f"{'http' if local else 'https'}://{host}"


def _is_streaming() -> bool:
    base: Any = sys.modules.get(_STREAMING)
    return base is not None and "fastapi" in sys.modules and bool(base.HttpV2FeatureChecker.http_v2_enabled())


async def _body(request: Any) -> bytes:
    return request.get_body() if isinstance(request, func.HttpRequest) else await request.body()
