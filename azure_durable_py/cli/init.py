"""`azure-durable init`: a new function app that runs, with a test."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from azure_durable_py.cli.examples import examples
from azure_durable_py.cli.new_app import TEMPLATES, NewApp, make_app

_WIDTH = max(map(len, TEMPLATES))
_EPILOG = "\n".join(
    [
        "\b\nTemplates:",
        *(f"  {name.ljust(_WIDTH)}  {what}" for name, what in TEMPLATES.items()),
        "",
        examples("azure-durable init shop", "azure-durable init approvals --template human-approval"),
    ]
)


@click.command(epilog=_EPILOG)
@click.argument("directory", metavar="[DIR]", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option(
    "--template", type=click.Choice(list(TEMPLATES)), default="hello", show_default=True, help="What the app does."
)
@click.option("--keep-existing", is_flag=True, help="Leave files that are there as they are, and make the others.")
def init(directory: Path, template: str, keep_existing: bool) -> None:
    """Make a new function app in DIR (default: here): functions, settings, and a test that passes.

    Nothing is overwritten. If a file is in the way, nothing is written at all.
    """
    made = make_app(directory, template, keep_existing=keep_existing)
    click.echo(_told(made, directory))


def _told(made: NewApp, given: Path) -> str:
    lines = [f"Made an app in {made.directory}:", "", *(f"    {name}" for name in made.written)]
    if made.kept:
        lines += ["", "Left as they were:", "", *(f"    {name}" for name in made.kept)]
    here = made.directory == Path.cwd()
    steps = [] if here else [f"cd {_quoted(given)}"]
    steps += ["pip install -r requirements-dev.txt", "pytest", "azure-durable start --reload"]
    return "\n".join(
        [*lines, "", "Next:", "", *(f"    {step}" for step in steps), "", "README.md tells what to ask it."]
    )


def _quoted(directory: Path) -> str:
    text = str(directory)
    if sys.platform == "win32":
        return f'"{text}"' if " " in text else text
    return shlex.quote(text)
