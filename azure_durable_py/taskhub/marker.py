"""The marker of a hub: who may use it."""

from __future__ import annotations

from azure_durable_py.errors import (
    HubFormatError,
)
from azure_durable_py.taskhub.protocol import (
    FORMAT_VERSION,
    HubInfo,
)


def check_marker(info: HubInfo, hub_name: str, instance_queue_count: int, where: str) -> HubInfo:
    """Return the marker of a hub if this worker may use the hub.

    :raises HubFormatError: made by a newer format, or with another number of queues.
    """
    if info.format_version > FORMAT_VERSION:
        raise HubFormatError(
            f"Task hub {hub_name!r} in {where} was created with format {info.format_version}; this version of "
            f"azure-durable-py knows formats up to {FORMAT_VERSION}. Upgrade azure-durable-py here, or choose "
            "another extensions.durableTask.hubName in host.json."
        )
    if info.queue_count != instance_queue_count:
        raise HubFormatError(
            f"Task hub {hub_name!r} in {where} was created with instanceQueueCount {info.queue_count}, but "
            f"{instance_queue_count} is set here. Set extensions.durableTask.storageProvider.instanceQueueCount to "
            f"{info.queue_count} in host.json, or choose another extensions.durableTask.hubName: the number of "
            "queues of a hub cannot change."
        )
    return info
