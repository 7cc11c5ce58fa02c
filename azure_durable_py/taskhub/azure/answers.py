"""What storage's refusals mean: turns them, and those that the SDK tells of, into errors of ours.

Owns the reading of status and error codes. Messages name the account's host and the mend, and
never a secret.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from azure_durable_py.errors import (
    DurableError,
    PayloadTooLargeError,
    StorageRejectedError,
    StorageUnavailableError,
)


class RefusalError(Exception):
    """The service answered a request of ours with a definite no, or with trouble of its own.

    :param status: of HTTP.
    :param code: the service's own name for it, or an empty text.
    :param message: what it says.
    :param clock_skew: how many seconds its clock is ahead of ours.
    """

    def __init__(self, status: int, code: str, message: str, *, clock_skew: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.clock_skew = clock_skew
        self.index: int | None = None
        """Which change of a transaction was refused, if the answer tells."""


class NoAnswerError(Exception):
    """No answer came, or one that cannot be read: nothing is known of what a request did."""


TROUBLE = (RefusalError, NoAnswerError, AzureError, aiohttp.ClientError, asyncio.TimeoutError, OSError)
"""What a request of ours, or a call of the SDK, may raise when storage refused, or gave no answer."""

_BEING_DELETED = frozenset({"TableBeingDeleted", "QueueBeingDeleted"})
_TOO_LARGE = frozenset(
    {
        "EntityTooLarge",
        "KeyValueTooLarge",
        "MessageTooLarge",
        "PropertyValueTooLarge",
        "RequestBodyTooLarge",
    }
)
_GONE = frozenset({"TableNotFound", "QueueNotFound"})
_MAX_SKEW = 15 * 60


def code(error: BaseException) -> str:
    """Storage's own name for what happened, or an empty text."""
    if isinstance(error, RefusalError):
        return error.code
    value: Any = getattr(error, "error_code", None)
    if value is None and isinstance(error, HttpResponseError) and error.response is not None:
        headers: Mapping[str, str] = getattr(error.response, "headers", {})
        value = headers.get("x-ms-error-code")
    return str(getattr(value, "value", value) or "")


def status(error: BaseException) -> int | None:
    """The HTTP status of an error, if there was an answer."""
    if isinstance(error, RefusalError):
        return error.status
    return error.status_code if isinstance(error, HttpResponseError) else None


def is_gone(error: BaseException) -> bool:
    """Whether the table or the queue itself does not exist."""
    return code(error) in _GONE


def translate(error: BaseException, what: str) -> DurableError:
    """Our error for one of `TROUBLE`.

    :param what: what was asked for, and of whom.
    """
    number = status(error)
    if code(error) in _BEING_DELETED:
        return StorageUnavailableError(
            f"{what}: the hub is being deleted, which takes Azure up to a minute. Wait, or use another hubName."
        )
    if number == 413 or code(error) in _TOO_LARGE:
        return PayloadTooLargeError(f"{what}: too large ({number} {code(error)}): {_first_line(error)}")
    if isinstance(error, RefusalError) and error.code == "AuthenticationFailed" and abs(error.clock_skew) > _MAX_SKEW:
        minutes = round(abs(error.clock_skew) / 60)
        return StorageRejectedError(
            f"{what}: refused ({number} {error.code}). The clock of this machine is {minutes} minutes "
            f"{'behind' if error.clock_skew > 0 else 'ahead of'} that of storage, which takes up to 15: set it right."
        )
    if number in (401, 403):
        return StorageRejectedError(
            f"{what}: refused ({number} {code(error)}). Check the key or signature of the connection; an identity "
            "needs the roles Storage Table Data Contributor and Storage Queue Data Contributor on the account."
        )
    if isinstance(error, ClientAuthenticationError):
        return StorageRejectedError(
            f"{what}: no token for storage: {_first_line(error)} Check the identity's settings (credential, "
            "clientId, tenantId), or log in with `az login` on a development machine."
        )
    if number is not None and 400 <= number < 500 and number not in (408, 429):
        return StorageRejectedError(f"{what}: refused ({number} {code(error)}): {_first_line(error)}")
    answer = "no answer" if number is None else f"answer {number} {code(error)}"
    return StorageUnavailableError(f"{what}: {answer}: {_first_line(error)}")


def _first_line(error: BaseException) -> str:
    # aiohttp says `ssl:default` of every connection, plain http included.
    first = str(error).strip().partition("\n")[0].replace(" ssl:default", "")
    return first or type(error).__name__
