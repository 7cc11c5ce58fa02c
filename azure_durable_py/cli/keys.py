"""`azure-durable hub keys ...`: the keys of a hub, which open its HTTP functions, its management API and its links.

Owns what is shown of them: a key itself only where it is asked for by its name.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from azure_durable_py.cli.examples import examples
from azure_durable_py.cli.lazy import CommandEntry, LazyGroup
from azure_durable_py.cli.moments import SPAN
from azure_durable_py.cli.output import Cell, Output, encoded_time, with_output
from azure_durable_py.cli.running import run
from azure_durable_py.cli.target import HubTarget, Slot, about_hub, target_of
from azure_durable_py.wording import duration

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from azure_durable_py.client.keys import KeyDescription

_COMMANDS = (
    CommandEntry("list", "keys:list_keys", "List the keys of the task hub: their names and ages, never a key itself."),
    CommandEntry("show", "keys:show_key", "Print a key."),
    CommandEntry("set", "keys:set_key", "Give a key a value of your own, which is read from stdin."),
    CommandEntry("rotate", "keys:rotate_key", "Give a key another value, at once and for all hosts."),
    CommandEntry("revoke", "keys:revoke_key", "Take a key away, or end the links to an instance."),
)


def _complete(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    from azure_durable_py.cli.completing import key_names

    return key_names(target_of(ctx.params), incomplete)


_HELP = "The name of the key, in place of the argument: master, host/NAME, function/FUNCTION, system/NAME, signing."
KEY = Slot("name", "--name", "NAME", _HELP, True, _complete)


@click.group("keys", cls=LazyGroup, sections={"Commands": _COMMANDS})
def keys() -> None:
    """See and change the keys of the task hub.

    Hosts take a new key at once, and an old one for 30 seconds at most.
    """


@click.command("list", epilog=examples("azure-durable hub keys list", "azure-durable hub keys list --json ./my-app"))
@about_hub()
@with_output
def list_keys(target: HubTarget, out: Output) -> None:
    """List the keys of the task hub: their names and ages, never a key itself.

    `master` opens everything. `host/NAME` opens HTTP functions, `function/FUNCTION/NAME` one of them, `system/NAME` the
    management API. `signing/ID` sign links: one does, the others are good for what they signed until they retire.
    """

    async def look() -> tuple[KeyDescription, ...]:
        async with target.open_client() as client:
            return await client.keys.list()

    found = run(look())
    if out.as_json:
        out.json([_json(key) for key in found])
        return
    rows: list[list[Cell]] = [[key.name, key.created_at, key.retires_at] for key in found]
    out.table(("KEY", "MADE", "RETIRES"), rows)


def _json(key: KeyDescription) -> dict[str, str | None]:
    return {
        "name": key.name,
        "createdAt": encoded_time(key.created_at),
        "retiresAt": encoded_time(key.retires_at),
    }


@click.command(
    "show",
    epilog=examples(
        "azure-durable hub keys show --name host/default",
        "azure-durable hub keys show --name function/HttpStart",
        "azure-durable hub keys show system/durabletask_extension ./my-app",
    ),
)
@about_hub(KEY)
@with_output
def show_key(target: HubTarget, out: Output, name: str) -> None:
    """Print a key.

    Whoever has it may do what it opens: send it as the header x-functions-key, or as the parameter code.
    """

    async def look() -> str:
        async with target.open_client() as client:
            return await client.keys.get(name)

    _print(out, name, run(look()))


def _print(out: Output, name: str, value: str) -> None:
    if out.as_json:
        out.json({"name": name, "value": value})
    else:
        out.line(value)


@click.command("set", epilog=examples("azure-durable hub keys set --name host/partner < partner.key"))
@about_hub(KEY)
@with_output
def set_key(target: HubTarget, out: Output, name: str) -> None:
    """Give a key a value of your own, which is read from stdin.

    The key is made if there is none of this name. It has 16 to 256 letters, digits and signs of ASCII.
    """
    value = _asked_for() if sys.stdin.isatty() else sys.stdin.readline().strip()

    async def change() -> None:
        async with target.open_client() as client:
            await client.keys.set(name, value)

    run(change())
    _told(out, name, f"Key {name!r} is set.")


def _asked_for() -> str:
    given: str = click.prompt("Key", hide_input=True, confirmation_prompt=True, err=True)
    return given


def _told(out: Output, name: str, sentence: str) -> None:
    if out.as_json:
        out.json({"name": name})
    else:
        out.line(sentence)


@click.command(
    "rotate",
    epilog=examples(
        "azure-durable hub keys rotate --name signing --overlap 7d",
        "azure-durable hub keys rotate --name host/default --show",
        "azure-durable hub keys rotate master",
    ),
)
@about_hub(KEY)
@click.option(
    "--overlap",
    type=SPAN,
    default="0",
    metavar="DURATION",
    help="With `signing`: how long links that are there stay good, such as 7d. Without it all links end.",
)
@click.option("--show", is_flag=True, help="Print the new key.")
@with_output
def rotate_key(target: HubTarget, out: Output, name: str, overlap: float, show: bool) -> None:
    """Give a key another value, at once and for all hosts.

    The one before opens nothing any more. `signing` makes another key that signs links.
    """

    async def change() -> str:
        async with target.open_client() as client:
            return await client.keys.rotate(name, overlap=timedelta(seconds=overlap))

    made = run(change())
    if name == "signing":
        others = f"What others signed is good for {duration(overlap)}." if overlap else "All links so far have ended."
        _told(out, made, f"{made} signs links from now on. {others}")
    elif show:
        _print(out, name, made)
    else:
        _told(out, name, f"Key {name!r} has another value: azure-durable hub keys show --name {name}")


@click.command(
    "revoke",
    epilog=examples(
        "azure-durable hub keys revoke --name host/partner",
        "azure-durable hub keys revoke --name signing/1a2b3c4d",
        "azure-durable hub keys revoke --links order-17",
    ),
)
@about_hub()
@click.option("--name", metavar="NAME", help="The name of the key.")
@click.option("--links", metavar="INSTANCE_ID", help="End all links to this instance that were made so far.")
@with_output
def revoke_key(target: HubTarget, out: Output, name: str | None, links: str | None) -> None:
    """Take a key away, or end the links to an instance.

    The master key, and the key that signs, can only be rotated. New links to the instance can be made.
    """
    if (name is None) == (links is None):
        raise click.UsageError("What? Name a key, or an instance by --links: one of them.")

    async def change() -> None:
        async with target.open_client() as client:
            if name is not None:
                await client.keys.revoke(name)
            elif links is not None:
                await client.keys.revoke_links(links)

    run(change())
    if name is not None:
        _told(out, name, f"Key {name!r} opens nothing any more.")
    else:
        _told(out, str(links), f"All links to {links!r} so far have ended.")
