"""`azure-durable logs`: what the local host of an app has logged of an instance."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import click

from azure_durable_py.cli.examples import examples
from azure_durable_py.cli.exits import CommandError, ExitCode
from azure_durable_py.cli.output import Cell, Output, Styled, encoded_time, with_output
from azure_durable_py.cli.target import INSTANCE, HubTarget, about_hub
from azure_durable_py.times import UTC

_STYLES = {"WARN": "yellow", "ERROR": "bold red", "FATAL": "bold red"}
_LEVELS = {"debug": 5, "info": 9, "warning": 13, "error": 17}
"""Numbers of severity in OpenTelemetry's log model."""
_NAMES = ("instance_id", "entity")
"""Attributes that name the instance which a record is about."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One record of the log."""

    time: datetime
    level: str
    severity: int
    logger: str
    message: str
    attributes: dict[str, Any]


@click.command(
    epilog=examples("azure-durable logs order-17", "azure-durable logs order-17 --level warning --json ./my-app")
)
@about_hub(INSTANCE)
@click.option(
    "--level", type=click.Choice(list(_LEVELS)), default="debug", show_default=True, help="Of this level or above."
)
@with_output
def logs(target: HubTarget, out: Output, instance_id: str, level: str) -> None:
    """Show what the local host logged of an instance.

    `azure-durable start` keeps the newest 16 MB of its log in .azure-durable/logs of the app. Under a Functions host
    there is no such file: its log is where the host sends it, such as Application Insights.
    """
    from azure_durable_py.hosting.local.log_file import log_files

    if target.url is not None:
        raise CommandError(
            "The log is on the machine of the host. Leave out --url, and name the app's directory there.",
            ExitCode.wrong_usage,
        )
    files = log_files(target.app_dir)
    if not files:
        raise CommandError(
            f"There is no log in {target.app_dir}: only `azure-durable start` keeps one. Under a Functions host, look "
            "where that sends its log.",
            ExitCode.not_found,
        )
    lines = [line for line in _lines(files, instance_id) if line.severity >= _LEVELS[level]]
    if out.as_json:
        out.json([_as_json(line) for line in lines])
    else:
        out.table(
            ("TIME", "LEVEL", "MESSAGE"),
            [_row(out, line) for line in lines],
            empty=f"Nothing was logged of instance {instance_id!r}, or it was longer ago than the log goes back.",
        )


def _lines(files: list[Path], instance_id: str) -> Iterator[LogLine]:
    # Most lines are about others: to look for the id as it is written is much quicker than to read them all.
    quoted = json.dumps(instance_id).encode("ascii")
    for file in files:
        with file.open("rb") as stream:
            for text in stream:
                line = _read(text) if quoted in text else None
                if line is not None and instance_id in (
                    line.attributes.get("instance_id"),
                    line.attributes.get("entity"),
                ):
                    yield line


def _read(text: bytes) -> LogLine | None:
    """A line of the log; None if it is none, such as the last one of a process that was killed."""
    try:
        record = cast("dict[str, Any]", json.loads(text))
        return LogLine(
            time=_EPOCH + timedelta(microseconds=int(record["Timestamp"]) // 1000),
            level=str(record["SeverityText"]),
            severity=int(record["SeverityNumber"]),
            logger=str(record["InstrumentationScope"]["Name"]),
            message=str(record["Body"]),
            attributes=dict(record["Attributes"]),
        )
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def _as_json(line: LogLine) -> dict[str, Any]:
    return {
        "time": encoded_time(line.time),
        "level": line.level,
        "logger": line.logger,
        "message": line.message,
        "attributes": line.attributes,
    }


def _row(out: Output, line: LogLine) -> tuple[Cell, ...]:
    from azure_durable_py.cli.moments import shown_locally

    when: Cell = shown_locally(line.time, in_utc=out.in_utc) if out.on_terminal else line.time
    return when, Styled(line.level, _STYLES.get(line.level, "")), line.message
