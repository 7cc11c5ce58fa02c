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
        CommandEntry("replay", "replay:replay", "Run recorded histories through the code in APP_DIR (default: here)"),
    ),
    "Check an app": (
        CommandEntry("lint", "lint:lint", "Find code in orchestrators and entities that a replay would not survive."),
    ),
    "Instances": (
        CommandEntry("list", "listing:list_instances", "List instances, the newest first."),
        CommandEntry("show", "show:show", "Show an instance: what is wrong with it, what it waits for and since when"),
        CommandEntry("history", "history:history", "Show what an orchestration did"),
        CommandEntry("logs", "logs:logs", "Show what the local host logged of an instance."),
        CommandEntry("wait", "waiting:wait", "Wait until an instance has ended, and print what it came to."),
        CommandEntry("start-new", "starting:start_new", "Start an orchestration, and print the id of the instance."),
        CommandEntry("raise-event", "steering:raise_event", "Send an external event to an instance."),
        CommandEntry("suspend", "steering:suspend", "Ask an instance to pause"),
        CommandEntry("resume", "steering:resume", "Ask a suspended instance to go on."),
        CommandEntry("terminate", "steering:terminate", "Ask an instance to end as Terminated."),
        CommandEntry("rewind", "steering:rewind", "Have a failed instance go on from where it failed."),
        CommandEntry("restart", "starting:restart", "Start an instance again with its name and input"),
        CommandEntry("purge-history", "purging:purge_history", "Delete finished instances with their histories"),
        CommandEntry("export", "export:export", "Export finished instances with their histories, as lines of JSON."),
    ),
    "Instances, as Core Tools list them": (
        CommandEntry("get-instances", "listing:get_instances", "List instances page by page"),
        CommandEntry("get-runtime-status", "status_verbs:get_runtime_status", "Show the status of an instance"),
        CommandEntry("get-history", "status_verbs:get_history", "Show the history of an instance, event by event"),
    ),
    "Entities and schedules": (
        CommandEntry("entities", "entities:entities", "Look at entities and send them operations."),
        CommandEntry("schedules", "schedules:schedules", "Look at schedules, create and change them."),
    ),
    "Task hub": (
        CommandEntry("hub", "hub:hub", "Look at task hubs, see to their keys, and delete one."),
        CommandEntry("repair", "repair:repair", "Wake instances that are stuck because messages were lost."),
        CommandEntry("delete-task-hub", "purging:delete_task_hub", "Delete the task hub"),
    ),
    "Shell": (CommandEntry("completion", "completion:completion", "Print the completion script for a shell."),),
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
