"""What host.json says about a Functions host: its limits, and settings that hurt a durable app.

Owns the host's defaults, which are facts about it. The settings of the task hub are `settings`' business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from azure_durable_py.settings import look_up, parse_duration
from azure_durable_py.worker.intake.invocations import HostLimits

_BATCH_SIZE = 16
_POLLING_INTERVAL = 60.0
_MAX_POLLING_INTERVAL = 5.0
_MAX_DEQUEUE_COUNT = 5
_TIMEOUT = 300.0
_NO_TIMEOUT = 3600.0


def host_limits(host_json: Mapping[str, Any], app_settings: Mapping[str, str]) -> HostLimits:
    """The limits of the host for one of its worker processes."""
    batch = _whole(look_up(host_json, "extensions", "queues", "batchSize"), _BATCH_SIZE)
    threshold = _whole(look_up(host_json, "extensions", "queues", "newBatchThreshold"), batch // 2)
    processes = max(1, _whole(app_settings.get("FUNCTIONS_WORKER_PROCESS_COUNT"), 1))
    timeout = function_timeout(host_json)
    return HostLimits(
        held_at_most=max(1, (batch + threshold) // processes // 2),
        give_up_after=min(120.0, timeout / 2),
        local_bound=min(60.0, timeout / 4),
    )


def function_timeout(host_json: Mapping[str, Any]) -> float:
    """Seconds that the host gives an invocation; where host.json does not say, the shortest default of all plans."""
    text = look_up(host_json, "functionTimeout")
    if isinstance(text, str) and text.strip().startswith("-1"):
        return _NO_TIMEOUT
    return (parse_duration(text) if isinstance(text, str) else None) or _TIMEOUT


def advice(host_json: Mapping[str, Any], ours: Sequence[str]) -> Iterator[str]:
    """What in host.json will hurt, for people, with the mend.

    :param ours: the names of the functions that the package adds.
    """
    missing = _left_out(host_json, ours)
    if missing:
        yield (
            f"host.json: `functions` lists what the host loads, and lacks {', '.join(missing)}: orchestrations "
            f"will not run here. Add {'it' if len(missing) == 1 else 'them'}, or remove `functions`."
        )
    queues = "host.json: extensions.queues."
    interval = look_up(host_json, "extensions", "queues", "maxPollingInterval")
    seconds = (parse_duration(interval) if isinstance(interval, str) else None) or _POLLING_INTERVAL
    if seconds > _MAX_POLLING_INTERVAL:
        yield (
            f"{queues}maxPollingInterval is {seconds:g} s{'' if interval else ' (the default)'}: an idle app notices "
            'new work only after that time. Set it to "00:00:02".'
        )
    if look_up(host_json, "concurrency", "dynamicConcurrencyEnabled") is not True:
        batch = _whole(look_up(host_json, "extensions", "queues", "batchSize"), _BATCH_SIZE)
        if batch < 4:
            yield f"{queues}batchSize is {batch}: so few orchestrations and activities run at once. Set it to 16."
    dequeues = _whole(look_up(host_json, "extensions", "queues", "maxDequeueCount"), _MAX_DEQUEUE_COUNT)
    if dequeues < 3:
        yield (
            f"{queues}maxDequeueCount is {dequeues}: a process that stops once or twice in the middle of its work "
            "counts as a broken message. Set it to 5."
        )


def _left_out(host_json: Mapping[str, Any], ours: Sequence[str]) -> list[str]:
    listed = look_up(host_json, "functions")
    if not isinstance(listed, list):
        return []
    names = {str(name).lower() for name in cast("list[Any]", listed)}
    return [name for name in ours if name.lower() not in names]


def _whole(value: Any, default: int) -> int:
    if isinstance(value, str) and re.fullmatch(r"\s*\d{1,9}\s*", value, re.ASCII):
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else default
