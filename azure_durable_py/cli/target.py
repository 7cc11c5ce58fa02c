"""Which task hub a command is about: the options that say so, and the way there.

Owns the arguments that all commands about a hub share: what they name (an instance, a function ...), the directory of
the app, and where the hub is. Nothing of the engine is imported before a hub is opened.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import click
from click.shell_completion import CompletionItem

from azure_durable_py.cli.exits import CommandError, ExitCode

if TYPE_CHECKING:
    from azure_durable_py.cli.remote import RemoteClient
    from azure_durable_py.client.client import DurableOrchestrationClient
    from azure_durable_py.taskhub.hub import TaskHub

HubClient: TypeAlias = "DurableOrchestrationClient | RemoteClient"
"""What the API of a running host offers as well as the hub: both by the same names."""
_Callback = TypeVar("_Callback", bound="Callable[..., Any]")
CODE_VARIABLE = "AZURE_DURABLE_CODE"
"""The variable of the environment with the key for `--url`."""


@dataclass(frozen=True, slots=True)
class HubTarget:
    """The hub that a command is about, as it was named; nothing is open yet.

    :param app_dir: the directory of the app, whose settings say where its hub is.
    :param storage: another place, as for `azure-durable start`.
    :param hub_name: another hub in that place.
    :param url: the management API of a running host, which is asked in place of the storage.
    :param code: the key for it.
    """

    app_dir: Path = Path()
    storage: str | None = None
    hub_name: str | None = None
    url: str | None = None
    code: str | None = None

    @property
    def description(self) -> str:
        """Where it is, for messages."""
        return f"the task hub behind {self.url}" if self.url else f"the task hub of {self.app_dir}"

    @asynccontextmanager
    async def open_client(self, *, may_make: bool = False) -> AsyncGenerator[DurableOrchestrationClient, None]:
        """A client on the hub itself; its `hub` is the hub.

        :param may_make: whether a hub that is not there yet is made.
        :raises CommandError: the hub is not there, or only its host's URL is known.
        :raises SettingsError: a setting or the storage cannot be used.
        :raises StorageError: the hub cannot be opened.
        """
        from azure_durable_py.client import connect
        from azure_durable_py.client.client import DurableOrchestrationClient

        if self.url is not None:
            raise CommandError(
                "This needs the task hub itself, which a host's URL does not give. "
                "Leave out --url, and name the app's directory or --storage.",
                ExitCode.wrong_usage,
            )
        await self._check(may_make)
        place = connect.of_app(self.app_dir, self.storage, os.environ, self.hub_name)
        async with connect.opened(lambda: place, DurableOrchestrationClient) as client:
            yield client

    @asynccontextmanager
    async def open_hub(self, *, may_make: bool = False) -> AsyncGenerator[TaskHub, None]:
        """The hub itself; as `open_client`."""
        async with self.open_client(may_make=may_make) as client:
            yield client.hub

    @asynccontextmanager
    async def connect(self, *, may_make: bool = False) -> AsyncGenerator[HubClient, None]:
        """A client on the hub, or on a running host where `--url` was given; as `open_client` otherwise."""
        if self.url is None:
            async with self.open_client(may_make=may_make) as client:
                yield client
        else:
            from azure_durable_py.cli.remote import RemoteClient

            async with RemoteClient(self.url, self.code, self.hub_name) as remote:
                yield remote

    async def _check(self, may_make: bool) -> None:
        """Refuse what cannot be there, so that looking never makes a hub of a name or directory that was mistyped."""
        from azure_durable_py.appsettings import read_app
        from azure_durable_py.taskhub.finding import own_hub
        from azure_durable_py.taskhub.storage import default_storage

        if not self.app_dir.is_dir():
            raise CommandError(f"There is no directory {self.app_dir} to read the settings of an app from.")
        settings, values = read_app(self.app_dir, os.environ)
        if self.hub_name is not None:
            settings = replace(settings, hub_name=self.hub_name)
        storage = self.storage or default_storage(settings, values)
        if storage == "memory":
            raise CommandError(
                "A task hub in memory is inside the process of its host. Ask that host: --url http://127.0.0.1:7071",
                ExitCode.wrong_usage,
            )
        if may_make:
            return
        hub, is_there = await own_hub(storage, settings, values, self.app_dir)
        if not is_there:
            raise CommandError(
                f"There is no task hub {hub.name} in {hub.place}. Name the app's directory, --hub or --storage; "
                "`azure-durable start` makes the hub of an app.",
                ExitCode.not_found,
            )


class Slot(NamedTuple):
    """Something that a command names, by its place or by an option: an instance, an event ...

    :param parameter: the parameter of the command's function.
    :param option: the option that names it too.
    :param metavar: how the help calls it.
    :param help: what it is.
    :param required: whether the command needs it.
    :param complete: gives completions of what was typed so far.
    """

    parameter: str
    option: str
    metavar: str
    help: str
    required: bool = True
    complete: Callable[[click.Context, str], list[CompletionItem]] | None = None


def _complete_instances(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    from azure_durable_py.cli.completing import instance_ids

    return instance_ids(target_of(ctx.params), incomplete)


INSTANCE = Slot(
    "instance_id", "--id", "INSTANCE_ID", "The id of the instance, in place of the argument.", True, _complete_instances
)


def about_hub(*slots: Slot) -> Callable[[_Callback], _Callback]:
    """Give a command the arguments `[SLOT ...] [APP_DIR]` and the options that say which hub.

    The function gets a parameter for each slot, and `target`.
    """

    def decorate(callback: _Callback) -> _Callback:
        def call(**given: Any) -> Any:
            places = list(given.pop("places"))
            named = {slot.parameter: _taken(slot, given.pop(slot.parameter), places) for slot in slots}
            if len(places) > 1:
                raise click.UsageError(f"There is an argument too many: {places[1]!r}.", click.get_current_context())
            target = target_of({**given, "app_dir": places[0] if places else "."})
            for name in _OPTION_NAMES:
                given.pop(name)
            return callback(target=target, **named, **given)

        decorated: Any = update_wrapper(call, callback)
        for option in reversed(_options()):
            decorated = option(decorated)
        for slot in reversed(slots):
            complete = None if slot.complete is None else _completer(slot.complete)
            decorated = click.option(
                slot.option, slot.parameter, metavar=slot.metavar, help=slot.help, shell_complete=complete
            )(decorated)
        shown = [slot.metavar if slot.required else f"[{slot.metavar}]" for slot in slots]
        return click.argument(
            "places", nargs=-1, metavar=" ".join([*shown, "[APP_DIR]"]), shell_complete=_complete_places(slots)
        )(decorated)

    return decorate


def target_of(given: dict[str, Any]) -> HubTarget:
    """The target that parsed options name.

    :raises click.UsageError: two of them contradict each other.
    """
    storage, setting, url = given.get("storage"), given.get("connection_string_setting"), given.get("url")
    if storage is not None and setting is not None:
        raise click.UsageError("--storage and --connection-string-setting say the same: give one of them.")
    if url is not None and (storage is not None or setting is not None):
        raise click.UsageError("--url asks a running host, which knows its storage: leave the storage out.")
    app_dir = Path(given.get("app_dir") or ".").resolve()
    return HubTarget(app_dir, storage or setting, given.get("hub_name"), url, given.get("code"))


_OPTION_NAMES = ("storage", "hub_name", "connection_string_setting", "url", "code")


def _options() -> list[Callable[[Any], Any]]:
    return [
        click.option("--storage", metavar="X", help="Where the task hub is, as for `azure-durable start`."),
        click.option(
            "--hub",
            "--task-hub-name",
            "hub_name",
            metavar="NAME",
            help="The task hub, if it is not the one that host.json names.",
        ),
        click.option(
            "--connection-string-setting",
            metavar="NAME",
            help="The app setting that holds the storage connection: the same as --storage NAME.",
        ),
        click.option(
            "--url",
            metavar="URL",
            help="Ask a running host, such as http://127.0.0.1:7071, in place of the storage.",
        ),
        click.option(
            "--code",
            envvar=CODE_VARIABLE,
            metavar="KEY",
            help=f"The key for --url. Better in the environment: {CODE_VARIABLE}.",
        ),
    ]


def _taken(slot: Slot, given: str | None, places: list[str]) -> str | None:
    if given is not None:
        return given
    if places:
        return places.pop(0)
    if slot.required:
        raise click.UsageError(f"{slot.metavar} is missing: {slot.help[0].lower()}{slot.help[1:].split(',')[0]}.")
    return None


def _completer(
    complete: Callable[[click.Context, str], list[CompletionItem]],
) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    return lambda ctx, _param, incomplete: complete(ctx, incomplete)


def _complete_places(slots: Sequence[Slot]) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    def complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        left = [slot for slot in slots if ctx.params.get(slot.parameter) is None]
        place = len(ctx.params.get("places") or ())
        if place >= len(left):
            return [CompletionItem(incomplete, type="dir")]
        found = left[place].complete
        return found(ctx, incomplete) if found is not None else []

    return complete
