"""The access log of the local host: requests that changed something or failed; all others at DEBUG.

Who waits for an instance asks for its status again and again, and probes come every few seconds: neither is news.
"""

from __future__ import annotations

import logging

logger = logging.getLogger("azure_durable_py.access")
_ONLY_LOOK = frozenset({"GET", "HEAD", "OPTIONS"})


def tell_request(method: str, path: str, status: int, seconds: float, *, is_probe: bool = False) -> None:
    """Tell of a request that was answered.

    :param path: without its query, which may hold a key, and printable.
    """
    is_news = not is_probe and (status >= 400 or method not in _ONLY_LOOK)
    logger.log(
        logging.INFO if is_news else logging.DEBUG, "%s %s -> %d (%.0f ms)", method, path, status, seconds * 1000
    )
