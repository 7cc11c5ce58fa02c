"""How a command ends: its exit code, and the one line on stderr when it did not work.

Owns the codes, and which error of the package leads to which.
"""

from __future__ import annotations

from enum import IntEnum
from typing import IO, Any

import click

from azure_durable_py.errors import (
    DurableError,
    InstanceNotFoundError,
    InvalidInstanceIdError,
    InvalidRequestError,
    KeyNotFoundError,
    ScheduleNotFoundError,
    StorageUnavailableError,
)
from azure_durable_py.escaping import escaped_lines


class ExitCode(IntEnum):
    """What the exit code of `azure-durable` says; scripts may rely on these."""

    ok = 0
    did_not_work = 1
    wrong_usage = 2
    not_found = 3
    instance_failed = 4
    timed_out = 5
    instance_terminated = 6
    diverged = 7
    interrupted = 130
    nobody_reads = 141


MEANINGS: dict[ExitCode, str] = {
    ExitCode.ok: "It worked.",
    ExitCode.did_not_work: "It did not work; stderr says why, and what to do.",
    ExitCode.wrong_usage: "It was called wrongly.",
    ExitCode.not_found: "There is no such instance, entity, schedule, key or task hub.",
    ExitCode.instance_failed: "The instance that was waited for has failed.",
    ExitCode.timed_out: "What was waited for has not come in time.",
    ExitCode.instance_terminated: "The instance that was waited for was terminated or canceled.",
    ExitCode.diverged: "A recorded history is not what today's code does, or cannot be read.",
    ExitCode.interrupted: "It was interrupted (Ctrl+C).",
    ExitCode.nobody_reads: "Who read the output went away.",
}


class CommandError(click.ClickException):
    """A command did not work. `message` says what was wrong and the mend, in plain sentences.

    :param code: the exit code.
    """

    def __init__(self, message: str, code: ExitCode = ExitCode.did_not_work) -> None:
        super().__init__(message)
        self.code = code

    def show(self, file: IO[Any] | None = None) -> None:
        """Tell it: in one line, unless it quotes a stack."""
        click.echo(f"Error: {escaped_lines(self.format_message())}", file=file, err=file is None)


def as_command_error(error: BaseException) -> CommandError | None:
    """What a command ends with because of an error; None where the error is a defect of ours."""
    if isinstance(error, CommandError):
        return error
    if isinstance(error, click.UsageError):
        where = f" See `{error.ctx.command_path} --help`." if error.ctx is not None else ""
        message = error.format_message().rstrip(".")
        end = "" if message.endswith(("?", "!")) else "."
        return CommandError(f"{message}{end}{where}", ExitCode.wrong_usage)
    if isinstance(error, click.ClickException):
        return CommandError(error.format_message(), ExitCode(error.exit_code))
    if isinstance(error, (InstanceNotFoundError, ScheduleNotFoundError, KeyNotFoundError)):
        return CommandError(str(error), ExitCode.not_found)
    if isinstance(error, (InvalidInstanceIdError, InvalidRequestError)):
        return CommandError(str(error), ExitCode.wrong_usage)
    # A request that is out of time is trouble with storage; a wait that is, is what was asked for.
    if isinstance(error, TimeoutError) and not isinstance(error, DurableError):
        return CommandError(str(error) or "It took too long.", ExitCode.timed_out)
    if isinstance(error, StorageUnavailableError) and "Cannot connect" in str(error):
        return CommandError(
            f"{error}. Start it (Azurite: `npx azurite`), correct the connection, or name another storage with "
            "--storage."
        )
    return CommandError(str(error)) if isinstance(error, DurableError) else None
