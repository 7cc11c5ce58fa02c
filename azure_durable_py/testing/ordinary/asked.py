"""`Asked`: an HTTP request that a test makes, read as a server reads one from its socket.

Owns that reading, and what functions and the management API get of it.
"""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import azure.functions as func

from azure_durable_py.http.wire import Request

ORIGIN = "http://localhost:7071"
"""Where an app is in a test, as `azure-durable start` has it."""
_KEPT_IN_PATH = "/%:@!$&'()*+,;=~"
_KEPT_IN_QUERY = f"{_KEPT_IN_PATH}?"

Params: TypeAlias = Mapping[str, "str | int | Sequence[str | int]"]
"""Query parameters; one that is there several times has a list."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `path` and `query` are percent-encoded; names of headers are in lower case."""

    method: str
    origin: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def of(
        cls,
        method: str,
        url: str,
        *,
        json: Any = None,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        params: Params | None = None,
    ) -> Asked:
        """A request by what a test says of it.

        :raises ValueError: the URL is neither absolute nor a path from the root.
        :raises TypeError: there are two bodies, or one that is neither bytes nor text.
        """
        if json is not None and body is not None:
            raise TypeError("A request has one body: give `json` or `body`, not both.")
        parts = urlsplit(url)
        if parts.scheme not in ("", "http", "https") or bool(parts.scheme) is not bool(parts.netloc):
            raise ValueError(f"{url!r} is no address of an app. Give a path like '/api/orders', or a URL with http://.")
        if not parts.netloc and not parts.path.startswith("/"):
            raise ValueError(f"{url!r} begins without a slash. Give the whole path, like '/api/{url}'.")
        origin = f"{parts.scheme}://{parts.netloc}" if parts.netloc else ORIGIN
        content = json_module.dumps(json).encode() if json is not None else _bytes_of(body)
        queries = (quote(parts.query, safe=_KEPT_IN_QUERY), urlencode(params or {}, doseq=True))
        framing = {"host": urlsplit(origin).netloc, "content-length": str(len(content))}
        if json is not None:
            framing["content-type"] = "application/json"
        return cls(
            method=method.upper(),
            origin=origin,
            path=quote(parts.path, safe=_KEPT_IN_PATH) or "/",
            query="&".join(query for query in queries if query),
            headers=framing | {name.lower(): str(value) for name, value in (headers or {}).items()},
            body=content,
        )

    @property
    def url(self) -> str:
        """The whole URL."""
        return f"{self.origin}{self.path}{'?' if self.query else ''}{self.query}"

    @property
    def _values(self) -> dict[str, list[str]]:
        return parse_qs(self.query, keep_blank_values=True)

    def to_function(self, route_params: Mapping[str, str]) -> func.HttpRequest:
        """The request as a function sees it. Values of repeated parameters are joined by commas."""
        return func.HttpRequest(
            self.method,
            self.url,
            headers=self.headers,
            params={name: ",".join(values) for name, values in self._values.items()},
            route_params=dict(route_params),
            body=self.body,
        )

    def to_management(self, mount: str, rest: str) -> Request:
        """The request as the management API takes it.

        :param mount: where that is, as in the path.
        :param rest: what follows in the path.
        """
        return Request(self.method, rest, f"{self.origin}{mount}", self._values, self.headers, self.body)


def _bytes_of(body: object) -> bytes:
    if body is None or isinstance(body, (bytes, str)):
        return body.encode() if isinstance(body, str) else body or b""
    raise TypeError(f"The body is a {type(body).__name__}; accepted are bytes and str. For JSON give `json`.")
