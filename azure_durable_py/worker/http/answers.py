"""Answers to HTTP requests as they are kept: what of them is text, and how large they may be."""

from __future__ import annotations

import base64
import codecs
from typing import TYPE_CHECKING

from azure_durable_py.durable_http import DurableHttpRequest, DurableHttpResponse, HeaderValue
from azure_durable_py.errors import HttpRefusedError

if TYPE_CHECKING:
    from aiohttp import ClientResponse

_CHUNK = 64 * 1024
_TEXTS = frozenset(
    {
        "application/ecmascript",
        "application/graphql",
        "application/javascript",
        "application/json",
        "application/jwt",
        "application/ndjson",
        "application/sql",
        "application/toml",
        "application/x-javascript",
        "application/x-ndjson",
        "application/x-sh",
        "application/x-www-form-urlencoded",
        "application/x-yaml",
        "application/xml",
        "application/yaml",
    }
)


class AnswerReader:
    """Reads answers.

    :param largest: of a body that is kept, in bytes after decompression.
    """

    def __init__(self, largest: int) -> None:
        self._largest = largest

    async def read(self, answer: ClientResponse, request: DurableHttpRequest, uri: str) -> DurableHttpResponse:
        """An answer with its body.

        :param uri: the address that it came from.
        :raises HttpRefusedError: it is too large.
        """
        body = bytearray()
        async for chunk in answer.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) > self._largest:
                answer.close()
                raise HttpRefusedError(
                    f"{request.subject} was answered with more than {self._largest} bytes. Ask for less, let an "
                    "activity store the answer, or raise httpSettings.maxResponseSizeInBytes in host.json."
                )
        declared = answer.content_type if "Content-Type" in answer.headers else None
        text = _text(bytes(body), declared, answer.charset)
        content = base64.b64encode(body).decode("ascii") if text is None else text
        headers = _kept_headers(answer, unpacked=bool(body))
        return DurableHttpResponse(answer.status, headers, content, is_base64=text is None, uri=uri)


def _text(body: bytes, kind: str | None, charset: str | None) -> str | None:
    """A body as text; None: it is none."""
    if not body:
        return ""
    if kind is not None and not (kind.startswith("text/") or kind.endswith(("+json", "+xml")) or kind in _TEXTS):
        return None
    try:
        codec = codecs.lookup(charset or "utf-8").name
        text = body.decode("utf-8-sig" if codec == "utf-8" else codec)
        text.encode("utf-8")
    except (LookupError, UnicodeError):
        return None
    return text


def _kept_headers(answer: ClientResponse, *, unpacked: bool) -> dict[str, HeaderValue]:
    """The headers by name; of a body that came compressed, without those that speak of how it travelled."""
    was_packed = unpacked and "Content-Encoding" in answer.headers
    travelled = ("content-encoding", "content-length") if was_packed else ()
    names: dict[str, str] = {}
    kept: dict[str, HeaderValue] = {}
    for name, value in answer.headers.items():
        # Names like those with which values name their class are for nobody else to choose.
        if name.startswith("__") or name.lower() in travelled:
            continue
        given = names.setdefault(name.lower(), name)
        before = kept.get(given)
        text = _readable(value)
        if before is None:
            kept[given] = text
        else:
            kept[given] = [*before, text] if isinstance(before, list) else [before, text]
    return kept


def _readable(value: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeError:
        return value.encode("utf-8", "surrogateescape").decode("latin-1")
    return value
