"""`azure-durable get-runtime-status` and `get-history`: what Core Tools tell of one instance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from azure_durable_py.cli.examples import examples
from azure_durable_py.cli.output import Output, with_output
from azure_durable_py.cli.running import run
from azure_durable_py.cli.show import missing
from azure_durable_py.cli.target import INSTANCE, HubTarget, about_hub

if TYPE_CHECKING:
    from azure_durable_py.client.status import DurableOrchestrationStatus


class TruthCommand(click.Command):
    """A command whose `--show-...` options may be followed by `true` or `false`, as those of Core Tools are."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments, with each such option and its word joined."""
        flags = {name for param in self.params if param.name in _TRUTHS for name in param.opts}
        joined: list[str] = []
        for word in args:
            if joined and joined[-1] in flags:
                joined[-1] += f"={word.lower()}" if word.lower() in _WORDS else "=true"
                if word.lower() in _WORDS:
                    continue
            joined.append(word)
        if joined and joined[-1] in flags:
            joined[-1] += "=true"
        return super().parse_args(ctx, joined)


_WORDS = ("true", "false")
_TRUTHS = ("show_input", "show_output")


def _truth(name: str, help_: str) -> Any:
    return click.option(name, type=bool, default=False, metavar="[true|false]", help=help_)


@click.command(
    "get-runtime-status",
    cls=TruthCommand,
    epilog=examples(
        "azure-durable get-runtime-status --id order-17",
        "azure-durable get-runtime-status --id order-17 --show-input true --show-output true",
    ),
)
@about_hub(INSTANCE)
@_truth("--show-input", "With the input.")
@_truth("--show-output", "With the output.")
@with_output
def get_runtime_status(target: HubTarget, out: Output, instance_id: str, show_input: bool, show_output: bool) -> None:
    """Show the status of an instance, as Core Tools do.

    `azure-durable show` tells more: what it waits for, and what is wrong with it.
    """
    from azure_durable_py.cli.listing import state_of
    from azure_durable_py.cli.output import status_cell
    from azure_durable_py.cli.shapes import status_json

    status = _status(target, instance_id, show_input=show_input)
    if out.as_json:
        shown = status_json(status)
        for name, wanted in (("input", show_input), ("output", show_output)):
            if not wanted:
                shown.pop(name, None)
        out.json(shown)
        return
    out.details(
        [
            ("Instance", status.instance_id),
            ("Orchestrator", status.name),
            ("Status", status_cell(state_of(status))),
            ("Created", status.created_time),
            ("Changed", status.last_updated_time),
            ("Custom status", status.custom_status_json),
            ("Input", status.input_json if show_input else None),
            ("Output", status.output_json if show_output else None),
            ("Waiting for", status.waiting_for),
            ("Damaged", status.damaged),
        ]
    )


@click.command(
    "get-history",
    epilog=examples("azure-durable get-history --id order-17", "azure-durable get-history order-17 --json"),
)
@about_hub(INSTANCE)
@with_output
def get_history(target: HubTarget, out: Output, instance_id: str) -> None:
    """Show the history of an instance, event by event, as Core Tools and the management API do.

    `azure-durable history` shows it as a tree with durations.
    """
    status = _status(target, instance_id, show_history=True, show_history_output=True, show_input=True)
    events = status.history or []
    if out.as_json:
        out.json(events)
        return
    if status.damaged is not None:
        out.note(f"The history cannot be read: {status.damaged}")
    out.table(("TIME", "EVENT", "NAME", "DETAILS"), [_event_row(event) for event in events])


def _event_row(event: dict[str, Any]) -> tuple[Any, ...]:
    import json
    from contextlib import suppress

    from azure_durable_py.times import from_iso

    rest = {name: value for name, value in event.items() if name not in ("EventType", "Timestamp", "Details")}
    name = next((rest.pop(key) for key in ("FunctionName", "Name", "Operation") if key in rest), None)
    when: Any = event.get("Timestamp")
    with suppress(ValueError, TypeError):
        when = from_iso(when)
    details = json.dumps(rest, ensure_ascii=False, separators=(", ", ": ")) if rest else None
    return when, event["EventType"], name, details


def _status(target: HubTarget, instance_id: str, **shown: bool) -> DurableOrchestrationStatus:
    async def look() -> DurableOrchestrationStatus:
        async with target.connect() as client:
            return await client.get_status(instance_id, **shown)

    status = run(look())
    if not status:
        raise missing(target, instance_id)
    return status
