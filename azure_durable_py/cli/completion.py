"""`azure-durable completion`: prints the script that makes a shell complete commands, options and ids."""

from __future__ import annotations

import click

from azure_durable_py.cli.examples import examples

_NAME, _VARIABLE = "azure-durable", "_AZURE_DURABLE_COMPLETE"


@click.command(
    epilog=examples(
        "azure-durable completion bash > ~/.local/share/bash-completion/completions/azure-durable",
        "azure-durable completion zsh > ~/.zfunc/_azure-durable",
        "azure-durable completion fish > ~/.config/fish/completions/azure-durable.fish",
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    It completes commands, options, states and the ids of instances. bash needs version 4.4 or later.
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(ctx.find_root().command, {}, _NAME, _VARIABLE).source())
