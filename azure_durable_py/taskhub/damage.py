"""What cannot be read, set aside: kept as rows where a person can see it, with the reason.

Owns the names of those rows, and the end of an instance whose header is damaged. They are in the
instance's own partition and go with it.
"""

from __future__ import annotations

import logging
import re

from azure_durable_py.taskhub.protocol import MAX_BODY_BYTES, BlobRow

logger = logging.getLogger("azure_durable_py.taskhub")
_UNSAFE = re.compile(r"[^A-Za-z0-9._!-]")
_LONGEST_NAME = 400


def quarantine(instance_id: str, name: str, body: bytes, reason: Exception | str) -> list[BlobRow]:
    """The rows that keep something where it disturbs nobody (`40-quarantine-...`), and why (`40-why-...`).

    :param name: what the rows are called after.
    """
    safe = _UNSAFE.sub(lambda match: f"~{ord(match[0]):X}", name)[:_LONGEST_NAME]
    logger.error(
        "Something of instance %r cannot be read and is set aside as row '40-quarantine-%s' of its partition: %s",
        instance_id,
        safe,
        reason,
    )
    pieces = [body[at : at + MAX_BODY_BYTES] for at in range(0, len(body), MAX_BODY_BYTES)] or [b""]
    names = [safe, *(f"{safe}-{number:04d}" for number in range(1, len(pieces)))]
    rows = [BlobRow(f"40-quarantine-{name}", piece) for name, piece in zip(names, pieces, strict=True)]
    return [*rows, BlobRow(f"40-why-{safe}", str(reason).encode("utf-8", "backslashreplace")[:MAX_BODY_BYTES])]
