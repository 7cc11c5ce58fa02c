"""Credentials of the caller as the SDK's async clients take them."""

from __future__ import annotations

import asyncio
import inspect
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential
    from azure.core.credentials_async import AsyncTokenCredential


def asynchronous(credential: AsyncTokenCredential | TokenCredential) -> Any:
    """The credential itself if it is asynchronous, else one that asks it in a thread."""
    if inspect.iscoroutinefunction(getattr(credential, "get_token", None)) or not hasattr(credential, "get_token"):
        return credential
    return _InThread(credential)


class _InThread:
    """An async credential that has a sync one do the work. Getting a token may take seconds."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """A token for these scopes."""
        return await asyncio.to_thread(self._inner.get_token, *scopes, **options)

    async def close(self) -> None:
        """Nothing: it stays the caller's to close."""

    async def __aenter__(self) -> _InThread:  # noqa: PYI034 - `Self` came with Python 3.11
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
