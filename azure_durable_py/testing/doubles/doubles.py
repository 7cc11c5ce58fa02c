"""`Doubles`: stand-ins for the activities, orchestrators and entities of an app that is tested.

Owns which functions have a double, and puts them into the app: over its registry it lays another, in which a function
with a double is one that asks it. Nothing else is touched, so an app without doubles runs as it is. What is around
entities is there from the beginning, since they stay in memory between their operations.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal, NamedTuple, NoReturn

from azure_durable_py.errors import FunctionNotFoundError
from azure_durable_py.observer import ActivityRun, Observation, Observer, OperationRun, TurnTaken
from azure_durable_py.registry import (
    ActivityDefinition,
    Definitions,
    EntityDefinition,
    OrchestratorDefinition,
    Registry,
    is_built_in,
)
from azure_durable_py.runtime.entities.classes import EntityClass
from azure_durable_py.runtime.names import Kind
from azure_durable_py.serialization.annotations import optional
from azure_durable_py.serialization.converter import JsonDataConverter
from azure_durable_py.testing.doubles.behaviours import Executions
from azure_durable_py.testing.doubles.doubling import Attempts, Orchestrations, Run, around_operations, doubled_activity
from azure_durable_py.testing.doubles.giving_doubles import FindsDoubles, GivesDoubles
from azure_durable_py.testing.doubles.noted import Notes, Read
from azure_durable_py.testing.doubles.stand_ins import ActivityDouble, EntityDouble, OrchestratorDouble

_Declared = Definitions[ActivityDefinition] | Definitions[OrchestratorDefinition] | Definitions[EntityDefinition]


class _App(NamedTuple):
    """An app as it is, and as it is run."""

    own: Registry
    run: Registry


class Doubles(GivesDoubles):
    """The doubles of one run. `observer` must observe the hub of the run.

    :param now: the time of the run.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.wrong: Callable[[Exception], object] = lambda _: None
        """Told what the test's own code raises where the engine runs it."""
        self._apps: list[_App] = []
        self._activities: dict[str, ActivityDouble[Any, Any]] = {}
        self._orchestrators: dict[str, OrchestratorDouble[Any, Any]] = {}
        self._entities: dict[tuple[str, str | None], EntityDouble] = {}
        attempts = Attempts()
        self._orchestrations = Orchestrations(attempts)
        self._ears = _Ears(attempts, self._orchestrations, now)
        self.observer: Observer = self._ears

    def observed(self, registry: Registry) -> Registry:
        """The same app with the doubles that there are, and those that are still to come."""
        app = _App(registry, registry.overlaid())
        self._apps.append(app)
        for name in registry.entities.names():
            self._put_entity(app, name)
        for name in {name for name, _ in self._entities}:
            self._put_entity(app, name)
        for activity in self._activities.values():
            self._put_activity(app, activity)
        for orchestrator in self._orchestrators.values():
            self._put_orchestrator(app, orchestrator)
        return app.run

    @property
    def in_vain(self) -> list[str]:
        """Which were told what to do, and never had to, for people."""
        every = (
            *(("activity", double) for double in self._activities.values()),
            *(("orchestrator", double) for double in self._orchestrators.values()),
            *((f"entity {double.name!r}, operation", double) for double in self._entities.values()),
        )
        return [f"{kind} {told}" for kind, double in every for told in double.in_vain]

    # --- what tests ask for --------------------------------------------------------------------------

    @property
    def _finder(self) -> FindsDoubles:
        return self

    def find_double(
        self, kind: Literal["activity", "orchestrator"], given: str | Callable[..., Any], *, create: bool
    ) -> Any:
        """The double of an activity or orchestrator."""
        return (self._activity if kind == "activity" else self._orchestrator)(given, create=create)

    def _activity(self, given: str | Callable[..., Any], *, create: bool) -> ActivityDouble[Any, Any]:
        name = self._name(given, "activity", self._activities, create=create)
        if name.lower() not in self._activities:
            double = self._activities[name.lower()] = ActivityDouble(name, self._executions())
            self._tell_activities(double)
            for app in self._apps:
                self._put_activity(app, double)
        return self._activities[name.lower()]

    def _orchestrator(self, given: str | Callable[..., Any], *, create: bool) -> OrchestratorDouble[Any, Any]:
        name = self._name(given, "orchestrator", self._orchestrators, create=create)
        if name.lower() not in self._orchestrators:
            double = self._orchestrators[name.lower()] = OrchestratorDouble(name, self._executions())
            self._tell_orchestrations(double)
            for app in self._apps:
                self._put_orchestrator(app, double)
        return self._orchestrators[name.lower()]

    def entity(self, entity: str | Callable[..., Any], key: str | None = None, *, create: bool = False) -> EntityDouble:
        """The double of an entity, or of all entities of a name. One with a key is asked first.

        :param entity: its name, or the decorated function or class.
        :param key: the key of the entity; None: all of them.
        :param create: for one that the app is still to get. Without a behaviour it is not found.
        :raises FunctionNotFoundError: the app has no such entity.
        :raises ValueError: it is to be created, and the app has it.
        """
        known = {name for name, _ in self._entities}
        name = self._name(entity, "entity", known, create=create).lower()
        if (name, key) not in self._entities:
            double = self._entities[name, key] = EntityDouble(name, key, self._class_of(name), self._executions())
            self._tell_operations(double)
        if name not in known:
            for app in self._apps:
                self._put_entity(app, name)
        return self._entities[name, key]

    def _executions(self) -> Executions:
        return Executions(self._tell_wrong)

    def _tell_wrong(self, error: Exception) -> None:
        self.wrong(error)

    def _name(self, given: str | Callable[..., Any], kind: Kind, known: Collection[str], *, create: bool) -> str:
        """The name of a function that may have a double; `known` are those that have one."""
        name = given if isinstance(given, str) else getattr(given, "durable_name", None)
        if not isinstance(name, str) or getattr(given, "durable_kind", kind) != kind:
            other = getattr(given, "durable_kind", kind)
            if isinstance(name, str) and other != kind:
                raise TypeError(f"{name!r} is no {kind} but an {other}: ask for it with {other}(...).")
            raise TypeError(f"{given!r} is no {kind}: give the name of one, or the function with its decorator.")
        if is_built_in(name):
            raise ValueError(f"{name!r} is a function of the engine: there are no doubles for these.")
        found = next((each for each in self._declared(kind) if name in each), None)
        if found is not None and create and name.lower() not in known:
            raise ValueError(f"The app has {kind} {name!r} by now: leave out create=True.")
        if found is not None:
            return found.get(name).name
        if not create and name.lower() not in known:
            self._refuse(name, kind)
        return name

    def _refuse(self, name: str, kind: Kind) -> NoReturn:
        for other in ("activity", "orchestrator", "entity"):
            if any(name in each for each in self._declared(other)):
                raise FunctionNotFoundError(f"{name!r} is no {kind} but an {other}: ask for it with {other}({name!r}).")
        for definitions in self._declared(kind):
            try:
                definitions.get(name)
            except FunctionNotFoundError as error:
                raise FunctionNotFoundError(f"{error} If it is still to be written, say so: create=True.") from None
        raise FunctionNotFoundError(f"There is no app yet that could have {kind} {name!r}.")

    def _declared(self, kind: Kind) -> list[_Declared]:
        """What the apps declare of a kind, without doubles."""
        every = [app.own for app in self._apps]
        match kind:
            case "activity":
                return [app.activities for app in every]
            case "orchestrator":
                return [app.orchestrators for app in every]
            case "entity":
                return [app.entities for app in every]

    # --- what ran before they did ---------------------------------------------------------------------

    def _tell_activities(self, double: ActivityDouble[Any, Any]) -> None:
        own = self._home("activity", double.name)
        if own is not None:
            read = _reading(own, own.activities.get(double.name).input_type)
            for noted in self._ears.activities.of(double.name):
                noted.tell(double.executions, read)

    def _tell_orchestrations(self, double: OrchestratorDouble[Any, Any]) -> None:
        own = self._home("orchestrator", double.name)
        if own is not None:
            typed, plain = _reading(own, own.orchestrators.get(double.name).input_type), _reading(own, Any)
            for noted in self._orchestrations.notes.of(double.name):
                noted.tell(double.executions, typed, plain)

    def _tell_operations(self, double: EntityDouble) -> None:
        own, cls = self._home("entity", double.name), self._class_of(double.name)
        if own is not None:
            for noted in self._ears.operations.of(double.name):
                if double.key is None or noted.instance_id == f"@{double.name}@{double.key}":
                    method = None if cls is None else cls.method(noted.name)
                    wanted = None if method is None else optional(own.expected(method.input_type))
                    noted.tell(double.executions, _reading(own, wanted))

    def _home(self, kind: Kind, name: str) -> Registry | None:
        """The app that has a function; None: it is still to be written, so that it did not run."""
        have = (app.own for app, declared in zip(self._apps, self._declared(kind), strict=True) if name in declared)
        return next(have, None)

    # --- what the apps become ------------------------------------------------------------------------

    def _put_activity(self, app: _App, double: ActivityDouble[Any, Any]) -> None:
        declared, name = app.own.activities, double.name
        missing = ActivityDefinition(name, _missing(declared, name), "input")
        definition = declared.get(name) if name in declared else missing
        app.run.activities.put(doubled_activity(definition, double))

    def _put_orchestrator(self, app: _App, double: OrchestratorDouble[Any, Any]) -> None:
        declared, name = app.own.orchestrators, double.name
        missing = OrchestratorDefinition(name, _missing(declared, name))
        definition = declared.get(name) if name in declared else missing
        app.run.orchestrators.put(self._orchestrations.doubled(definition, double))

    def _put_entity(self, app: _App, name: str) -> None:
        declared = app.own.entities
        missing = EntityDefinition(name, _missing(declared, name))
        definition = declared.get(name) if name in declared else missing

        def doubles(key: str) -> list[EntityDouble]:
            found = (self._entities.get((name.lower(), wanted)) for wanted in (key, None))
            return [double for double in found if double is not None]

        app.run.entities.put(replace(definition, around=around_operations(definition, doubles, app.own.expected)))

    def _class_of(self, name: str) -> EntityClass | None:
        """The class that tells the operations of an entity, if it is one."""
        for declared in (app.own.entities for app in self._apps):
            if name in declared and isinstance(function := declared.get(name).function, type):
                return EntityClass.of(function)
        return None


