"""Checks what users give to the client before anything reaches storage."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any

from azure_durable_py.errors import InvalidRequestError, PayloadTooLargeError
from azure_durable_py.registry import MAX_NAME_CHARS, Registry
from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.taskhub.hub import encode_tags
from azure_durable_py.taskhub.payloads import is_large


def orchestrator_name(given: str | Callable[..., Any], registry: Registry | None) -> str:
    """The name of an orchestrator given by name or as the decorated function.

    :raises InvalidRequestError: it is neither.
    :raises FunctionNotFoundError: the app has orchestrators, and this is none of them.
    """
    name = given if isinstance(given, str) else getattr(given, "durable_name", None)
    if not isinstance(name, str) or getattr(given, "durable_kind", "orchestrator") != "orchestrator":
        raise InvalidRequestError(
            f"{given!r} is not an orchestrator. Give its name, or the function with the "
            "orchestration_trigger decorator."
        )
    check_name("an orchestrator", name)
    # An app without orchestrators is a mere client of another app's.
    if registry is not None and len(registry.orchestrators) > 0:
        return registry.orchestrators.get(name).name
    return name


def check_name(what: str, name: str) -> str:
    """Return a name that storage can keep, else raise.

    :raises InvalidRequestError: it is empty or too long.
    """
    if not 0 < len(name) <= MAX_NAME_CHARS:
        raise InvalidRequestError(f"The name of {what} has 1 to {MAX_NAME_CHARS} characters, not {len(name)}.")
    return name


def check_version(version: str | None) -> str | None:
    """Return a version that storage can keep, else raise.

    :raises InvalidRequestError: it is too long.
    """
    if version is not None and len(version) > MAX_NAME_CHARS:
        raise InvalidRequestError(f"A version has at most {MAX_NAME_CHARS} characters, not {len(version)}.")
    return version


def check_reason(reason: str) -> str | None:
    """Return a reason that fits its event (an empty one becomes None), else raise.

    :raises PayloadTooLargeError: it is too long.
    """
    if is_large(reason):
        raise PayloadTooLargeError(f"A reason of {len(reason)} characters is too long; keep it to a few sentences.")
    return reason or None


def check_tags(tags: Mapping[str, str] | None) -> dict[str, str] | None:
    """Return tags as they are stored (none become None), else raise.

    :raises InvalidRequestError: a name or value is not a string.
    :raises PayloadTooLargeError: they take more than 16 KiB together.
    """
    plain: dict[Any, Any] = dict(tags or {})
    for name, value in plain.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise InvalidRequestError(f"Tag {name!r} is {value!r}; the names and values of tags are strings.")
    if is_large(encode_tags(plain) or ""):
        raise PayloadTooLargeError("The tags take more than 16 KiB; put what is large into the input.")
    return plain or None


def seconds(timeout: timedelta | float | None) -> float | None:
    """A timeout in seconds; None stays None."""
    return timeout.total_seconds() if isinstance(timeout, timedelta) else timeout


def status_names(given: Collection[OrchestrationRuntimeStatus | str] | None) -> tuple[str, ...]:
    """The names of statuses given as members or (regardless of case) as names.

    :raises InvalidRequestError: one is not a status.
    """
    known = {status.value.lower(): status.value for status in OrchestrationRuntimeStatus}
    names: list[str] = []
    for item in given or ():
        text = item.value if isinstance(item, OrchestrationRuntimeStatus) else item
        name = known.get(text.strip().lower())
        if name is None:
            raise InvalidRequestError(f"{text!r} is not a runtime status. Accepted: {', '.join(known.values())}.")
        names.append(name)
    return tuple(names)
