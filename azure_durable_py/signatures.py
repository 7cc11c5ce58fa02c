"""Reads the parameters and annotations of user functions, whatever Python's version evaluates when.

Owns the few calls into `inspect` and `typing` that differ between versions or fail on
annotations that cannot be resolved.
"""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable
from typing import Any


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """The signature of a function; annotations that name what is not there (yet) do not matter."""
    if sys.version_info >= (3, 14):
        import annotationlib

        return inspect.signature(function, annotation_format=annotationlib.Format.FORWARDREF)
    return inspect.signature(function)


def says_what_it_returns(function: Callable[..., Any]) -> bool:
    """Whether a function has an annotation of what it returns, resolvable or not."""
    try:
        return signature_of(function).return_annotation is not inspect.Signature.empty
    except (TypeError, ValueError):
        return False


def resolve_annotation(function: Callable[..., Any], annotation: Any) -> Any:
    """The type that an annotation of `function` stands for; None if there is none or it cannot be resolved."""
    if annotation is inspect.Signature.empty:
        return None

    def holder() -> None: ...

    holder.__annotations__ = {"value": annotation}
    scope = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        return typing.get_type_hints(holder, globalns=scope, include_extras=True)["value"]
    except Exception:  # noqa: BLE001 - evaluating an annotation runs user code: it may raise anything
        return None
