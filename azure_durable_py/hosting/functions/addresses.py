"""Under which address a Functions host serves the management API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azure_durable_py.appsettings import route_prefix

MOUNT = "durabletask"
"""Where the management API is, below the route prefix: the host keeps `admin` and `runtime` for itself."""


def management_path(host_json: Mapping[str, Any]) -> str:
    """The path of the management API.

    :raises SettingsError: the route prefix cannot be used.
    """
    return "/" + "/".join(part for part in (route_prefix(host_json), MOUNT) if part)


def host_origin(app_settings: Mapping[str, str]) -> str | None:
    """`scheme://host[:port]` under which the host is reached; None: nobody says."""
    host = app_settings.get("WEBSITE_HOSTNAME")
    if not host:
        return None
    local = host.partition(":")[0] in ("localhost", "127.0.0.1", "0.0.0.0")  # noqa: S104 - compared, not bound
    return f"{'http' if local else 'https'}://{host}"
