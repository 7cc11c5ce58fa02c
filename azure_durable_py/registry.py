"""What a function app declares: orchestrators, activities and entities by name.

Owns lookup and the rules for names. It knows nothing of triggers, bindings or storage.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from azure_durable_py.errors import FunctionNotFoundError, RegistrationError
from azure_durable_py.serialization.annotations import demanded
from azure_durable_py.serialization.decode import return_type
from azure_durable_py.signatures import says_what_it_returns


@dataclass(frozen=True, slots=True)
class OrchestratorDefinition:
    """An orchestrator: `function(context)` is a plain function, a generator or a coroutine function."""

    name: str
    function: Callable[[Any], Any]
    input_type: Any = None


@dataclass(frozen=True, slots=True)
class ActivityDefinition:
    """An activity: `function(**{input_name: input})`, sync or async. `input_type` is its annotation, if any.

    `waits`: it is sync, and gets a client whose calls wait. `cancellable`: it is async, and a run of it is cancelled
    when nobody wants its result any more.
    """

    name: str
    function: Callable[..., Any]
    input_name: str
    input_type: Any = None
    waits: bool = False
    cancellable: bool = False

    @property
    def is_async(self) -> bool:
        """Whether the function is a coroutine function (runs on the event loop)."""
        return inspect.iscoroutinefunction(self.function)


@dataclass(frozen=True, slots=True)
class EntityDefinition:
    """An entity: `function(context)`, sync or async, or a class whose methods are operations. Lower-case name.

    `around` gets the context of an operation and the call that performs it, and returns the call to make instead.
    """

    name: str
    function: Callable[..., Any]
    around: Callable[[Any, Callable[[], Any]], Callable[[], Any]] | None = None


BUILT_IN = "BuiltIn::"
"""The names of the engine's own functions begin with this; those of an app cannot."""
MAX_NAME_CHARS = 512
"""Characters of a name or version that every store can keep."""

_Definition = TypeVar("_Definition", OrchestratorDefinition, ActivityDefinition, EntityDefinition)


class Definitions(Generic[_Definition]):
    """The definitions of one kind. Names are looked up regardless of case, as Azure Functions does."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._by_name: dict[str, _Definition] = {}
        self._built_in: dict[str, _Definition] = {}
        self._under: Definitions[_Definition] | None = None
        """What is asked for names that are not here."""

    def with_built_in(self, definition: _Definition) -> Definitions[_Definition]:
        """The same definitions and one of the engine's own, which is in no listing."""
        made: Definitions[_Definition] = Definitions(self._kind)
        made._by_name = self._by_name
        made._built_in, made._under = dict(self._built_in), self._under
        made.add_built_in(definition)
        return made

    def overlaid(self) -> Definitions[_Definition]:
        """The same definitions, for some of which others may be put without a change to these."""
        made: Definitions[_Definition] = Definitions(self._kind)
        made._under, made._built_in = self, dict(self._built_in)
        return made

    def put(self, definition: _Definition) -> None:
        """Have a definition found under its name, whatever was found there before."""
        self._by_name[definition.name.lower()] = definition

    def add(self, definition: _Definition) -> None:
        """Register a definition of the app.

        :raises RegistrationError: the name is empty, already taken, or kept for the engine.
        """
        if not definition.name:
            raise RegistrationError(f"An {self._kind} needs a name.")
        if is_built_in(definition.name):
            raise RegistrationError(
                f"{place_of(definition.function)} is registered as {self._kind} {definition.name!r}, but names that "
                f"begin with {BUILT_IN!r} are kept for functions of the engine. Rename it."
            )
        taken = self._of_app().get(definition.name.lower())
        if taken is not None:
            raise RegistrationError(
                f"Two functions are registered as {self._kind} {definition.name!r}: "
                f"{place_of(taken.function)} and {place_of(definition.function)}. Rename one of them."
            )
        self._by_name[definition.name.lower()] = definition

    def add_built_in(self, definition: _Definition) -> None:
        """Register a function of the engine. It is found by its name, and is none of the app's."""
        self._built_in[definition.name.lower()] = definition

    def built_in(self) -> list[_Definition]:
        """The functions of the engine."""
        return list(self._built_in.values())

    def get(self, name: str) -> _Definition:
        """Look a definition up.

        :raises FunctionNotFoundError: not registered; the message lists near names.
        """
        found = self.find(name)
        if found is None:
            raise FunctionNotFoundError(self._unknown(name))
        return found

    def find(self, name: str) -> _Definition | None:
        """Look a definition up that may not be there."""
        key = name.lower()
        found = self._by_name.get(key) or self._built_in.get(key)
        return self._under.find(name) if found is None and self._under is not None else found

    def declared(self, name: str) -> _Definition | None:
        """The definition of the app itself, where another was put in its place."""
        return self.find(name) if self._under is None else self._under.declared(name)

    def __contains__(self, name: str) -> bool:
        return self.find(name) is not None

    def __len__(self) -> int:
        return len(self._of_app())

    def names(self) -> list[str]:
        """The names that the app registered, sorted."""
        return sorted(definition.name for definition in self._of_app().values())

    def _of_app(self) -> dict[str, _Definition]:
        return self._by_name if self._under is None else {**self._under._of_app(), **self._by_name}

    def _unknown(self, name: str) -> str:
        known = self._of_app()
        near = difflib.get_close_matches(name.lower(), known, n=1)
        hint = f" Did you mean {known[near[0]].name!r}?" if near else ""
        names = ", ".join(self.names()[:20]) or "none"
        return f"No {self._kind} named {name!r} is registered in this app.{hint} Registered: {names}."


