"""What the log says of calls of storage, for who wants to know all."""

from __future__ import annotations

import logging

from azure_durable_py.logs import text
from azure_durable_py.observer import StorageCall, StorageRetry

logger = logging.getLogger("azure_durable_py.storage")


def tell_call(call: StorageCall) -> None:
    """Tell of a call."""
    if call.error is None:
        logger.debug("%s took %s.", call.name, text.duration(call.seconds))
    else:
        error = f"{type(call.error).__name__}: {text.one_line(str(call.error))}"
        logger.debug("%s failed after %s: %s", call.name, text.duration(call.seconds), error)


def tell_retry(retry: StorageRetry) -> None:
    """Tell that something is asked again. That storage is in trouble at all is told once, where that is known."""
    logger.debug("%s is tried again in %s: %s", retry.what, text.duration(retry.pause), text.one_line(str(retry.error)))
