"""The requests and answers of `call_http`, as they are kept in histories.

Owns their form as plain JSON, and what of an address may be shown. It makes no request and knows nothing of sockets.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast
from urllib.parse import urldefrag, urljoin, urlsplit

from azure_durable_py.constants import HTTP_ACTION_NAME
from azure_durable_py.errors import HttpRefusedError
from azure_durable_py.history.events import Value
from azure_durable_py.token_sources import ManagedIdentityTokenSource

HTTP_ACTIVITY = HTTP_ACTION_NAME
"""The name of the activity that makes the requests, as the .NET extension calls its own."""
HeaderValue: TypeAlias = "str | list[str]"
"""A header's value; a list where the header was there several times."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class HttpHeaders(dict[str, Any]):
    """Headers by name; looked up regardless of case."""

    def __missing__(self, name: str) -> Any:
        given = self._given(name)
        if given is None:
            raise KeyError(name)
        return self[given]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (isinstance(name, str) and self._given(name) is not None)

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a header, or `default`."""
        given = self._given(name)
        return default if given is None else self[given]

    def first(self, name: str) -> str | None:
        """The value of a header, the first if it was there several times; None if it was not there."""
        value: HeaderValue | None = self.get(name)
        return (value[0] if value else None) if isinstance(value, list) else value

    def without(self, names: Collection[str]) -> HttpHeaders:
        """The other headers.

        :param names: in lower case.
        """
        return HttpHeaders({name: value for name, value in self.items() if name.lower() not in names})

    def _given(self, name: str) -> str | None:
        return next((given for given in self if given.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class DurableHttpRequest:
    """One request. `content` is its body: text, or bytes in Base64 if `is_base64`.

    `timeout` is how long it may take, in seconds; None: as long as is usual. `failing_codes` are the status codes
    that make it fail, so that it is tried again; empty: those from 400 on; None: none.
    """

    method: str
    uri: str
    headers: HttpHeaders = field(default_factory=HttpHeaders)
    content: str | None = None
    is_base64: bool = False
    token_source: ManagedIdentityTokenSource | None = None
    timeout: float | None = None
    failing_codes: tuple[int, ...] | None = None

    @property
    def body(self) -> bytes | None:
        """The body as it is sent; None: there is none."""
        return None if self.content is None else _bytes(self.content, is_base64=self.is_base64)

    @property
    def subject(self) -> str:
        """What it is called in messages: the method, and the address without what may be secret."""
        return f"{self.method} {shown_address(self.uri)}"

    def fails_with(self, status_code: int) -> bool:
        """Whether an answer with this status code is a failure."""
        codes = self.failing_codes
        return codes is not None and (status_code in codes if codes else status_code >= 400)

    def to_plain(self) -> dict[str, Any]:
        """It as plain JSON values; what is not set is left out."""
        plain: dict[str, Any] = {"method": self.method, "uri": self.uri}
        if self.headers:
            plain["headers"] = dict(self.headers)
        if self.content is not None:
            plain["content"] = self.content
        if self.is_base64:
            plain["isBase64"] = True
        if self.token_source is not None:
            plain["tokenSource"] = self.token_source.to_json()
        if self.timeout is not None:
            plain["timeout"] = self.timeout
        if self.failing_codes is not None:
            plain["failingCodes"] = list(self.failing_codes)
        return plain

    @classmethod
    def from_plain(cls, plain: Any) -> DurableHttpRequest:
        """Read it back.

        :raises HttpRefusedError: it is none.
        """
        try:
            source, codes, timeout = plain.get("tokenSource"), plain.get("failingCodes"), plain.get("timeout")
            return cls(
                check_method(plain["method"]),
                check_address(plain["uri"]),
                check_headers(plain.get("headers")),
                plain.get("content"),
                plain.get("isBase64", False),
                None if source is None else ManagedIdentityTokenSource(source["resource"]),
                None if timeout is None else float(timeout),
                None if codes is None else tuple(codes),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise HttpRefusedError(
                f"The input of {HTTP_ACTIVITY} is no HTTP request ({error!r}). It is not to be called by its name: "
                "use context.call_http."
            ) from None


class DurableHttpResponse(dict[str, Any]):
    """What a request of `call_http` was answered with: a dict with `statusCode`, `headers` and `content`.

    The same can be had as attributes. `content` is text; of a body that is none it is Base64, and then the dict has
    `isBase64`. `uri` is the address that answered, after redirects.
    """

    def __init__(
        self,
        status_code: int,
        headers: Mapping[str, HeaderValue] | None = None,
        content: str = "",
        *,
        is_base64: bool = False,
        uri: str = "",
    ) -> None:
        """An answer.

        :param status_code: the status code.
        :param headers: headers by name; a list where one was there several times.
        :param content: the body as text, or in Base64.
        :param is_base64: it is Base64.
        :param uri: the address that answered.
        """
        super().__init__(statusCode=status_code, headers=HttpHeaders(headers or {}), content=content)
        if is_base64:
            self["isBase64"] = True
        self.uri = uri

    @property
    def status_code(self) -> int:
        """The status code."""
        return self["statusCode"]

    @property
    def headers(self) -> HttpHeaders:
        """The headers; looked up regardless of case. One that was there several times has a list."""
        return self["headers"]

    @property
    def content(self) -> str:
        """The body as text, or in Base64 if `is_base64`."""
        return self["content"]

    @property
    def is_base64(self) -> bool:
        """Whether the body is no text, and `content` is Base64."""
        return self.get("isBase64", False)

    @property
    def body(self) -> bytes:
        """The body as bytes; of a text, in UTF-8."""
        return _bytes(self.content, is_base64=self.is_base64)

    def json(self) -> Any:
        """The body as a JSON value.

        :raises ValueError: it is not JSON.
        """
        return json.loads(self.content)

    def to_plain(self) -> dict[str, Any]:
        """It as plain JSON values, `uri` among them."""
        return {**self, "headers": dict(self.headers), "uri": self.uri}

    @classmethod
    def from_plain(cls, plain: Any) -> DurableHttpResponse:
        """Read it back.

        :raises HttpRefusedError: it is none.
        """
        try:
            status, content = int(plain["statusCode"]), plain.get("content") or ""
            headers: dict[str, HeaderValue] = plain.get("headers") or {}
            text = content if isinstance(content, str) else json.dumps(content)
            base64_ = plain.get("isBase64") is True
            return cls(status, headers, text, is_base64=base64_, uri=str(plain.get("uri", "")))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise HttpRefusedError(f"The result of {HTTP_ACTIVITY} is no HTTP answer ({error!r}).") from None


# --- what can be asked for ---------------------------------------------------------------------------------


def check_method(method: Any) -> str:
    """The method in capitals.

    :raises ValueError: it is none.
    """
    if not isinstance(method, str) or not _TOKEN.fullmatch(method):
        raise ValueError(f"the method is {method!r}; it is to be one like 'GET' or 'POST'")
    return method.upper()


def check_address(uri: Any) -> str:
    """The absolute http or https address.

    :raises ValueError: it is none. The message shows nothing of it that may be secret.
    """
    text = str(uri)
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    # Who takes a backslash for a slash sees another host than who does not.
    if not usable or re.search(r"[\x00-\x20\x7f\\]", text):
        raise ValueError(f"the address is {shown_address(text)!r}; it is to be an absolute http or https URL")
    return text


def check_location(base: str, location: str) -> str:
    """The absolute http or https address that a `Location` leads to.

    :param base: the address that answered.
    :raises ValueError: it leads to none. The message shows nothing of it that may be secret.
    """
    return check_address(urldefrag(urljoin(base, location.strip())).url)


def check_headers(headers: Any) -> HttpHeaders:
    """Headers that can be sent.

    :raises ValueError: one cannot. The message does not show its value.
    """
    if headers is not None and not isinstance(headers, Mapping):
        raise ValueError(f"headers are a dict of texts, not {type(headers).__name__}")
    checked = HttpHeaders()
    for name, value in cast("Mapping[Any, Any]", headers or {}).items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a header")
        values: list[Any] = list(cast("list[Any]", value)) if isinstance(value, list | tuple) else [value]
        for item in values:
            if not isinstance(item, str) or re.search(r"[\x00\r\n]", item):
                kind = type(item).__name__ if not isinstance(item, str) else "a text of several lines"
                raise ValueError(f"the value of header {name!r} is to be a text of one line, not {kind}")
        checked[name] = values if isinstance(value, list | tuple) else value
    return checked


def header_lines(headers: Mapping[str, HeaderValue]) -> Iterator[tuple[str, str]]:
    """Every header with each of its values."""
    for name, value in headers.items():
        for item in value if isinstance(value, list) else [value]:
            yield name, item


# --- addresses -----------------------------------------------------------------------------------------------


def origin_of_address(uri: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of an address: who is trusted with credentials."""
    parts = urlsplit(uri)
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def shown_address(uri: str) -> str:
    """An address for messages: without user, password, query and fragment, which may be secret."""
    try:
        parts = urlsplit(uri)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "(an address that cannot be read)"
    shown = f"{parts.scheme}://{host}{parts.path}" if host else parts.path
    return f"{shown}{'?...' if parts.query else ''}"[:300]


