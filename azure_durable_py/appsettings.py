"""Reads what surrounds a function app: host.json, local.settings.json, the environment.

Owns who wins. What the values mean is the business of `settings`. It never loads the app's code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from azure_durable_py.errors import SettingsError
from azure_durable_py.json_files import kind_of, read_object
from azure_durable_py.settings import Settings, key_of, look_up

HOST_JSON = "host.json"
LOCAL_SETTINGS = "local.settings.json"
_OVERRIDE = "azurefunctionsjobhost"


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """What local.settings.json says: app settings (`values`), and how to run the local host."""

    values: Mapping[str, str] = field(default_factory=lambda: {})
    port: int | None = None
    cors: tuple[str, ...] = ()
    cors_credentials: bool = False


def read_app(app_dir: Path, environ: Mapping[str, str]) -> tuple[Settings, dict[str, str]]:
    """What host.json in a directory says, and all app settings: everything but the code of the app there.

    :raises SettingsError: one of the files cannot be read, or has a setting that cannot be used.
    """
    values = app_settings(read_local_settings(app_dir), environ)
    return Settings.from_host_json(read_host_json(app_dir, values), values), values


def read_host_json(app_dir: Path, app_settings: Mapping[str, str]) -> dict[str, Any]:
    """The content of host.json, overridden by app settings `AzureFunctionsJobHost__section__key`.

    A missing file counts as an empty one.

    :raises SettingsError: it is not a JSON object; the message names file, line and column.
    """
    host_json = read_object(app_dir / HOST_JSON)
    for name, value in app_settings.items():
        parts = re.split(r"__|:", name)
        if parts[0].lower() == _OVERRIDE and len(parts) > 1 and all(parts):
            _override(host_json, parts[1:], value)
    return host_json


def route_prefix(host_json: Mapping[str, Any]) -> str:
    """What stands before every HTTP route, without slashes at its ends; may be empty.

    :raises SettingsError: host.json says something else than a plain path.
    """
    prefix = look_up(host_json, "extensions", "http", "routePrefix")
    if prefix is None:
        return "api"
    if not isinstance(prefix, str) or "{" in prefix:
        raise SettingsError(
            f"host.json: extensions.http.routePrefix is {prefix!r}; accepted is a plain path such as 'api'."
        )
    return prefix.strip("/")


def read_local_settings(app_dir: Path) -> LocalSettings:
    """The content of local.settings.json; a missing file gives no settings.

    Entries of `ConnectionStrings` become app settings `ConnectionStrings__NAME`.

    :raises SettingsError: it is not what Core Tools accepts, or it is encrypted.
    """
    path = app_dir / LOCAL_SETTINGS
    content = read_object(path)
    if content.get("IsEncrypted") is True:
        raise SettingsError(f"{path} is encrypted. Run `func settings decrypt` in {app_dir}, then start again.")
    values = {name: _setting(path, f"Values.{name}", value) for name, value in _object(path, content, "Values").items()}
    for name, value in _object(path, content, "ConnectionStrings").items():
        text = cast("dict[str, Any]", value).get("ConnectionString") if isinstance(value, dict) else value
        values[f"ConnectionStrings__{name}"] = _setting(path, f"ConnectionStrings.{name}", text)
    host = _object(path, content, "Host")
    return LocalSettings(values, _port(path, host), _cors(path, host), host.get("CORSCredentials") is True)


def app_settings(local: LocalSettings, environ: Mapping[str, str]) -> dict[str, str]:
    """All app settings: a non-empty variable of the environment wins over local.settings.json, as in Core Tools."""
    return {**local.values, **{name: value for name, value in environ.items() if value or name not in local.values}}


def _override(target: dict[str, Any], parts: list[str], value: str) -> None:
    for part in parts[:-1]:
        key = key_of(target, part)
        child = target.get(key)
        if not isinstance(child, dict):
            child = target[key] = {}
        target = cast("dict[str, Any]", child)
    target[key_of(target, parts[-1])] = value


def _object(path: Path, content: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = content.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise SettingsError(f"{path}: {name} must be an object of names and values, not {kind_of(value)}.")
    return cast("dict[str, Any]", value)


def _setting(path: Path, name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, (str, int, float)):
        raise SettingsError(f"{path}: {name} must be a string, not {kind_of(value)}; app settings are flat.")
    return str(value)


def _port(path: Path, host: Mapping[str, Any]) -> int | None:
    port = host.get("LocalHttpPort")
    if port is None:
        return None
    if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
        raise SettingsError(f"{path}: Host.LocalHttpPort is {port!r}; accepted is a port number from 1 to 65535.")
    return port


def _cors(path: Path, host: Mapping[str, Any]) -> tuple[str, ...]:
    cors = host.get("CORS", "")
    if not isinstance(cors, str):
        raise SettingsError(f"{path}: Host.CORS is {cors!r}; accepted is '*' or origins separated by commas.")
    return tuple(origin.strip().rstrip("/") for origin in cors.split(",") if origin.strip())
