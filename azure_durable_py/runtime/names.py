"""The names of durable functions that orchestrator code refers to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, ParamSpec, Protocol, TypeAlias, TypeVar

from azure_durable_py.errors import OrchestratorError

Kind: TypeAlias = Literal["activity", "orchestrator", "entity"]

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class FunctionReference(Protocol[P, R_co]):
    """What a durable decorator returns: the user's function, under its durable name."""

    @property
    def durable_name(self) -> str:
        """The name under which the app registers the function."""
        ...

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run the user's function."""
        ...


def durable_name(ref: str | Callable[..., Any], kind: Kind) -> str:
    """The name of a durable function given by name or by what its decorator returned.

    :raises OrchestratorError: not a durable function, or one of another kind.
    """
    if isinstance(ref, str):
        if ref:
            return ref
        raise OrchestratorError(f"The name of the {kind} to call is empty.")
    name = getattr(ref, "durable_name", None)
    if not isinstance(name, str):
        raise OrchestratorError(
            f"{ref!r} is not a durable function. Give the name of the {kind} as a string, "
            f"or the function that carries the {_DECORATORS[kind]} decorator."
        )
    found = getattr(ref, "durable_kind", kind)
    if found != kind:
        raise OrchestratorError(f"{name!r} is registered as {found}, but it is called as {kind}.{_mend(found)}")
    return name


_DECORATORS: dict[str, str] = {
    "activity": "activity_trigger",
    "orchestrator": "orchestration_trigger",
    "entity": "entity_trigger",
}
_CALLS = {
    "activity": "call_activity",
    "orchestrator": "call_sub_orchestrator",
    "entity": "call_entity",
}


def _mend(found: object) -> str:
    call = _CALLS.get(str(found))
    return f" Use context.{call}(...)." if call else ""