class Registry:
    """Everything durable that one function app declares.

    :param strict_types: annotations of plain JSON types are checked, too.
    """

    def __init__(self, *, strict_types: bool = False) -> None:
        self.strict_types = strict_types
        self.orchestrators: Definitions[OrchestratorDefinition] = Definitions("orchestrator")
        self.activities: Definitions[ActivityDefinition] = Definitions("activity")
        self.entities: Definitions[EntityDefinition] = Definitions("entity")
        self._results: dict[Callable[..., Any], Any] = {}

    def overlaid(self) -> Registry:
        """The same app, for some of whose functions others may be put without a change to this registry."""
        made = Registry(strict_types=self.strict_types)
        made.orchestrators, made.activities = self.orchestrators.overlaid(), self.activities.overlaid()
        made.entities = self.entities.overlaid()
        return made

    def expected(self, annotation: Any) -> Any:
        """What values are built as where code has this annotation, and nobody has asked for a type."""
        return annotation if self.strict_types else demanded(annotation)

    def expected_result(self, function: Callable[..., Any]) -> Any:
        """What values are built as that a function returned, where nobody has asked for a type."""
        # Every call of it asks, also in a replay, and to read an annotation takes longer than all else of a call.
        if function not in self._results:
            annotation = return_type(function)
            if annotation is None and says_what_it_returns(function):
                return None  # It may name what is not there yet.
            self._results[function] = self.expected(annotation)
        return self._results[function]

    def kinds(self) -> Mapping[str, list[str]]:
        """The registered names by kind, for listings."""
        return {
            "orchestrationTrigger": self.orchestrators.names(),
            "activityTrigger": self.activities.names(),
            "entityTrigger": self.entities.names(),
        }


def is_built_in(name: str) -> bool:
    """Whether a name is one that only functions of the engine have."""
    return name.lower().startswith(BUILT_IN.lower())


def place_of(function: Callable[..., Any]) -> str:
    """Name, file and line of a function, for messages."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    name = getattr(function, "__qualname__", repr(function))
    return f"{name} ({code.co_filename}:{code.co_firstlineno})" if code is not None else name
