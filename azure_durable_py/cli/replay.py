"""`azure-durable replay`: recorded histories, run through today's code of an app."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing, redirect_stdout
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from azure_durable_py.cli.examples import examples
from azure_durable_py.cli.exits import CommandError, ExitCode
from azure_durable_py.cli.moments import MOMENT
from azure_durable_py.cli.output import Output, with_output, write_line
from azure_durable_py.cli.running import run
from azure_durable_py.cli.target import HubTarget, about_hub
from azure_durable_py.cli.values import STATUSES, every
from azure_durable_py.escaping import escaped
from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.times import utc
from azure_durable_py.wording import duration

if TYPE_CHECKING:
    from azure_durable_py.client.export import ExportedInstance
    from azure_durable_py.testing.replaying.recordings import Recording
    from azure_durable_py.testing.replaying.replayer import Replayer
    from azure_durable_py.testing.replaying.verdicts import Replayed

_SECONDS_BETWEEN_REPORTS = 2.0
_MOST_NAMED = 100
"""Histories that JSON names of those that show the same."""


@click.command(
    epilog=examples(
        "azure-durable replay --history histories/",
        "azure-durable replay ./my-app --history 'exports/*.jsonl' --name order",
        "azure-durable replay --runtime-status Running --storage AzureWebJobsStorage",
    )
)
@about_hub()
@click.option(
    "--history",
    "histories",
    multiple=True,
    metavar="FILE",
    help="Lines of an export: a file, a directory (all *.jsonl below it), a pattern, or - for stdin. Default: the "
    "instances of the task hub.",
)
@click.option("--name", "names", multiple=True, help="Of this orchestrator.")
@click.option("--prefix", metavar="TEXT", help="The instance id begins with this.")
@click.option("--runtime-status", multiple=True, type=STATUSES, metavar="STATUS", help="Running, Completed ...")
@click.option("--created-after", type=MOMENT, metavar="TIME", help="Created then or later.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most so many histories.")
@click.option(
    "--as-durable-functions",
    is_flag=True,
    help="Serve `import azure.durable_functions` by this package, for an app that is not to be edited.",
)
@click.option(
    "--allow-changed-inputs",
    is_flag=True,
    help="Count a call with another input than was recorded as changed, and not as diverged.",
)
@click.option("--fail-on-change", is_flag=True, help="Count what is changed as a failure.")
@with_output
def replay(
    target: HubTarget,
    out: Output,
    histories: tuple[str, ...],
    names: tuple[str, ...],
    prefix: str | None,
    runtime_status: tuple[tuple[str, ...], ...],
    created_after: datetime | None,
    limit: int | None,
    as_durable_functions: bool,
    allow_changed_inputs: bool,
    fail_on_change: bool,
) -> None:
    """Run recorded histories through the code in APP_DIR (default: here), and tell what it does otherwise.

    Only orchestrators run: no activity, nothing of the task hub is changed. Without --history it is the instances of
    the task hub, those that run included: what would come of them if this code was deployed.

    Diverged: an instance in flight would fail, or take the answer to the recorded input of a call for that to another.
    Changed: it would not be hurt. Another end or last step of an instance that has finished, another time of a timer,
    other data sent, a further field in an input. The exit code is 7 if one is diverged or cannot be replayed.
    """
    if histories and (target.storage or target.hub_name or target.url):
        raise click.UsageError("--history and a task hub contradict each other: give one of them.")
    wanted = _Wanted(names, prefix, every(runtime_status), created_after, limit or sys.maxsize)
    told = _Told(out, fail_on_change=fail_on_change)
    load = partial(_replayer, target, as_durable_functions=as_durable_functions, allow_changed=allow_changed_inputs)
    run(_replay(target, histories, wanted, told, load))
    told.end()
    if histories and not told.tally.histories:
        # A check in CI that looks at nothing is to be told from one that passes.
        raise CommandError("Nothing was replayed: --history names no history, or the other options let none pass.")
    if told.failures:
        raise CommandError(
            f"{told.failures} of {told.tally.histories} histories are not what this code does.", ExitCode.diverged
        )


async def _replay(
    target: HubTarget, histories: Sequence[str], wanted: _Wanted, told: _Told, load: Callable[[], Replayer]
) -> None:
    """Replay what there is to replay; on the event loop, so that the hub can be read meanwhile."""
    from azure_durable_py.testing.replaying.recordings import Recording

    with load() as replayer:
        if histories:
            for recording in wanted.of(_recorded(histories)):
                told.add(_replayed(replayer, recording))
            return
        async with target.open_client() as client:
            instances = client.export_history(
                wanted.created_after,
                None,
                wanted.statuses or list(OrchestrationRuntimeStatus),
                wanted.prefix,
                names=wanted.names,
            )
            async with aclosing(instances):
                async for instance in instances:
                    if told.tally.histories == wanted.limit:
                        break
                    told.add(_replayed(replayer, Recording("", instance)))


def _replayed(replayer: Replayer, recording: Recording) -> Replayed:
    """What comes of a recording. What the code prints goes to stderr: stdout is for what the command prints."""
    with redirect_stdout(sys.stderr):
        return replayer.replay(recording)


def _replayer(target: HubTarget, *, as_durable_functions: bool, allow_changed: bool) -> Replayer:
    """What replays with the code in a directory.

    :raises DurableError: there is no app, or it cannot be loaded.
    """
    from azure_durable_py.appsettings import app_settings, read_host_json, read_local_settings
    from azure_durable_py.hosting.local.loading import check_app_dir, load_app
    from azure_durable_py.settings import Settings
    from azure_durable_py.stand_in import install_as_durable_functions
    from azure_durable_py.testing.replaying.replayer import Replayer

    if as_durable_functions:
        install_as_durable_functions()
    values = app_settings(read_local_settings(target.app_dir), os.environ)
    source = check_app_dir(target.app_dir, values)
    settings = Settings.from_host_json(read_host_json(target.app_dir, values), values)
    # As a host does it: user code reads settings there, and finds its files here.
    os.environ.update(values)
    before = Path.cwd()
    os.chdir(target.app_dir)
    try:
        with redirect_stdout(sys.stderr):
            app = load_app(source)
    finally:
        os.chdir(before)
    return Replayer(app.registry, settings, allow_changed_inputs=allow_changed)


def _recorded(histories: Sequence[str]) -> Iterator[Recording]:
    """The recordings of files, or of stdin.

    :raises CommandError: a file is not there, or cannot be read.
    """
    from azure_durable_py.testing.replaying.recordings import recordings, recordings_of_lines

    for history in histories:
        try:
            yield from recordings_of_lines(sys.stdin.buffer, "stdin") if history == "-" else recordings(Path(history))
        except OSError as error:
            raise CommandError(str(error)) from error


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which histories are replayed, and how many at most."""

    names: tuple[str, ...]
    prefix: str | None
    statuses: tuple[str, ...]
    created_after: datetime | None
    limit: int

    def of(self, recordings: Iterator[Recording]) -> Iterator[Recording]:
        """Those of some recordings. What cannot be read may be one of them."""
        return islice((one for one in recordings if one.instance is None or self._has(one.instance)), self.limit)

    def _has(self, instance: ExportedInstance) -> bool:
        status = instance.status
        state = status.runtime_status
        if self.names and status.name not in self.names:
            return False
        if self.statuses and (state is None or state.value not in self.statuses):
            return False
        if self.prefix and not (status.instance_id or "").startswith(self.prefix):
            return False
        created = status.created_time
        return self.created_after is None or created is None or utc(created) >= self.created_after


