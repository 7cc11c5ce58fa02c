"""A group of commands that are imported only when they are asked for.

Owns how the list of commands is shown, and how every command ends: with a documented exit code, one line on stderr,
and never a traceback for what people do to it.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import click

from azure_durable_py.cli.exits import CommandError, ExitCode, as_command_error

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class CommandEntry(NamedTuple):
    """A command: its name, its `module:attribute` below `azure_durable_py.cli`, and what the list says of it."""

    name: str
    place: str
    help: str


class LazyGroup(click.Group):
    """A group that knows its commands by a table, and imports the one that is asked for.

    :param sections: the commands by the title above them, in the order in which the help lists them.
    """

    def __init__(self, *args: Any, sections: Mapping[str, Sequence[CommandEntry]] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sections = sections or {}
        self.entries = {entry.name: entry for entries in self._sections.values() for entry in entries}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return [*self.entries, *(name for name in super().list_commands(ctx) if name not in self.entries)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command by its name; None if there is none."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = entry.place.partition(":")
        found: click.Command = getattr(importlib.import_module(f"{__package__}.{module}"), attribute)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that arguments begin with; an unknown one is told with the near names."""
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            self._unknown(ctx, args[0])
        return super().resolve_command(ctx, args)

    def _unknown(self, ctx: click.Context, name: str) -> NoReturn:
        import difflib

        near = difflib.get_close_matches(name, self.list_commands(ctx), n=2)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise click.UsageError(f"There is no command {name!r}.{hint}", ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by section, without importing one."""
        del ctx
        widest = max((len(name) for name in self.entries), default=0)
        for section, entries in self._sections.items():
            with formatter.section(section):
                formatter.write_dl([(entry.name.ljust(widest), entry.help) for entry in entries])

    def main(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command; ends the process with one of `ExitCode` unless `standalone_mode` is off."""
        call = super().main
        if not standalone_mode:
            return call(args, prog_name, complete_var, standalone_mode=False, **extra)
        _have_streams()
        sys.exit(_ended(lambda: call(args, prog_name, complete_var, standalone_mode=False, **extra)))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that the arguments name."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            _say_no_more()
            raise click.exceptions.Exit(int(ExitCode.nobody_reads)) from None
        return result


def _have_streams() -> None:
    """Have output that was closed (`>&-`) go nowhere, and not into the file that is opened next under its number."""
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - until the process ends
    if sys.stderr is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - as above


def _ended(run: Callable[[], Any]) -> int:
    """The exit code of a command; what went wrong is told on stderr."""
    try:
        code = run()
        sys.stdout.flush()
    except (click.Abort, KeyboardInterrupt):
        return int(ExitCode.interrupted)
    except BrokenPipeError:
        _say_no_more()
        return int(ExitCode.nobody_reads)
    except Exception as error:
        told = _unwritten(error) or as_command_error(error)
        if told is None:
            raise
        told.show()
        return int(told.code)
    return code if isinstance(code, int) else int(ExitCode.ok)


def _unwritten(error: Exception) -> CommandError | None:
    """What to tell where there was no room for the output; None: that was not it."""
    if not isinstance(error, OSError) or error.errno not in _FULL:
        return None
    _say_no_more()
    return CommandError(f"The output cannot be written: {error}.")


def _say_no_more() -> None:
    """Have what is still buffered go nowhere: the interpreter flushes it when it ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # There is no file behind it.
        sys.stdout = None  # type: ignore[assignment]
