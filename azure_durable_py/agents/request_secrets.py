"""What a request to a model must not hold, as it is recorded in the history of its orchestration.

Owns the names of such headers. It knows no framework.
"""

from __future__ import annotations

from collections.abc import Mapping

from azure_durable_py.errors import OrchestratorError

_SECRET_HEADERS = frozenset(
    {"authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie", "proxy-authorization", "x-auth-token"}
)


def refuse_secret_headers(headers: Mapping[str, object] | None) -> None:
    """See that the extra headers of a request hold no credentials.

    :raises OrchestratorError: one does; names it.
    """
    for name in headers or {}:
        if name.lower() in _SECRET_HEADERS:
            raise OrchestratorError(
                f"The model settings have the header {name!r} in extra_headers, which would be recorded in the history "
                "with each model call. Set it on the client of the model provider, which only activities use."
            )
