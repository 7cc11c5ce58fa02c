"""The commands of `azure-durable`: their names, their order, and where each is.

Owns the table. A command's module is imported when that command is asked for, so that the help and shell completion
answer at once; `help` is the first sentence of the command's own help, which a test holds.
"""

from __future__ import annotations

import click

from azure_durable_py.cli.exits import MEANINGS
from azure_durable_py.cli.lazy import CommandEntry, LazyGroup

COMMANDS: dict[str, tuple[CommandEntry, ...]] = {
    "Run an app": (
        CommandEntry("init", "init:init", "Make a new function app in DIR (default: here)."),
        CommandEntry("start", "start:start", "Serve the function app in APP_DIR (default: here) until Ctrl+C."),
    ),
    "Instances": (
        CommandEntry("show", "show:show", "Show an instance as its rows have it: JSON, decoded, nothing left out."),
    ),
    "Task hub": (
        CommandEntry("export", "export:export", "Export finished instances with their histories, as lines of JSON."),
        CommandEntry("repair", "repair:repair", "Wake instances that are stuck because messages were lost."),
    ),
}

_EXITS = "\n".join(f"  {code.value:>3}  {meaning}" for code, meaning in MEANINGS.items())


@click.group(
    cls=LazyGroup,
    sections=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
    epilog=f"\b\nExit codes:\n{_EXITS}",
)
@click.version_option(package_name="azure-durable-py", prog_name="azure-durable")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Durable Functions in Python: run an app and look after its task hub.

    The commands work on the hub of the app in APP_DIR (default: here), or on one that is named by --storage, --hub or
    --url. `azure-durable COMMAND --help` shows what each can do, with examples.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
