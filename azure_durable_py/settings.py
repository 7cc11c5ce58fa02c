"""What host.json's `extensions.durableTask` says, checked, with defaults filled in.

Owns the names, defaults and accepted values of settings. Values are read once, when a host
or client starts; nothing is read at import time. Reading files is the hosts' business.
"""

from __future__ import annotations

import difflib
import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from azure_durable_py.addresses import is_address_pattern
from azure_durable_py.errors import SettingsError

logger = logging.getLogger(__name__)

DEFAULT_CONNECTION = "AzureWebJobsStorage"
DEFAULT_HUB = "TestHubName"


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one task hub and of the workers on it. Durations are in seconds.

    The visibility timeouts are the time after which the work of a dead worker goes to another: live
    workers renew their messages. So their default is 30 seconds, not the 5 minutes of the .NET extension.

    `max_concurrent_orchestrators`: turns of orchestrations take no threads, and wait for storage most of the time. With
    ten per CPU, as the .NET extension has, too few come together for a flush of the disk.

    `max_turn_time`: for how long an orchestrator or an entity operation may keep the event loop; 0: for ever.
    `http_forbidden_addresses`, `http_allowed_addresses`: networks, addresses and host names as in `addresses`.
    `http_max_response_size` is in bytes.
    `trace_values`: whether spans show inputs and outputs; `trace_replays`: whether each replay gets a span.
    `instance_retention`: for how long finished orchestrations are kept; None: until they are purged.
    `max_queue_polling_interval`: longest pause between two polls of an idle queue; None: what the store says.
    `max_dequeue_count`: how often a message is delivered whose deliveries end with their process; then what it
    is about fails.
    """

    hub_name: str = DEFAULT_HUB
    connection_name: str = DEFAULT_CONNECTION
    instance_queue_count: int = 1
    max_concurrent_activities: int = field(default_factory=lambda: 10 * (os.cpu_count() or 1))
    max_concurrent_orchestrators: int = 100
    max_concurrent_entities: int = field(default_factory=lambda: 10 * (os.cpu_count() or 1))
    max_entity_operation_batch_size: int = 5000
    max_orchestration_actions: int = 100_000
    max_turn_time: float = 30.0
    max_dequeue_count: int = 5
    extended_sessions: bool = True
    extended_session_idle_timeout: float = 30.0
    max_extended_sessions: int = 2_000
    overridable_existing_instance_states: str = "NonRunningStates"
    rollback_entity_operations_on_exceptions: bool = True
    http_use_forwarded_host: bool = False
    http_poll_interval: float = 30.0
    http_max_response_size: int = 10 * 1024 * 1024
    http_forbidden_addresses: tuple[str, ...] = ()
    http_allowed_addresses: tuple[str, ...] = ()
    queue_batch_size: int = 32
    instance_visibility_timeout: float = 30.0
    activity_visibility_timeout: float = 30.0
    max_queue_polling_interval: float | None = None
    queue_message_encoding: str = "base64"
    default_version: str | None = None
    version_match_strategy: str = "CurrentOrOlder"
    version_failure_strategy: str = "Reject"
    url_lifetime: float = 7 * 24 * 3600.0
    instance_retention: float | None = None
    distributed_tracing: bool = True
    tracing_version: str = "V2"
    trace_values: bool = False
    trace_replays: bool = False

    @classmethod
    def from_host_json(cls, host_json: Mapping[str, Any], app_settings: Mapping[str, str]) -> Settings:
        """Read the settings of an app.

        :param host_json: the content of host.json (an empty mapping means all defaults).
        :param app_settings: the app's settings by name; `%NAME%` in a value refers to one.
        :raises SettingsError: a value cannot be used; the message names it and what is accepted.

        Keys are matched regardless of case, as the Functions host does. An unknown key is
        logged as a warning, with the near name. So is a `storageProvider` of another kind than Azure Storage:
        nothing of it is used.
        """
        extensions = _section(host_json, "extensions", "")
        durable = _section(extensions, "durableTask", "extensions.")
        path = "extensions.durableTask."
        reader = _Reader(app_settings)
        storage = _section(durable, "storageProvider", path)
        backend = _other_backend(storage, f"{path}storageProvider.", app_settings)
        if backend is not None:
            durable = _without_backend(durable, backend, app_settings)
            storage = _section(durable, "storageProvider", path)
        reader.read(durable, path, _DURABLE, sections=("httpSettings", "storageProvider", "tracing"))
        reader.read(_section(durable, "httpSettings", path), f"{path}httpSettings.", _HTTP)
        reader.read(storage, f"{path}storageProvider.", _STORAGE)
        reader.read(_section(durable, "tracing", path), f"{path}tracing.", _TRACING)
        queues = _section(extensions, "queues", "extensions.")
        # The other keys are the Functions host's business.
        ours = {name.lower() for name in _QUEUES}
        reader.read({key: queues[key] for key in queues if key.lower() in ours}, "extensions.queues.", _QUEUES)
        reader.values.setdefault("hub_name", default_hub_name(app_settings))
        _refuse_shared_slot_hub(reader.values["hub_name"], app_settings)
        return cls(**reader.values)


def default_hub_name(app_settings: Mapping[str, str]) -> str:
    """The hub of an app whose host.json names none: its site name made valid, else `TestHubName`."""
    return hub_name_from(app_settings.get("WEBSITE_SITE_NAME", ""))


def hub_name_from(name: str) -> str:
    """The name of a hub that is called after something: 3 to 45 letters and digits, a letter first."""
    left = re.sub(r"[^A-Za-z0-9]", "", name)
    if not left:
        return DEFAULT_HUB
    if not left[0].isalpha():
        left = "t" + left
    return (left if len(left) >= 3 else left + "Hub")[:45]


def parse_duration(text: str) -> float | None:
    """Seconds of a duration written as `[days.]HH:MM:SS[.fraction]`; None if it is none."""
    match = re.fullmatch(r"(?:(\d+)\.)?(\d{1,2}):([0-5]?\d):([0-5]?\d(?:\.\d{1,7})?)", text.strip())
    if match is None or int(match[2]) > 23:
        return None
    return int(match[1] or 0) * 86400.0 + int(match[2]) * 3600.0 + int(match[3]) * 60.0 + float(match[4])


def expand(text: str, app_settings: Mapping[str, str], path: str) -> str:
    """Replace every `%NAME%` by the app setting of that name.

    :raises SettingsError: there is no such app setting; `path` says where it was asked for.
    """

    def lookup(match: re.Match[str]) -> str:
        value = app_settings.get(match[1])
        if value is None:
            raise SettingsError(
                f"{path} is {text!r}, but there is no app setting {match[1]!r}. "
                "Set it in local.settings.json (Values) or in the environment."
            )
        return value

    return re.sub(r"%([^%\s]+)%", lookup, text)


def key_of(section: Mapping[str, Any], name: str) -> str:
    """The key of a section of host.json that has this name, regardless of case; the name itself if none has."""
    return next((key for key in section if key.lower() == name.lower()), name)


def look_up(host_json: Mapping[str, Any], *path: str) -> Any:
    """The value at a path of host.json, whose keys are matched regardless of case; None if there is none."""
    value: Any = host_json
    for name in path:
        if not isinstance(value, dict):
            return None
        section = cast("dict[str, Any]", value)
        value = section.get(key_of(section, name))
    return value


def _section(parent: Mapping[str, Any], name: str, path: str) -> Mapping[str, Any]:
    key = key_of(parent, name)
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _unusable(f"{path}{key}", value, "an object")
    return cast("dict[str, Any]", value)


def _other_backend(storage: Mapping[str, Any], path: str, app_settings: Mapping[str, str]) -> str | None:
    """The storage that a section is for, as it names it; None: it is ours."""
    key = key_of(storage, "type")
    if storage.get(key) is None:
        return None
    backend = expand(_text(path + key, storage[key]), app_settings, path + key)
    return None if backend.lower().replace("_", "") == "azurestorage" else backend


def _without_backend(durable: Mapping[str, Any], backend: str, app_settings: Mapping[str, str]) -> dict[str, Any]:
    """The section without what is for another storage, and with a hub name that there is here."""
    kept = {key: value for key, value in durable.items() if key.lower() != "storageprovider"}
    key, hint = key_of(durable, "hubName"), ""
    name = durable.get(key)
    if isinstance(name, str):
        name = expand(name, app_settings, f"extensions.durableTask.{key}")
        kept[key] = hub_name_from(name)
        hint = "" if kept[key] == name else f" There is no hub {name!r} there, but {kept[key]!r}."
    logger.warning(
        "host.json: extensions.durableTask.storageProvider is for %s, which azure_durable_py does not use: the task "
        "hub is in Azure Storage, by the connection %s, or where --storage says.%s",
        backend,
        DEFAULT_CONNECTION,
        hint,
    )
    return kept


def _refuse_shared_slot_hub(hub_name: str, app_settings: Mapping[str, str]) -> None:
    slot = app_settings.get("WEBSITE_SLOT_NAME", "")
    if slot and slot.lower() != "production" and hub_name.lower() == default_hub_name(app_settings).lower():
        raise SettingsError(
            f"Slot {slot!r} would share task hub {hub_name!r} with the production slot. Set "
            'extensions.durableTask.hubName in host.json to "%TASK_HUB%" and make TASK_HUB a slot setting.'
        )


# --- values --------------------------------------------------------------------------------------

_Read = Callable[[str, Any], Any]


@dataclass(frozen=True, slots=True)
class _Key:
    """One known key: the field that it sets (None: accepted, without effect here) and its reader."""

    field: str | None
    read: _Read


class _Reader:
    """Collects the values of fields, section by section."""

    def __init__(self, app_settings: Mapping[str, str]) -> None:
        self.values: dict[str, Any] = {}
        self._app_settings = app_settings

    def read(
        self, section: Mapping[str, Any], path: str, known: Mapping[str, _Key], sections: tuple[str, ...] = ()
    ) -> None:
        names = {name.lower(): name for name in (*known, *sections)}
        for given, value in section.items():
            name = names.get(given.lower())
            if name is None:
                _warn_unknown(path, given, list(names.values()))
            elif name in known and value is not None:
                text = expand(value, self._app_settings, path + name) if isinstance(value, str) else value
                self._take(known[name], path + name, text)

    def _take(self, key: _Key, path: str, value: Any) -> None:
        result = key.read(path, value)
        if key.field is not None:
            self.values[key.field] = result


def _warn_unknown(path: str, given: str, names: list[str]) -> None:
    near = difflib.get_close_matches(given.lower(), [name.lower() for name in names], n=1)
    hint = next((f" Did you mean {name!r}?" for name in names if near and name.lower() == near[0]), "")
    logger.warning("host.json: %s%s is not a setting of azure_durable_py and is ignored.%s", path, given, hint)


def _unusable(path: str, value: Any, accepted: str) -> SettingsError:
    return SettingsError(f"host.json: {path} is {value!r}; accepted is {accepted}.")


def _whole(low: int, high: int = 2**31 - 1) -> _Read:
    accepted = f"a whole number from {low} to {high}" if high < 2**31 - 1 else f"a whole number of at least {low}"

    def read(path: str, value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"\s*\d+\s*", value, re.ASCII):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise _unusable(path, value, accepted)
        return value

    return read


def _scaled(read_whole: _Read, factor: float) -> _Read:
    return lambda path, value: read_whole(path, value) * factor


def _flag(path: str, value: Any) -> bool:
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    if not isinstance(value, bool):
        raise _unusable(path, value, "true or false")
    return value


def _text(path: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _unusable(path, value, "a non-empty string")
    return value.strip()


def _choice(*choices: str) -> _Read:
    def read(path: str, value: Any) -> str:
        for choice in choices:
            if isinstance(value, str) and value.strip().lower() == choice.lower():
                return choice
        raise _unusable(path, value, "one of " + ", ".join(choices))

    return read


def _tracing_version(path: str, value: Any) -> str:
    version = _choice("None", "V1", "V2")(path, value)
    if version == "V1":
        logger.warning(
            "host.json: %s is V1, which azure_durable_py does not have: spans are written as by V2. Set it to V2, or "
            "to None for no spans.",
            path,
        )
    return version


def _duration(low: float, high: float) -> _Read:
    def read(path: str, value: Any) -> float:
        seconds = parse_duration(value) if isinstance(value, str) else None
        if seconds is None or not low <= seconds <= high:
            accepted = f'a duration "HH:MM:SS" (or "days.HH:MM:SS") from {low:g} to {high:g} seconds'
            raise _unusable(path, value, accepted)
        return seconds

    return read


def _hub_name(path: str, value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9]{2,44}", value):
        raise _unusable(path, value, "3 to 45 letters and digits, a letter first")
    return value


def _addresses(path: str, value: Any) -> tuple[str, ...]:
    items: Any = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list):
        raise _unusable(path, value, _ADDRESSES)
    items = cast("list[Any]", items)
    if not all(isinstance(item, str) and is_address_pattern(item.strip().lower()) for item in items if item != ""):
        raise _unusable(path, value, _ADDRESSES)
    return tuple(item.strip().lower() for item in items if item != "")


_ADDRESSES = 'a list of networks ("10.0.0.0/8"), addresses and names of hosts ("*.internal")'


_WEEK = 7 * 24 * 3600.0

_DURABLE: Mapping[str, _Key] = {
    "hubName": _Key("hub_name", _hub_name),
    "defaultVersion": _Key("default_version", _text),
    "versionMatchStrategy": _Key("version_match_strategy", _choice("None", "Strict", "CurrentOrOlder")),
    "versionFailureStrategy": _Key("version_failure_strategy", _choice("Reject", "Fail")),
    "maxConcurrentActivityFunctions": _Key("max_concurrent_activities", _whole(1)),
    "maxConcurrentOrchestratorFunctions": _Key("max_concurrent_orchestrators", _whole(1)),
    "maxConcurrentEntityFunctions": _Key("max_concurrent_entities", _whole(1)),
    "maxEntityOperationBatchSize": _Key("max_entity_operation_batch_size", _whole(1)),
    "maxOrchestrationActions": _Key("max_orchestration_actions", _whole(1)),
    "maxOrchestratorTurnTime": _Key("max_turn_time", _duration(0.0, 86400.0)),
    "instanceRetention": _Key("instance_retention", _duration(3600.0, 3650 * 86400.0)),
    "extendedSessionsEnabled": _Key("extended_sessions", _flag),
    "extendedSessionIdleTimeoutInSeconds": _Key("extended_session_idle_timeout", _scaled(_whole(0), 1.0)),
    "maxExtendedSessions": _Key("max_extended_sessions", _whole(0)),
    "overridableExistingInstanceStates": _Key(
        "overridable_existing_instance_states", _choice("NonRunningStates", "AnyState")
    ),
    # Order here rests on sequence numbers, not on a window of time.
    "entityMessageReorderWindowInMinutes": _Key(None, _whole(0)),
    "rollbackEntityOperationsOnExceptions": _Key("rollback_entity_operations_on_exceptions", _flag),
}

_HTTP: Mapping[str, _Key] = {
    "allowedAddresses": _Key("http_allowed_addresses", _addresses),
    "defaultAsyncRequestSleepTimeMilliseconds": _Key("http_poll_interval", _scaled(_whole(1), 0.001)),
    "forbiddenAddresses": _Key("http_forbidden_addresses", _addresses),
    "maxResponseSizeInBytes": _Key("http_max_response_size", _whole(1, 128 * 1024 * 1024)),
    "useForwardedHost": _Key("http_use_forwarded_host", _flag),
    "managementUrlLifetime": _Key("url_lifetime", _duration(60.0, 3650 * 86400.0)),
}

_STORAGE: Mapping[str, _Key] = {
    "type": _Key(None, _text),
    "connectionName": _Key("connection_name", _text),
    "connectionStringName": _Key("connection_name", _text),
    "instanceQueueCount": _Key("instance_queue_count", _whole(1, 16)),
    "controlQueueBatchSize": _Key("queue_batch_size", _whole(1, 32)),
    "controlQueueVisibilityTimeout": _Key("instance_visibility_timeout", _duration(1.0, _WEEK)),
    "workItemQueueVisibilityTimeout": _Key("activity_visibility_timeout", _duration(1.0, _WEEK)),
    "maxQueuePollingInterval": _Key("max_queue_polling_interval", _duration(0.1, 3600.0)),
    # There are no partitions to own: any worker takes any instance.
    "partitionCount": _Key(None, _whole(1, 16)),
}

_TRACING: Mapping[str, _Key] = {
    "distributedTracingEnabled": _Key("distributed_tracing", _flag),
    "traceInputsAndOutputs": _Key("trace_values", _flag),
    "traceReplayEvents": _Key("trace_replays", _flag),
    "version": _Key("tracing_version", _tracing_version),
    # Of the first version of distributed tracing, which the extension alone has.
    "distributedTracingProtocol": _Key(None, _choice("HttpCorrelationProtocol", "W3CTraceContext")),
}

_QUEUES: Mapping[str, _Key] = {
    "messageEncoding": _Key("queue_message_encoding", _choice("base64", "none")),
    "maxDequeueCount": _Key("max_dequeue_count", _whole(1)),
}
