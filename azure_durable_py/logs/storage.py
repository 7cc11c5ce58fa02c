"""What the log says of calls of storage, for who wants to know all."""

from __future__ import annotations

import logging

from azure_durable_py import wording
from azure_durable_py.observer import StorageCall, StorageRetry

logger = logging.getLogger("azure_durable_py.storage")


def tell_call(call: StorageCall) -> None:
    """Tell of a call."""
    if call.error is None:
        logger.debug("%s took %s.", call.name, wording.duration(call.seconds))
    else:
        error = f"{type(call.error).__name__}: {wording.one_line(str(call.error))}"
        logger.debug("%s failed after %s: %s", call.name, wording.duration(call.seconds), error)


def tell_retry(retry: StorageRetry) -> None:
    """Tell that something is asked again. That storage is in trouble at all is told once, where that is known."""
    logger.debug(
        "%s is tried again in %s: %s", retry.what, wording.duration(retry.pause), wording.one_line(str(retry.error))
    )
