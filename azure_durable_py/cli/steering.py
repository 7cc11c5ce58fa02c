"""`azure-durable raise-event`, `suspend`, `resume`, `terminate`, `rewind`: what is asked of an instance."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import click

from azure_durable_py.cli.examples import examples
from azure_durable_py.cli.exits import CommandError
from azure_durable_py.cli.output import Output, with_output
from azure_durable_py.cli.running import run
from azure_durable_py.cli.target import INSTANCE, HubTarget, Slot, about_hub
from azure_durable_py.cli.values import json_value

if TYPE_CHECKING:
    from azure_durable_py.cli.target import HubClient

_reason = click.option("--reason", default="", metavar="TEXT", help="Why, for people: it is kept in the history.")
_EVENT = Slot("event_name", "--event-name", "EVENT_NAME", "The name of the event, in place of the argument.")


@click.command(
    "raise-event",
    epilog=examples(
        "azure-durable raise-event order-17 approved",
        'azure-durable raise-event --id order-17 --event-name approved --event-data \'{"by": "Ann"}\'',
        "azure-durable raise-event order-17 approved --event-data @approval.json ./my-app",
    ),
)
@about_hub(INSTANCE, _EVENT)
@click.option("--event-data", metavar="JSON", help="What the orchestrator receives: JSON, a text, or @FILE with JSON.")
@with_output
def raise_event(target: HubTarget, out: Output, instance_id: str, event_name: str, event_data: str | None) -> None:
    """Send an external event to an instance.

    Data that is no JSON is sent as a text. The case of the event's name does not matter.
    """
    data = json_value(event_data, "--event-data")

    async def ask() -> None:
        async with target.connect() as client:
            await client.raise_event(instance_id, event_name, data)

    run(ask())
    if out.as_json:
        out.json({"instanceId": instance_id, "asked": "raiseEvent", "eventName": event_name})
    else:
        out.line(f"Sent event {event_name!r} to instance {instance_id!r}.")


@click.command(
    epilog=examples(
        "azure-durable terminate order-17 --reason 'ordered twice'", "azure-durable terminate --id order-17 --recursive"
    )
)
@about_hub(INSTANCE)
@_reason
@click.option("--recursive", is_flag=True, help="Also its open sub-orchestrations, and theirs.")
@with_output
def terminate(target: HubTarget, out: Output, instance_id: str, reason: str, recursive: bool) -> None:
    """Ask an instance to end as Terminated.

    It works on suspended and damaged instances too. A worker takes it up; `azure-durable wait` waits for the end.
    """
    _ask(target, out, instance_id, "terminate", lambda client: client.terminate(instance_id, reason, recurse=recursive))


@click.command(epilog=examples("azure-durable suspend order-17 --reason 'out of stock'"))
@about_hub(INSTANCE)
@_reason
@with_output
def suspend(target: HubTarget, out: Output, instance_id: str, reason: str) -> None:
    """Ask an instance to pause: it keeps what it is sent until it is resumed."""
    _ask(target, out, instance_id, "suspend", lambda client: client.suspend(instance_id, reason))


@click.command(epilog=examples("azure-durable resume order-17"))
@about_hub(INSTANCE)
@_reason
@with_output
def resume(target: HubTarget, out: Output, instance_id: str, reason: str) -> None:
    """Ask a suspended instance to go on."""
    _ask(target, out, instance_id, "resume", lambda client: client.resume(instance_id, reason))


@click.command(epilog=examples("azure-durable rewind order-17 --reason 'the bank is back'"))
@about_hub(INSTANCE)
@_reason
@with_output
def rewind(target: HubTarget, out: Output, instance_id: str, reason: str) -> None:
    """Have a failed instance go on from where it failed.

    What failed runs again, what succeeded does not. The cause should have been mended first.
    """

    async def ask() -> str | None:
        async with target.connect() as client:
            await client.rewind(instance_id, reason)
            status = await client.get_status(instance_id)
            return None if status.runtime_status is None else status.runtime_status.value

    status = run(ask())
    if out.as_json:
        out.json({"instanceId": instance_id, "asked": "rewind", "runtimeStatus": status})
    else:
        out.line(f"Rewound instance {instance_id!r}: it was Failed and is {status}.")


_DONE = {
    "terminate": "Asked instance {0!r} to terminate.",
    "suspend": "Asked instance {0!r} to suspend.",
    "resume": "Asked instance {0!r} to resume.",
}


def _ask(
    target: HubTarget, out: Output, instance_id: str, verb: str, call: Callable[[HubClient], Awaitable[bool]]
) -> None:
    async def ask() -> tuple[bool, Any]:
        async with target.connect() as client:
            asked = await call(client)
            return asked, None if asked else (await client.get_status(instance_id)).runtime_status

    asked, status = run(ask())
    if not asked:
        state = "finished" if status is None else status.value
        raise CommandError(f"Instance {instance_id!r} is {state}: there is nothing to {verb}.")
    if out.as_json:
        out.json({"instanceId": instance_id, "asked": verb})
    else:
        out.line(_DONE[verb].format(instance_id))