class _Told:
    """Tells what is not the same as it is found, how far it is on stderr, and the sums at the end."""

    def __init__(self, out: Output, *, fail_on_change: bool) -> None:
        from azure_durable_py.testing.replaying.report import Tally

        self.tally = Tally()
        self.failures = 0
        self._out = out
        self._fail_on_change = fail_on_change
        self._found: dict[object, _Found] = {}
        self._began = time.monotonic()
        self._next = self._began + _SECONDS_BETWEEN_REPORTS

    def add(self, replayed: Replayed) -> None:
        """Count one, and tell of it unless it is the same."""
        from azure_durable_py.testing.replaying.verdicts import Verdict

        self.tally.add(replayed)
        is_change = replayed.verdict is Verdict.changed
        self.failures += replayed.is_failure or (is_change and self._fail_on_change)
        if replayed.verdict is not Verdict.same:
            self._tell(replayed)
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _SECONDS_BETWEEN_REPORTS
            write_line(sys.stderr, escaped(f"Replayed {self.tally.histories} histories so far."))

    def _tell(self, replayed: Replayed) -> None:
        """Tell of what is not the same: once, however many histories show it."""
        known = self._found.get(replayed.kind)
        if known is not None:
            known.add(replayed)
            return
        self._found[replayed.kind] = _Found(replayed)
        if not self._out.as_json:
            self._out.block(str(replayed))
            self._out.line("")

    def end(self) -> None:
        """Tell the sums."""
        from azure_durable_py.testing.replaying.report import in_all
        from azure_durable_py.testing.replaying.verdicts import Verdict

        tally, seconds = self.tally, time.monotonic() - self._began
        counted = [verdict for verdict in Verdict if tally.verdicts[verdict]]
        if self._out.as_json:
            self._out.json(
                {
                    "histories": tally.histories,
                    "events": tally.events,
                    "failures": self.failures,
                    "verdicts": {verdict.value: tally.verdicts[verdict] for verdict in counted},
                    "orchestrators": {
                        name: {verdict.value: counts[verdict] for verdict in counted if counts[verdict]}
                        for name, counts in sorted(tally.by_orchestrator.items())
                    },
                    "found": [found.to_json() for found in self._found.values()],
                }
            )
            return
        for found in self._found.values():
            if found.count > 1:
                self._out.line(in_all(found.first, found.count))
        rows = [
            (name or None, sum(counts.values()), *(counts[verdict] for verdict in counted))
            for name, counts in sorted(tally.by_orchestrator.items())
        ]
        titles = ("ORCHESTRATOR", "HISTORIES", *(verdict.value.upper() for verdict in counted))
        self._out.table(titles, rows, empty="There are no histories to replay.")
        self._out.note(f"Replayed in {duration(seconds)} {tally}.")


class _Found:
    """What one or more histories of an orchestrator show."""

    def __init__(self, first: Replayed) -> None:
        self.first = first
        self._histories: list[dict[str, str | None]] = []
        self.count = 0
        self.add(first)

    def add(self, replayed: Replayed) -> None:
        """Another one shows it."""
        self.count += 1
        if self.count <= _MOST_NAMED:
            recording = replayed.recording
            state = recording.runtime_status
            self._histories.append(
                {
                    "instanceId": recording.instance_id,
                    "runtimeStatus": None if state is None else state.value,
                    "place": recording.place or None,
                }
            )

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        replayed = self.first
        return {
            "verdict": replayed.verdict.value,
            "isFailure": replayed.is_failure,
            "name": replayed.recording.name,
            "message": replayed.message,
            "count": self.count,
            "histories": self._histories,
        }
