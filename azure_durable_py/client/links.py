"""Where the management URLs of an instance come from, and the HTTP answers that carry them.

Owns neutral shapes only: whoever serves HTTP brings the URLs (`ManagementUrls`) and makes its
own response objects of `HttpAnswer`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeAlias
from urllib.parse import urlsplit

from azure_durable_py.errors import InvalidRequestError


class HttpRequestLike(Protocol):
    """What is read of an HTTP request: `azure.functions.HttpRequest` fits, and the requests of FastAPI."""

    @property
    def url(self) -> object:
        """The absolute URL of the request: a text, or what becomes it by `str`."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; names are looked up in lower case."""
        ...


class ManagementUrls(Protocol):
    """Makes the management URLs of instances."""

    def payload(
        self, instance_id: str, origin: str | None = None, *, execution_id: str | None = None
    ) -> dict[str, str]:
        """The management payload of an instance: `id` and the URLs by their names.

        :param origin: `scheme://host[:port]` that the caller used; None: the one that the host knows of.
        :param execution_id: the execution that the URLs are for; None: the one that is there now.
        :raises InvalidRequestError: none is given and none is known.
        """
        ...


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An HTTP answer before it becomes an object of some web framework. `body` is JSON in UTF-8, or empty."""

    status_code: int
    headers: Mapping[str, str] = field(default_factory=lambda: {})
    body: bytes = b""


ResponseFactory: TypeAlias = Callable[[HttpAnswer], Any]
"""Makes the response object that the user's function returns."""


def json_answer(status_code: int, text: str, headers: Mapping[str, str] | None = None) -> HttpAnswer:
    """An answer with a JSON text."""
    body = text.encode("utf-8", "surrogatepass")
    return HttpAnswer(status_code, {"Content-Type": "application/json", **(headers or {})}, body)


def bare_text(answer: HttpAnswer) -> HttpAnswer:
    """The answer with the text itself in place of a JSON string."""
    if not answer.body.startswith(b'"'):
        return answer
    text: str = json.loads(answer.body)
    return replace(answer, body=text.encode("utf-8", "surrogatepass"))


def accepted(payload: Mapping[str, str]) -> HttpAnswer:
    """202 with the management payload, as a started orchestration is answered."""
    headers = {"Location": payload["statusQueryGetUri"], "Retry-After": "10"}
    return json_answer(202, json.dumps(payload), headers)


def origin_of(url: object, headers: Mapping[str, str], *, use_forwarded: bool) -> str:
    """`scheme://host[:port]` under which the caller of a request reached us.

    :param url: the absolute URL of the request as this process sees it.
    :param headers: of the request; names in lower case, or a mapping that ignores case.
    :param use_forwarded: believe `X-Forwarded-Host` and `X-Forwarded-Proto`.
    :raises InvalidRequestError: the URL is not absolute.
    """
    parts = urlsplit(str(url))
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InvalidRequestError(f"The URL of the request is {str(url)!r}; an absolute http or https URL is needed.")
    scheme, host = parts.scheme, parts.netloc
    if use_forwarded:
        host = _forwarded(headers, "x-forwarded-host", r"[A-Za-z0-9.\-_:\[\]]+") or host
        scheme = _forwarded(headers, "x-forwarded-proto", "https?") or scheme
    return f"{scheme}://{host}"


def _forwarded(headers: Mapping[str, str], name: str, pattern: str) -> str | None:
    # Proxies append: the first value is what the caller asked for.
    first = (headers.get(name) or "").split(",")[0].strip()
    return first if re.fullmatch(pattern, first) else None
