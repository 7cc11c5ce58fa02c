"""Bearer tokens for requests of `call_http`. They are asked for when one is made, and kept nowhere but in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from azure_durable_py.errors import HttpRequestError

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

    MakeCredential: TypeAlias = Callable[[], AsyncTokenCredential]


class Tokens:
    """Gets tokens of the app's identity.

    :param make_credential: makes an asynchronous credential; it caches tokens, and is closed by `close`.
    """

    def __init__(self, make_credential: MakeCredential | None = None) -> None:
        self._make = make_credential or _default_credential
        self._credential: AsyncTokenCredential | None = None

    async def token(self, resource: str) -> str:
        """A token for a resource.

        :raises HttpRequestError: there is none.
        """
        try:
            if self._credential is None:
                self._credential = self._make()
            return (await self._credential.get_token(scope_of(resource))).token
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except Exception as error:  # noqa: BLE001 - credentials fail in many ways, none of which has a token in it
            raise HttpRequestError(
                f"No token for {resource!r} could be had: {error} Give the app a managed identity that may use the "
                "resource (AZURE_CLIENT_ID names a user-assigned one); on your machine, sign in with `az login`."
            ) from None

    async def close(self) -> None:
        """Close the credential."""
        credential, self._credential = self._credential, None
        if credential is not None:
            await credential.close()


def scope_of(resource: str) -> str:
    """The scope that stands for all permissions on a resource."""
    return resource if resource.endswith("/.default") else f"{resource.rstrip('/')}/.default"


def _default_credential() -> AsyncTokenCredential:
    # Heavy, and few apps need it.
    from azure.identity.aio import DefaultAzureCredential

    return DefaultAzureCredential()
