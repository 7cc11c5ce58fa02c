"""Routes of the management API, and the requests that found theirs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from azure_durable_py.client.links import HttpAnswer
from azure_durable_py.http.signing import Signature, SignedOperation
from azure_durable_py.http.wire import Parameters, Request, value_answer

TOKEN_HEADER = "x-ms-continuation-token"  # noqa: S105 - the name of a header


@dataclass(frozen=True, slots=True)
class AdmittedCall:
    """A request that found its route and may be answered.

    `signature` is set where nothing but that of its URL allows the call.
    """

    request: Request
    values: dict[str, str]
    parameters: Parameters
    base_url: str
    signature: Signature | None

    def header(self, name: str) -> str:
        """The value of a header of the request; empty if it has none."""
        return next((value for given, value in self.request.headers.items() if given.lower() == name), "")

    @property
    def continuation_token(self) -> str | None:
        """The continuation token that the request brings, if any."""
        token = self.header(TOKEN_HEADER)
        return None if token in ("", "null") else token


Handler: TypeAlias = Callable[[AdmittedCall], Awaitable[HttpAnswer]]


@dataclass(frozen=True, slots=True)
class ManagementRoute:
    """A verb and path.

    `operation` is what a signature must allow; None: only the system key will do. `is_public` lets anybody call it: it
    tells nothing of the hub. `headers` are added to whatever is answered.
    """

    method: str
    path: str
    operation: SignedOperation | None
    handler: Handler
    is_public: bool = False
    headers: Mapping[str, str] = field(default_factory=lambda: {})

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        """The values of the path's `{names}`, or None if this is another path."""
        pattern = self.path.split("/")
        if len(pattern) != len(segments):
            return None
        values: dict[str, str] = {}
        for wanted, found in zip(pattern, segments, strict=True):
            if wanted.startswith("{"):
                values[wanted[1:-1]] = found
            elif wanted.lower() != found.lower():
                return None
        return values


def page_answer(items: list[Any], token: str | None) -> HttpAnswer:
    """One page of a listing; the token for the next goes into a header, which is empty on the last."""
    return value_answer(200, items, {TOKEN_HEADER: token or ""})
