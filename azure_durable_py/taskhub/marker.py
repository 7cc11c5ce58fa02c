"""The marker of a hub: who may use it, and what becomes of an older one."""

from __future__ import annotations

from azure_durable_py.errors import HubFormatError
from azure_durable_py.taskhub.protocol import FORMAT_VERSION, HubInfo
from azure_durable_py.taskhub.upgrades import MARKER_STEPS, lead_to


def check_marker(info: HubInfo, hub_name: str, instance_queue_count: int, where: str) -> HubInfo:
    """Return the marker of a hub, as of today's format, if this worker may use the hub.

    A marker that comes back changed is of an older format and is to be written.

    :raises HubFormatError: made by a newer format, by one from which no rule leads to today's, or with another number
        of queues.
    """
    if info.format_version > FORMAT_VERSION:
        raise HubFormatError(
            f"Task hub {hub_name!r} in {where} was created with format {info.format_version}; this version of "
            f"azure-durable-py knows formats up to {FORMAT_VERSION}. Upgrade azure-durable-py here, or choose "
            "another extensions.durableTask.hubName in host.json."
        )
    if not lead_to(FORMAT_VERSION, info.format_version, MARKER_STEPS):
        raise HubFormatError(
            f"Task hub {hub_name!r} in {where} was created with format {info.format_version}, which this version of "
            f"azure-durable-py cannot make into format {FORMAT_VERSION}. Let its instances end under the version that "
            "made it, and choose another extensions.durableTask.hubName in host.json."
        )
    for version in range(info.format_version, FORMAT_VERSION):
        info = MARKER_STEPS[version](info)
    if info.queue_count != instance_queue_count:
        raise HubFormatError(
            f"Task hub {hub_name!r} in {where} was created with instanceQueueCount {info.queue_count}, but "
            f"{instance_queue_count} is set here. Set extensions.durableTask.storageProvider.instanceQueueCount to "
            f"{info.queue_count} in host.json, or choose another extensions.durableTask.hubName: the number of "
            "queues of a hub cannot change."
        )
    return info
