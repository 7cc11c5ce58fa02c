"""`azure-durable export`: instances as lines of JSON."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from contextlib import aclosing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from azure_durable_py.cli.examples import examples
from azure_durable_py.cli.exits import CommandError, as_command_error
from azure_durable_py.cli.moments import MOMENT
from azure_durable_py.cli.output import write_line
from azure_durable_py.cli.running import run
from azure_durable_py.cli.target import HubTarget, about_hub
from azure_durable_py.cli.values import STATUSES, TAG, every
from azure_durable_py.errors import DurableError
from azure_durable_py.escaping import escaped
from azure_durable_py.status import OrchestrationRuntimeStatus

if TYPE_CHECKING:
    from azure_durable_py.client.export import ExportedInstance

_SECONDS_BETWEEN_REPORTS = 2.0


@click.command(
    epilog=examples(
        "azure-durable export --output 2026-01.jsonl --completed-before 2026-02-01",
        "azure-durable export --runtime-status Failed --created-after 7d ./my-app",
        "azure-durable export --all --redact password --redact input.card > histories/all.jsonl",
    )
)
@about_hub()
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Where to write (default: to stdout).")
@click.option("--created-after", type=MOMENT, metavar="TIME", help="Created then or later.")
@click.option("--created-before", type=MOMENT, metavar="TIME", help="Created then or earlier.")
@click.option("--completed-after", type=MOMENT, metavar="TIME", help="Finished then or later.")
@click.option("--completed-before", type=MOMENT, metavar="TIME", help="Finished then or earlier.")
@click.option("--runtime-status", multiple=True, type=STATUSES, metavar="STATUS", help="Completed, Failed ...")
@click.option("--prefix", metavar="TEXT", help="The instance id begins with this.")
@click.option("--name", "names", multiple=True, help="Of this orchestrator.")
@click.option(
    "--tag", "tags", multiple=True, type=TAG, metavar="NAME=VALUE", help="It has this tag; with several, all of them."
)
@click.option("--all", "unfinished", is_flag=True, help="Those that are not finished as well.")
@click.option(
    "--redact",
    "selectors",
    multiple=True,
    metavar="NAME",
    help="Replace the values of this key, as password or input.card.number, in all that is written.",
)
def export(
    target: HubTarget,
    output: Path | None,
    created_after: datetime | None,
    created_before: datetime | None,
    completed_after: datetime | None,
    completed_before: datetime | None,
    runtime_status: tuple[tuple[str, ...], ...],
    prefix: str | None,
    names: tuple[str, ...],
    tags: tuple[tuple[str, str], ...],
    unfinished: bool,
    selectors: tuple[str, ...],
) -> None:
    """Export finished instances with their histories, as lines of JSON.

    --runtime-status and --name may be given several times, and take any of them; with several of --tag, an instance
    has all of them. Instances that run are exported with --all, or if --runtime-status asks for them. --redact may be
    given several times; what it leaves can still be replayed. A FILE has its name when it is whole; while it
    grows it is FILE.part.
    """

    async def write(stream: IO[str], report: _Report) -> None:
        async with target.open_client() as client:
            instances = client.export_history(
                created_after,
                created_before,
                every(runtime_status) or (list(OrchestrationRuntimeStatus) if unfinished else None),
                prefix,
                names=names,
                tags=dict(tags),
                completed_time_from=completed_after,
                completed_time_to=completed_before,
            )
            async with aclosing(instances):
                async for instance in instances:
                    written = instance.redacted(selectors) if selectors else instance
                    stream.write(written.to_line() + "\n")
                    report.add(instance)

    report = _Report()
    try:
        with _opened(output) as stream:
            run(write(stream, report))
    except DurableError as error:
        known = as_command_error(error)
        assert known is not None
        raise CommandError(f"{error} ({report.count} instances were exported before.)", known.code) from error
    except BrokenPipeError:
        raise  # Who reads has had enough: click ends without a word.
    except OSError as error:
        raise CommandError(f"{output or 'stdout'} cannot be written: {error}.") from error
    report.end()


class _Report:
    """Tells on stderr how far it is, and what is damaged."""

    def __init__(self) -> None:
        self.count = 0
        self._damaged = 0
        self._next = time.monotonic() + _SECONDS_BETWEEN_REPORTS

    def add(self, instance: ExportedInstance) -> None:
        """Count an instance."""
        self.count += 1
        if instance.status.damaged:
            self._damaged += 1
            told = f"Instance {instance.status.instance_id!r} is damaged: {instance.status.damaged}"
            write_line(sys.stderr, escaped(told))
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _SECONDS_BETWEEN_REPORTS
            click.echo(f"{self.count} instances ...", err=True)

    def end(self) -> None:
        """Tell the sum."""
        damaged = f", {self._damaged} of them damaged" if self._damaged else ""
        click.echo(f"Exported {self.count} {'instance' if self.count == 1 else 'instances'}{damaged}.", err=True)


@contextmanager
def _opened(output: Path | None) -> Generator[IO[str], None, None]:
    """What to write to: a half-written file never has the name of a whole one."""
    if output is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    if output.exists() and not output.is_file():
        # A device or a pipe is written to. It must not give way to a file of its name.
        with output.open("w", encoding="ascii", newline="\n") as stream:
            yield stream
        return
    part = output.with_name(f"{output.name}.part")
    with part.open("w", encoding="ascii", newline="\n") as stream:
        yield stream
    part.replace(output)
