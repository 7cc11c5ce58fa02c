"""What decorators return: a function that gathers its bindings, and one that knows its durable kind and name.

Owns both and nothing of apps or registries.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Generic, Literal, ParamSpec, TypeVar, cast

from azure.functions.decorators.core import SCRIPT_FILE_NAME, Binding, Trigger
from azure.functions.decorators.function_app import FunctionBuilder

from azure_durable_py.bindings import ActivityTrigger, EntityTrigger, OrchestrationTrigger
from azure_durable_py.errors import RegistrationError
from azure_durable_py.registry import place_of

P = ParamSpec("P")
R = TypeVar("R")

DurableKind = Literal["orchestrator", "activity", "entity"]
DurableTrigger = OrchestrationTrigger | ActivityTrigger | EntityTrigger


class AppFunction(FunctionBuilder):
    """A function that was first decorated by an app or blueprint of this package, in whose list it stays."""


class DurableFunction(AppFunction, Generic[P, R]):
    """An orchestrator, activity or entity of an app.

    Calling it calls the function that was decorated. `call_activity`, `call_sub_orchestrator` and
    `start_new` take it in place of a name. Decorators of azure.functions stack on it, as long
    as they add no second trigger.
    """

    def __init__(
        self, builder: FunctionBuilder, trigger: DurableTrigger, input_type: Any = None, *, cancellable: bool = False
    ) -> None:
        inner = builder._function
        super().__init__(inner.get_user_function(), SCRIPT_FILE_NAME)
        self._function = inner
        self._durable_trigger = trigger
        self.input_type = input_type
        self.cancellable = cancellable
        self.add_trigger(trigger)
        self._keep_reachable()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the decorated function, as a unit test does."""
        return self.function(*args, **kwargs)

    @property
    def function(self) -> Callable[P, R]:
        """The function that was decorated."""
        return cast("Callable[P, R]", self._function.get_user_function())

    @property
    def durable_kind(self) -> DurableKind:
        """What the function is."""
        match self._durable_trigger:
            case OrchestrationTrigger():
                return "orchestrator"
            case ActivityTrigger():
                return "activity"
            case EntityTrigger():
                return "entity"

    @property
    def durable_name(self) -> str:
        """The name under which orchestrations and clients call it."""
        match self._durable_trigger:
            case OrchestrationTrigger(orchestration=given) | ActivityTrigger(activity=given):
                name = given
            case EntityTrigger(entity_name=given):
                name = given
        return str(self._function.get_function_name()) if name is None else name

    @property
    def parameter(self) -> str:
        """The name of the parameter that takes the context or input."""
        return self._durable_trigger.name

    @property
    def other_bindings(self) -> list[Binding]:
        """Bindings beside the durable trigger."""
        return [binding for binding in self._function.get_bindings() if binding is not self._durable_trigger]

    def add_trigger(self, trigger: Trigger) -> FunctionBuilder:
        """Attach the trigger; there can be only one.

        :raises RegistrationError: there is one already.
        """
        taken = self._function.get_trigger()
        if taken is not None:
            raise RegistrationError(
                f"{place_of(self.function)} has two triggers, {taken.type} and {trigger.type}. "
                "A durable function has only its durable trigger: move the other one to a function of its own."
            )
        return super().add_trigger(trigger)

    def _keep_reachable(self) -> None:
        # Unit tests of migrated apps reach the function by `build().get_user_function().<kind>_function`.
        function: Any = self.function
        with contextlib.suppress(AttributeError, TypeError):
            if not isinstance(function, type):
                setattr(function, f"{self.durable_kind}_function", function)
