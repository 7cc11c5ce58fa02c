"""The group of commands, and what they share.

Owns names and order; each command is in a module of its own.
"""

from __future__ import annotations

import click

from azure_durable_py.cli.export import export
from azure_durable_py.cli.init import init
from azure_durable_py.cli.repair import repair
from azure_durable_py.cli.show import show
from azure_durable_py.cli.start import start


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="azure-durable-py", prog_name="azure-durable")
def cli() -> None:
    """Durable Functions in Python: run an app and look after its task hub."""


cli.add_command(init)
cli.add_command(start)
cli.add_command(export)
cli.add_command(repair)
cli.add_command(show)