def _missing(declared: _Declared, name: str) -> Callable[..., Any]:
    """What runs where there is only a double, and nothing is left for it to do: it is not found."""

    def find(*_: Any, **__: Any) -> None:
        declared.get(name)

    return find


def _reading(own: Registry, wanted: Any) -> Read:
    """Reads JSON text as a value of a type."""
    converter = JsonDataConverter(strict_types=own.strict_types)
    return lambda text: converter.deserialize(text, wanted)


class _Ears(Observer):
    """Hears for the doubles what runs, and what came of it."""

    def __init__(self, attempts: Attempts, orchestrations: Orchestrations, now: Callable[[], datetime]) -> None:
        self.activities = Notes()
        self.operations = Notes()
        self._attempts = attempts
        self._orchestrations = orchestrations
        self._now = now

    def turn(self, taken: TurnTaken) -> None:
        """Take up which attempts were begun, and what an orchestration came to."""
        self._attempts.take(taken)
        self._orchestrations.take(taken)

    def activity(self, run: ActivityRun) -> Observation:
        """Note an activity, and tell it what it is run for."""
        noted = Run(run, self._attempts.of(run), self._now)
        self.activities.add(run.name, noted)
        return noted

    def operation(self, run: OperationRun) -> Observation:
        """Note an operation of an entity, and tell it what it is run for."""
        noted = Run(run, 1, self._now)
        self.operations.add(run.instance_id.split("@")[1], noted)
        return noted
