"""The names of queues and the keys of rows: all there are."""

from __future__ import annotations

import hashlib
import re

from azure_durable_py.errors import (
    SettingsError,
)


def page_key(generation: int, turn_id: str, number: int) -> str:
    """RowKey stem of a history page; the turn that wrote it is part of the name (R18)."""
    return f"20-history-{generation:08d}-{turn_id}-{number:04d}"


def payload_key(writer: str, number: int) -> str:
    """RowKey stem of a payload: `writer` is the id of the turn, work item or client call that wrote it."""
    return f"30-payload-{writer}-{number:04d}"


def chunk_keys(key: str, chunks: int) -> list[str]:
    """The RowKeys of the rows of a page or payload."""
    return [f"{key}-{chunk:04d}" for chunk in range(chunks)]


MAX_QUEUES = 16


class QueueNames:
    """The names of a hub's queues.

    :param hub_name: 3 to 45 letters and digits, a letter first; case does not matter.
    :param instance_queue_count: number of doorbell queues, 1 to 16.
    :raises SettingsError: one of them cannot be used.
    """

    def __init__(self, hub_name: str, instance_queue_count: int) -> None:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]{2,44}", hub_name):
            raise SettingsError(
                f"Task hub name {hub_name!r} cannot be used: it needs 3 to 45 letters and digits, a letter first."
            )
        if not 1 <= instance_queue_count <= MAX_QUEUES:
            raise SettingsError(f"instanceQueueCount is {instance_queue_count}; accepted is 1 to {MAX_QUEUES}.")
        stem = f"{hub_name.lower()}-instances"
        numbered = tuple(f"{stem}-{number:02d}" for number in range(1, instance_queue_count + 1))
        self.instances = (stem,) if instance_queue_count == 1 else numbered
        self.activities = f"{hub_name.lower()}-activities"

    @property
    def all(self) -> tuple[str, ...]:
        """Every queue of the hub."""
        return (*self.instances, self.activities)

    def of_instance(self, instance_id: str) -> str:
        """The doorbell queue of an instance."""
        if len(self.instances) == 1:
            return self.instances[0]
        digest = hashlib.blake2b(instance_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return self.instances[int.from_bytes(digest, "big") % len(self.instances)]