def shown_input(activity: str, value: Value) -> Value:
    """The input of an activity for whoever may see a status; of an HTTP call only method and address.

    Its headers, query and body may hold what opens doors, and are left out. None: it cannot be read.
    """
    if activity != HTTP_ACTIVITY:
        return value
    return _without_secrets(value) if isinstance(value, str) else None


def _without_secrets(text: str) -> str | None:
    try:
        request: dict[str, str] = json.loads(text)
        return json.dumps({"method": request["method"], "uri": shown_address(request["uri"])})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


# Who is not the one that was called gets none of these.
_CREDENTIALS = frozenset(
    {
        "api-key",
        "authorization",
        "cookie",
        "ocp-apim-subscription-key",
        "proxy-authorization",
        "x-api-key",
        "x-auth-token",
        "x-functions-key",
    }
)


def without_credentials(headers: HttpHeaders) -> HttpHeaders:
    """The headers that any origin may see."""
    return headers.without(_CREDENTIALS)


def without_body_headers(headers: HttpHeaders) -> HttpHeaders:
    """The headers that fit a request without a body."""
    return HttpHeaders({name: value for name, value in headers.items() if not name.lower().startswith("content-")})


def _bytes(content: str, *, is_base64: bool) -> bytes:
    return base64.b64decode(content) if is_base64 else content.encode("utf-8", "surrogatepass")
