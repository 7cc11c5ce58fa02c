"""What host.json's `extensions.http` says of how much the local host takes at a time, and for how long it waits.

Owns names, defaults and accepted values. The first three settings are those of the Functions host; the others are of
the local host alone, and the Functions host passes over them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from azure_durable_py.errors import SettingsError
from azure_durable_py.settings import look_up, parse_duration

T = TypeVar("T")
UNBOUNDED = -1
"""How the Functions host writes that there is no limit."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """How much the HTTP side takes. Times are in seconds.

    `max_outstanding_requests`: requests to functions that are waiting or running, None for any number; one more is
    answered 429. `max_concurrent_requests`: of these, how many run. `dynamic_throttles`: answer 429 also while the
    process is busy.

    `max_connections`: connections at a time, and `max_connections_per_address` of them from one address (None: half
    of them). `headers_timeout`: for the first request of a connection to arrive, up to the end of its headers.
    `keep_alive_timeout`: how long a connection is kept between two requests.
    """

    max_outstanding_requests: int | None = None
    max_concurrent_requests: int | None = None
    dynamic_throttles: bool = False
    max_connections: int = 1000
    max_connections_per_address: int | None = None
    headers_timeout: float = 30.0
    keep_alive_timeout: float = 75.0

    @classmethod
    def from_host_json(cls, host_json: Mapping[str, Any]) -> HttpLimits:
        """What host.json says; what it does not say has its default.

        :raises SettingsError: a value cannot be used.
        """
        default = cls()

        def take(name: str, read: Callable[[str, Any], T], otherwise: T) -> T:
            value = look_up(host_json, "extensions", "http", name)
            return otherwise if value is None else read(f"host.json: extensions.http.{name}", value)

        return cls(
            take("maxOutstandingRequests", _bound, default.max_outstanding_requests),
            take("maxConcurrentRequests", _bound, default.max_concurrent_requests),
            take("dynamicThrottlesEnabled", _flag, default.dynamic_throttles),
            take("maxConnections", _count, default.max_connections),
            take("maxConnectionsPerAddress", _count, default.max_connections_per_address),
            take("headersTimeout", _duration, default.headers_timeout),
            take("keepAliveTimeout", _duration, default.keep_alive_timeout),
        )


def _bound(path: str, value: Any) -> int | None:
    number = _whole(value)
    if number is None or not (number == UNBOUNDED or 1 <= number < 2**31):
        raise SettingsError(f"{path} is {value!r}; accepted is a whole number of at least 1, or -1 for no limit.")
    return None if number == UNBOUNDED else number


def _count(path: str, value: Any) -> int:
    number = _whole(value)
    if number is None or not 1 <= number <= 1_000_000:
        raise SettingsError(f"{path} is {value!r}; accepted is a whole number from 1 to 1000000.")
    return number


def _whole(value: Any) -> int | None:
    # Values from app settings are texts.
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,10}\s*", value, re.ASCII):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _flag(path: str, value: Any) -> bool:
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    if not isinstance(value, bool):
        raise SettingsError(f"{path} is {value!r}; accepted is true or false.")
    return value


def _duration(path: str, value: Any) -> float:
    seconds = parse_duration(value) if isinstance(value, str) else None
    if seconds is None or not 0.1 <= seconds <= 86400:
        raise SettingsError(f'{path} is {value!r}; accepted is a duration "HH:MM:SS" from 0.1 to 86400 seconds.')
    return seconds
