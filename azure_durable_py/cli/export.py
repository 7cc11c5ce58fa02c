"""`azure-durable export`: finished instances as lines of JSON."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Generator
from contextlib import aclosing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from azure_durable_py.errors import DurableError
from azure_durable_py.times import from_iso

if TYPE_CHECKING:
    from azure_durable_py.client.export import ExportedInstance

_SECONDS_BETWEEN_REPORTS = 2.0


def _moment(text: str) -> datetime:
    try:
        return from_iso(text)
    except ValueError:
        wanted = "2026-01-31 or 2026-01-31T08:30:00Z (without a zone: UTC)"
        raise click.BadParameter(f"{text!r} is no time such as {wanted}.") from None


def _tag(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.BadParameter(f"{text!r} is no tag: give NAME=VALUE.")
    return name, value


@click.command()
@click.argument("app_dir", type=click.Path(path_type=Path), default=Path())
@click.option("--storage", metavar="X", help="Where the task hub is, as for `azure-durable start`.")
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Where to write (default: to stdout).")
@click.option("--created-after", type=_moment, metavar="TIME", help="Created then or later.")
@click.option("--created-before", type=_moment, metavar="TIME", help="Created then or earlier.")
@click.option("--completed-after", type=_moment, metavar="TIME", help="Finished then or later.")
@click.option("--completed-before", type=_moment, metavar="TIME", help="Finished then or earlier.")
@click.option("--runtime-status", multiple=True, metavar="STATUS", help="Completed, Failed, Terminated ...")
@click.option("--prefix", metavar="TEXT", help="The instance id begins with this.")
@click.option("--name", "names", multiple=True, help="Of this orchestrator.")
@click.option(
    "--tag", "tags", multiple=True, type=_tag, metavar="NAME=VALUE", help="It has this tag; with several, all of them."
)
def export(
    app_dir: Path,
    storage: str | None,
    output: Path | None,
    created_after: datetime | None,
    created_before: datetime | None,
    completed_after: datetime | None,
    completed_before: datetime | None,
    runtime_status: tuple[str, ...],
    prefix: str | None,
    names: tuple[str, ...],
    tags: tuple[tuple[str, str], ...],
) -> None:
    """Export the finished instances of the app in APP_DIR (default: here): a line of JSON for each, with its history.

    --runtime-status and --name may be given several times, and take any of them; with several of --tag, an instance
    has all of them. A FILE has its name when it is whole; while it grows it is FILE.part.
    """
    from azure_durable_py.client.client import DurableOrchestrationClient

    directory = app_dir.resolve()

    async def run(stream: IO[str], report: _Report) -> None:
        async with DurableOrchestrationClient.from_app_settings(directory, storage=storage) as client:
            instances = client.export_history(
                created_after,
                created_before,
                runtime_status,
                prefix,
                names=names,
                tags=dict(tags),
                completed_time_from=completed_after,
                completed_time_to=completed_before,
            )
            async with aclosing(instances):
                async for instance in instances:
                    stream.write(instance.to_line() + "\n")
                    report.add(instance)

    report = _Report()
    try:
        with _opened(output) as stream:
            asyncio.run(run(stream, report))
    except DurableError as error:
        raise click.ClickException(f"{error} ({report.count} instances were exported before.)") from error
    except BrokenPipeError:
        raise  # Who reads has had enough: click ends without a word.
    except OSError as error:
        raise click.ClickException(f"{output or 'stdout'} cannot be written: {error}.") from error
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
            click.echo(f"Instance {instance.status.instance_id!r} is damaged: {instance.status.damaged}", err=True)
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
    part = output.with_name(f"{output.name}.part")
    with part.open("w", encoding="ascii", newline="\n") as stream:
        yield stream
    part.replace(output)
