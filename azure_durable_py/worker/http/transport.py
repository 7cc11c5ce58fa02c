"""HTTP requests on the network.

Owns redirects, who gets credentials, and which addresses are reached: each is looked at when a connection to it is
about to be opened, so that a name which is resolved to something else by then leads nowhere.
"""

from __future__ import annotations

import io
import re
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure_durable_py.addresses import AddressRules
from azure_durable_py.durable_http import (
    DurableHttpRequest,
    DurableHttpResponse,
    HttpHeaders,
    check_location,
    header_lines,
    origin_of_address,
    shown_address,
    without_body_headers,
    without_credentials,
)
from azure_durable_py.errors import HttpRefusedError, HttpRequestError
from azure_durable_py.settings import Settings
from azure_durable_py.worker.http.answers import AnswerReader
from azure_durable_py.worker.http.tokens import Tokens

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession
    from yarl import URL

MOST_REDIRECTS = 20
_REDIRECTS = (301, 302, 303, 307, 308)
# What a connection needs is seen to by whoever opens it.
_OURS = frozenset({"connection", "content-length", "transfer-encoding"})
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class NetworkTransport:
    """Makes HTTP requests of one worker. Its connections are opened when they are needed, on the loop that asks.

    :param settings: what is forbidden, and how large answers may be.
    :param tokens: gets bearer tokens (default: of the app's identity).
    """

    def __init__(self, settings: Settings, tokens: Tokens | None = None) -> None:
        self._rules = AddressRules(settings.http_forbidden_addresses, settings.http_allowed_addresses)
        self._answers = AnswerReader(settings.http_max_response_size)
        self._tokens = tokens or Tokens()
        self._session: ClientSession | None = None

    async def close(self) -> None:
        """Close all connections. Idempotent."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        await self._tokens.close()

    async def send(self, request: DurableHttpRequest) -> DurableHttpResponse:
        """Make one request and follow redirects.

        :raises HttpRequestError: there was no answer.
        :raises HttpRefusedError: it cannot be made, or its answer cannot be kept.
        """
        # It takes long to import, and few apps need it.
        from aiohttp import ClientError, InvalidURL

        headers = request.headers.without(_OURS)
        if request.token_source is not None:
            _check_secure(request)
            token = await self._tokens.token(request.token_source.resource)
            headers = HttpHeaders({**headers.without({"authorization"}), "Authorization": f"Bearer {token}"})
        try:
            return await self._follow(_Hop(request.method, request.uri, headers, request.body), request)
        except HttpRequestError:
            raise
        except InvalidURL:
            raise HttpRefusedError(f"{request.subject} leads to an address that cannot be read.") from None
        except (ClientError, OSError, ValueError) as error:
            # Its text may have the whole address, and so may those of its causes.
            raise HttpRequestError(
                f"{request.subject} got no answer: {_told(error)}. If it may be made again, use retry_options."
            ) from None

    async def _follow(self, hop: _Hop, request: DurableHttpRequest) -> DurableHttpResponse:
        for _ in range(MOST_REDIRECTS + 1):
            url = _url(hop.uri)
            self._check_host(url, request)
            lines = list(header_lines(hop.headers))
            body = None if hop.body is None else io.BytesIO(hop.body)
            session = self._opened()
            async with session.request(hop.method, url, headers=lines, data=body, allow_redirects=False) as answer:
                following = hop.after(answer)
                if following is None:
                    return await self._answers.read(answer, request, hop.uri)
            hop = following
        raise HttpRefusedError(
            f"{request.subject} was redirected more than {MOST_REDIRECTS} times, last from {shown_address(hop.uri)}. "
            "Call the address that it is to lead to."
        )

    def _check_host(self, url: URL, request: DurableHttpRequest) -> None:
        # As it is connected to: other writings of an address may have become one by now.
        if self._rules.forbids_host(url.raw_host or ""):
            raise _forbidden(shown_address(str(url)), request.subject)

    def _opened(self) -> ClientSession:
        if self._session is None:
            import aiohttp
            from aiohttp.resolver import ThreadedResolver

            rules = self._rules

            class _CheckedResolver(ThreadedResolver):
                """Leaves out the addresses that must not be reached: what it tells is what is connected to."""

                async def resolve(
                    self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
                ) -> list[Any]:
                    found: list[Any] = list(await super().resolve(host, port, family))
                    kept = [item for item in found if not rules.forbids_address(item["host"], host)]
                    if found and not kept:
                        raise _forbidden(host, "A request")
                    return kept

            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=_CheckedResolver(), family=socket.AF_UNSPEC, limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=30.0),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "azure-durable-py"},
            )
        return self._session


class _Hop:
    """One request on the way along redirects."""

    def __init__(self, method: str, uri: str, headers: HttpHeaders, body: bytes | None) -> None:
        self.method = method
        self.uri = uri
        self.headers = headers
        self.body = body

    def after(self, answer: ClientResponse) -> _Hop | None:
        """The request that a redirect asks for; None: the answer is to be taken as it is."""
        location = answer.headers.get("Location")
        if answer.status not in _REDIRECTS or not location:
            return None
        try:
            uri = check_location(self.uri, location)
        except ValueError:
            return None
        if urlsplit(self.uri).scheme == "https" and urlsplit(uri).scheme == "http":
            return None  # What was to be secret would not be.
        method, headers, body = self.method, self.headers, self.body
        if (answer.status == 303 and method != "HEAD") or (answer.status in (301, 302) and method == "POST"):
            method, headers, body = "GET", without_body_headers(headers), None
        if origin_of_address(uri) != origin_of_address(self.uri):
            headers = without_credentials(headers)
        return _Hop(method, uri, headers, body)


def _url(uri: str) -> URL:
    from yarl import URL

    # As it was given: an address may be signed. What is not allowed in one is encoded.
    return URL(uri, encoded=re.fullmatch(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+", uri) is not None)


def _check_secure(request: DurableHttpRequest) -> None:
    parts = urlsplit(request.uri)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise HttpRefusedError(f"{request.subject} would send a token for all to read: use https with token_source.")


def _forbidden(where: str, subject: str) -> HttpRefusedError:
    return HttpRefusedError(
        f"{subject} would reach {where}, which is forbidden. extensions.durableTask.httpSettings.allowedAddresses in "
        "host.json allows what is forbidden by default or by forbiddenAddresses."
    )


def _told(error: Exception) -> str:
    """What an error says, without an address that may hold secrets."""
    name, text = type(error).__name__, str(getattr(error, "message", "") or error)
    if re.search(r"://", text):
        text = re.sub(r"\w+://[^\s'\"]+", lambda found: shown_address(found[0]), text)
    return f"{name}: {text.rstrip('. ')}" if text else name
