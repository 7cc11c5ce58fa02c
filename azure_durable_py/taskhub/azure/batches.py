"""Entity-group transactions: several changes of one partition in one request, all or none.

Owns the multipart form of the request and of the answer ("Performing entity group transactions").
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from azure_durable_py.taskhub.azure.answers import NoAnswerError
from azure_durable_py.taskhub.azure.wire import refusal


@dataclass(frozen=True, slots=True)
class RowChange:
    """One change of one row, to be sent alone or with others. `path` is below the address of the service."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


# Nothing between them has a line that begins like one: a body is one line of JSON.
_BATCH = "batch_rows"
_CHANGES = "changeset_rows"

HEADERS = {
    "Content-Type": f"multipart/mixed; boundary={_BATCH}",
    "MaxDataServiceVersion": "3.0;NetFx",
}
"""What the request has beside those of every request."""

_START = (f"--{_BATCH}\r\nContent-Type: multipart/mixed; boundary={_CHANGES}\r\n\r\n").encode()
_PART = f"--{_CHANGES}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: "
_END = f"--{_CHANGES}--\r\n\r\n--{_BATCH}--\r\n".encode()
_ANSWER = re.compile(rb"^HTTP/1\.1 (\d{3})[^\r\n]*\r\n((?:[^\r\n]+\r\n)*)", re.MULTILINE)
_ETAG = re.compile(rb"^etag: *(\S.*?)\r$", re.MULTILINE | re.IGNORECASE)
_INDEX = re.compile(r"(\d+):")


def encode(uri: str, changes: Sequence[RowChange], headers: Mapping[str, str]) -> bytes:
    """The body of a request.

    :param uri: address of the service.
    :param headers: that each change has beside its own.
    """
    parts = [_START]
    common = _lines(headers)
    for number, change in enumerate(changes):
        own = _lines(change.headers)
        if change.body:
            own += f"Content-Length: {len(change.body)}\r\n"
        parts += [
            f"{_PART}{number}\r\n\r\n{change.method} {uri}{change.path} HTTP/1.1\r\n".encode(),
            f"{common}{own}\r\n".encode(),
            change.body,
            b"\r\n",
        ]
    parts.append(_END)
    return b"".join(parts)


def _lines(headers: Mapping[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


def etags(body: bytes, count: int) -> list[str | None]:
    """The ETag of each change, from the body of an answer.

    :raises RefusalError: nothing was changed; it has the index of the change that was refused, if the answer tells.
    :raises NoAnswerError: it is not the answer to so many changes.
    """
    found: list[str | None] = []
    for part in _ANSWER.finditer(body):
        status = int(part[1])
        if not 200 <= status < 300:
            refused = refusal(status, {}, body[part.end() :].partition(b"\r\n--")[0])
            index = _INDEX.match(refused.message)
            refused.index = int(index[1]) if index else None
            raise refused
        etag = _ETAG.search(part[2])
        found.append(etag[1].decode() if etag else None)
    if len(found) != count:
        raise NoAnswerError(f"an answer to {len(found)} of {count} changes")
    return found
