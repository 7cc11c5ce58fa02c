"""`DFApp` and `Blueprint`: the decorators of a function app.

Owns the decorators and the app's list of functions. They build on those of azure.functions and
keep every one of them; the durable ones replace its own, which need another package.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import azure.functions as func
from azure.functions.decorators.function_app import (
    BindingApi,
    DecoratorApi,
    Function,
    FunctionApp,
    FunctionBuilder,
    SettingsApi,
    TriggerApi,
)

from azure_durable_py.app.builders import AppFunction, DurableFunction, DurableTrigger
from azure_durable_py.app.clients import BridgeSource, ClientSource, Host, Hosts, filler, takes_sync_client
from azure_durable_py.app.entry_points import EntryPoint
from azure_durable_py.app.function_json import builders_from
from azure_durable_py.app.registration import build_registry, check_called, check_parameter
from azure_durable_py.bindings import ActivityTrigger, DurableClient, EntityTrigger, OrchestrationTrigger, bind_client
from azure_durable_py.constants import ACTIVITY_TRIGGER, DURABLE_CLIENT, ENTITY_TRIGGER, ORCHESTRATION_TRIGGER
from azure_durable_py.errors import RegistrationError
from azure_durable_py.registry import Registry, place_of
from azure_durable_py.retry_policy import RetryOptions, RetryPolicy
from azure_durable_py.stand_in import MOVE_IN

if TYPE_CHECKING:
    from azure_durable_py.client.client import DurableOrchestrationClient

P = ParamSpec("P")
R = TypeVar("R")

_FUNCTIONS_HOST = "azure_durable_py.hosting.functions"
_OPENAI_AGENTS = "azure_durable_py.openai_agents.decorator"
MODEL_RETRY_OPTIONS = RetryOptions(2000, 5)
"""How `durable_openai_agent_orchestrator` has models called again, as azure-functions-durable 1.7 does."""
_DURABLE = (ORCHESTRATION_TRIGGER, ACTIVITY_TRIGGER, ENTITY_TRIGGER, DURABLE_CLIENT)


class Blueprint(TriggerApi, BindingApi, SettingsApi):
    """Functions declared apart from the app; `app.register_functions(blueprint)` adds them to it.

    Decorators of several blueprints and of the app may stack on one function: it belongs to the one
    whose decorator is closest to it.
    """

    def orchestration_trigger(
        self, context_name: str, orchestration: str | None = None, input_type: Any = None
    ) -> Callable[[Callable[P, R]], DurableFunction[P, R]]:
        """Declare an orchestrator.

        :param context_name: the parameter that takes the `DurableOrchestrationContext`.
        :param orchestration: its name for callers (default: the function's name).
        :param input_type: what `context.get_input()` builds of the input (default: plain JSON values).
        """
        check_called(context_name, 'orchestration_trigger(context_name="context")')
        return self._durable(OrchestrationTrigger(context_name, orchestration), input_type)

    def activity_trigger(
        self, input_name: str, activity: str | None = None, *, cancellable: bool = False
    ) -> Callable[[Callable[P, R]], DurableFunction[P, R]]:
        """Declare an activity.

        :param input_name: the parameter that takes the input; its annotation says what is built of it.
        :param activity: its name for callers (default: the function's name).
        :param cancellable: a run of it is cancelled - `asyncio.CancelledError` is raised where it waits - when nobody
            wants its result any more: the orchestration has ended or continued as new, or code that waited for it was
            cancelled. Only for activities that are `async def`.
        """
        check_called(input_name, 'activity_trigger(input_name="name")')
        return self._durable(ActivityTrigger(input_name, activity), cancellable=cancellable)

    def entity_trigger(
        self, context_name: str = "context", entity_name: str | None = None
    ) -> Callable[[Callable[P, R]], DurableFunction[P, R]]:
        """Declare an entity: a function, or a class whose methods are operations.

        :param context_name: the parameter that takes the `DurableEntityContext` (a class has none).
        :param entity_name: its name for callers, regardless of case (default: the function's name).
        """
        check_called(context_name, 'entity_trigger(context_name="context")')
        return self._durable(EntityTrigger(context_name, entity_name))

    def durable_client_input(
        self, client_name: str, task_hub: str | None = None, connection_name: str | None = None
    ) -> Callable[[Callable[..., Any]], FunctionBuilder]:
        """Pass a `DurableOrchestrationClient` to a function, or a `DurableOrchestrationSyncClient` to one that waits.

        :param client_name: the parameter that takes the client. A sync function that annotates it with
            `DurableOrchestrationSyncClient` gets that one; it may carry any other annotation.
        :param task_hub: another hub than the app's own, by name.
        :param connection_name: the app setting that says where that hub is, when it is elsewhere.
        """

        def decorate(function: Callable[..., Any]) -> FunctionBuilder:
            builder = self._builder_of(function)
            builder.add_binding(DurableClient(client_name, task_hub, connection_name))
            _keep_client_reachable(builder)
            return builder

        return decorate

    def _durable(
        self, trigger: DurableTrigger, input_type: Any = None, *, cancellable: bool = False
    ) -> Callable[[Callable[P, R]], DurableFunction[P, R]]:
        def decorate(function: Callable[P, R]) -> DurableFunction[P, R]:
            builder = self._builder_of(function)
            durable: DurableFunction[P, R] = DurableFunction(builder, trigger, input_type, cancellable=cancellable)
            self._replace(builder, durable)
            return durable

        return decorate

    def _configure_function_builder(self, wrap: Callable[[FunctionBuilder], Any]) -> Callable[..., Any]:
        """Every decorator of azure.functions comes through here, with what it does to a builder."""

        def decorate(function: Callable[..., Any]) -> Any:
            return wrap(self._builder_of(function))

        return decorate

    def _builder_of(self, decorated: Any) -> FunctionBuilder:
        """The builder of a function: a new one in our list, or the one that the decorators below made, in whoever's."""
        if isinstance(decorated, FunctionBuilder):
            return decorated
        function: Any = decorated.function if isinstance(decorated, EntryPoint) else decorated
        if not callable(function) or not hasattr(function, "__name__"):
            raise RegistrationError(
                f"{function!r} cannot be part of an app: decorate a function or, for entities, a class."
            )
        builder = AppFunction(function, self._app_script_file)
        self._function_builders.append(builder)
        return builder

    def _replace(self, builder: FunctionBuilder, durable: DurableFunction[..., Any]) -> None:
        for at, listed in enumerate(self._function_builders):
            if listed is builder:
                self._function_builders[at] = durable
                return
        raise RegistrationError(
            f"{_described(builder)} has a durable trigger above the decorator of another app or blueprint. "
            "Put the durable trigger closest to the function."
        )

    def durable_openai_agent_orchestrator(
        self,
        _func: Callable[..., Any] | None = None,
        *,
        model_provider: Any = None,
        model_retry_options: RetryPolicy | None = MODEL_RETRY_OPTIONS,
    ) -> Any:
        """Declare that an orchestrator runs agents of the OpenAI Agents SDK. It stands below `orchestration_trigger`.

        The function gets a `DurableAIAgentContext`. In a `def`, with or without `yield`, `Runner.run_sync` is durable,
        in an `async def` it is `await Runner.run`. The output of a `def` is text: a string, or the JSON of what it
        returns. Approvals, MCP servers and the rest are as the plug-in `OpenAIAgents` of the app says, if it has one.

        :param model_provider: gives models by name, in activities; None: what the SDK takes by default.
        :param model_retry_options: how a call of a model is tried again; None: it is not.
        :raises ModuleNotFoundError: the SDK is not installed (extra `openai-agents`).
        :raises RegistrationError: another provider was given before.
        """
        # By name, as it is above us, and needs what most apps do not have.
        make = importlib.import_module(_OPENAI_AGENTS).orchestrator_decorator
        decorate = make(self, model_provider, model_retry_options)
        return decorate if _func is None else decorate(_func)


class DFApp(Blueprint, FunctionApp):
    """A function app with orchestrators, activities, entities and durable clients.

    :param http_auth_level: what keys a request must carry, for HTTP functions that do not say so themselves.
    :param strict_types: annotations of parameters and results, and `input_type`, are checked for every type. By
        default those that JSON carries as they are (`str`, `int`, `list[str]` ...) let any value pass.
    """

    def __init__(
        self, http_auth_level: func.AuthLevel | str = func.AuthLevel.FUNCTION, *, strict_types: bool = False
    ) -> None:
        super().__init__(http_auth_level=http_auth_level)
        self._strict_types = strict_types
        self._registry: Registry | None = None
        self._registered: list[tuple[FunctionBuilder, int]] = []
        self._hosts = Hosts()

    @classmethod
    def from_function_json(cls, app_dir: Path | str) -> DFApp:
        """The app that folders with a `function.json` each make up, for a `function_app.py` beside them.

        What each script needs is imported as the Functions worker does: relatively, from `__app__`, or from the
        directory itself. A process can have one such app.

        :param app_dir: the directory with host.json: `Path(__file__).parent`.
        :raises RegistrationError: there are no such folders, or one is declared wrongly.
        :raises SettingsError: a function.json is no JSON.
        """
        app = cls()
        app._function_builders.extend(builders_from(Path(app_dir)))
        return app

    @property
    def registry(self) -> Registry:
        """Everything durable that the app declares; built when first asked for, and again when there is more.

        :raises RegistrationError: a durable function is declared wrongly, or a name is taken twice.
        """
        builders: list[Any] = self._function_builders
        declared = [(builder, len(_function_of(builder).get_bindings())) for builder in builders]
        if self._registry is None or self._registered != declared:
            for builder in builders:
                if not isinstance(builder, DurableFunction):
                    _refuse_foreign(builder)
            self._registry = build_registry(self.durable_functions(), self._filler, strict_types=self._strict_types)
            self._registered = declared
        return self._registry

    def get_functions(self) -> list[Function]:
        """What the Functions worker indexes: the ordinary functions, and those by which the host drives the hub.

        :raises RegistrationError: a function is declared wrongly, or a name is taken twice.
        :raises SettingsError: host.json has a setting that cannot be used.
        """
        # The worker asks the app, yet what a host needs is the host's to say: by name, as it is above us.
        expand: Callable[[DFApp], list[Function]] = importlib.import_module(_FUNCTIONS_HOST).expand
        return expand(self)

    def durable_functions(self) -> list[DurableFunction[..., Any]]:
        """The orchestrators, activities and entities of the app, as their decorators left them."""
        builders: list[Any] = self._function_builders
        return [builder for builder in dict.fromkeys(builders) if isinstance(builder, DurableFunction)]

    def user_functions(self) -> list[Function]:
        """The ordinary functions of the app, their `DurableClient` bindings among their bindings.

        :raises RegistrationError: one is declared wrongly, or a name is taken twice.
        """
        functions: dict[str, Function] = {}
        for builder in self._function_builders:
            if isinstance(builder, DurableFunction):
                continue
            function = self._built(builder)
            name = str(function.get_function_name())
            taken = functions.setdefault(name.lower(), function)
            if taken is not function:
                places = f"{place_of(taken.get_user_function())} and {place_of(function.get_user_function())}"
                raise RegistrationError(
                    f"Two functions are named {name!r}: {places}. Rename one, or use @app.function_name."
                )
        return list(functions.values())

    def bound(self, function: Function) -> Callable[..., Any]:
        """The user's function with its durable client parameters filled by this app's hosts."""
        call = function.get_user_function()
        for binding in function.get_bindings():
            if isinstance(binding, DurableClient):
                call = bind_client(call, binding.name, self._filler(binding, call))
        return call

    def _filler(self, binding: DurableClient, function: Callable[..., Any]) -> Callable[[], Any]:
        return filler(binding, function, self._host_for)

    def client_bindings(self) -> list[DurableClient]:
        """Every client binding of the app, those of activities among them."""
        functions = [_function_of(builder) for builder in self._function_builders]
        bindings = [binding for function in functions for binding in function.get_bindings()]
        return [binding for binding in bindings if isinstance(binding, DurableClient)]

    def use_clients(self, source: ClientSource | None) -> None:
        """Say where durable clients come from (None: from nowhere any more).

        Called by the host that runs the app, on the event loop that the clients work on.
        """
        self._hosts.set(None if source is None else Host.on_this_loop(source))

    def use_clients_here(self, source: ClientSource | None, bridge: BridgeSource = lambda: None) -> None:
        """Say where durable clients come from in this context, and in tasks and threads that begin in it.

        For tests, which may run one app several times at once. Called as `use_clients` is.

        :param bridge: gives what leads sync clients to the event loop; None: what does so everywhere.
        """
        self._hosts.set_here(None if source is None else Host.on_this_loop(source, bridge))

    def client_for(self, binding: DurableClient) -> DurableOrchestrationClient:
        """The durable client for a binding.

        :raises RegistrationError: no host runs the app.
        """
        return self._host_for(binding).clients(binding)

    def _host_for(self, binding: DurableClient) -> Host:
        host = self._hosts.get()
        if host is None:
            raise RegistrationError(
                f"There is no durable client for {binding.name!r}: no host runs this app. In a test, call the "
                "function with a client (env.client), or have azure_durable_py.testing.DurableTestEnvironment call it."
            )
        return host

    def register_functions(self, function_container: DecoratorApi) -> None:
        """Add the functions of a blueprint.

        :raises RegistrationError: it is an app, not a blueprint.
        """
        if isinstance(function_container, FunctionApp):
            raise RegistrationError("register_functions takes a Blueprint; a DFApp cannot be part of another app.")
        super().register_functions(function_container)

    register_blueprint = register_functions

    def _built(self, builder: FunctionBuilder) -> Function:
        try:
            function: Function = builder.build(self.auth_level)
        except ValueError as error:
            raise RegistrationError(
                f"{_described(builder)} has no trigger. Add one (@app.route, @app.timer_trigger, "
                "@app.orchestration_trigger ...), on the app or blueprint that carries its other decorators."
            ) from error
        _refuse_foreign(builder)
        for binding in function.get_bindings():
            if isinstance(binding, DurableClient):
                source = f"durable_client_input(client_name={binding.name!r})"
                check_parameter(function.get_user_function(), binding.name, source)
                takes_sync_client(function.get_user_function(), binding.name)
        return function


def _refuse_foreign(builder: FunctionBuilder) -> None:
    function: Any = _function_of(builder).get_user_function()
    for binding in _function_of(builder).get_bindings():
        if binding.type in _DURABLE and not isinstance(binding, DurableClient):
            for kind in ("orchestrator", "entity", "client"):
                # What the other package makes of a function has the function itself under such a name.
                function = getattr(function, f"{kind}_function", function)
            raise RegistrationError(
                f"{place_of(function)} was declared with another package's {binding.type}. {MOVE_IN}"
            )


def _keep_client_reachable(builder: FunctionBuilder) -> None:
    # Unit tests of migrated apps reach the function by `build().get_user_function().client_function`.
    function: Any = _function_of(builder).get_user_function()
    function.client_function = function


def _function_of(builder: FunctionBuilder) -> Function:
    return builder._function  # pyright: ignore[reportPrivateUsage] - azure.functions has no other way


def _described(builder: FunctionBuilder) -> str:
    return place_of(_function_of(builder).get_user_function())
