"""How an HTTP call of an orchestration gets a token."""

from __future__ import annotations

from dataclasses import dataclass


class TokenSource:
    """Base of what `call_http` gets its tokens from."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ManagedIdentityTokenSource(TokenSource):
    """Asks `call_http` to authenticate with a token of the app's managed identity.

    `resource` is what the token is for, as a URI: `https://management.core.windows.net/`.
    """

    resource: str

    def __post_init__(self) -> None:
        if not self.resource:
            raise ValueError("ManagedIdentityTokenSource needs the URI of the resource that the token is for.")

    def to_json(self) -> dict[str, str | int]:
        """JSON-ready values by their names in the protocol of Durable Functions."""
        return {"resource": self.resource, "kind": "AzureManagedIdentity"}
