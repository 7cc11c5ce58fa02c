"""How a recorded failure becomes the exception that orchestrator code catches.

A `TaskFailedError` carries the record as `.details`. Its `__cause__` is an exception of the
original type where that is possible without importing or running anything of it: the class
is a builtin one, or a module that is already imported defines it, and it has no constructor
of its own; or it is an `ActivityError`.
"""

from __future__ import annotations

import builtins
import sys
from typing import Any

from azure_durable_py.errors import ActivityError, TaskFailedError
from azure_durable_py.failures import FailureDetails


def task_failed(subject: str, details: FailureDetails) -> TaskFailedError:
    """The error to raise for the failure of `subject` (such as "activity 'Hello'")."""
    error = TaskFailedError(f"{subject} failed: {details.error_type}: {details.message}", details)
    error.__cause__ = _rebuild(details)
    return error


def _rebuild(details: FailureDetails) -> Exception | None:
    cls = _exception_class(details.error_type)
    if cls is None:
        return None
    try:
        if issubclass(cls, ActivityError):
            return cls(details.message, retryable=details.retryable, retry_after=details.retry_after)
        return cls(details.message)
    except Exception:  # noqa: BLE001 - a constructor may want other arguments and raise anything
        return None


def _exception_class(qualified: str) -> type[Exception] | None:
    module_name, _, name = qualified.rpartition(".")
    module = builtins if not module_name else sys.modules.get(module_name)
    found: Any = vars(module).get(name) if module is not None else None
    if not isinstance(found, type) or not issubclass(found, Exception):
        return None
    constructors = [cls for cls in found.__mro__ if "__init__" in vars(cls) or "__new__" in vars(cls)]
    own = constructors[0]
    return found if own.__module__ == "builtins" or own is ActivityError else None
