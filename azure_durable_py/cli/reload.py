"""What `azure-durable start --reload` runs: itself, in a process that is started again at each change.

Owns what that process is called with; who watches and starts is `hosting.local.reloading`.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import click
from click.core import ParameterSource

from azure_durable_py.cli.exits import CommandError


def run_again_at_changes(app_dir: Path, host: str, port: int | None, storage: str | None) -> int:
    """Run `azure-durable start` as it was called, again at each change; returns its exit code."""
    from azure_durable_py.hosting.local.reloading import run_reloading

    if storage == "memory":
        raise click.UsageError(
            "--reload cannot be used with --storage memory: all instances would be lost at each change. Use sqlite."
        )
    if not app_dir.is_dir():
        raise CommandError(f"There is no directory {app_dir}. Give the directory of a function app.")
    command = [sys.executable, "-m", "azure_durable_py", "start", "--supervised"]
    command += _arguments(without=("reload", "port"))
    if port is not None:
        command += ["--port", str(port or _free_port(host))]
    return run_reloading(app_dir, [*command, "--", str(app_dir)])


def _arguments(without: tuple[str, ...]) -> list[str]:
    """The options of this command as they were given."""
    context = click.get_current_context()
    found: list[str] = []
    for option in context.command.params:
        name = option.name or ""
        given = context.get_parameter_source(name) is not ParameterSource.DEFAULT
        if not isinstance(option, click.Option) or not given or name in without:
            continue
        value = context.params[name]
        if option.is_flag:
            found += option.opts[-1:] if value else option.secondary_opts[-1:]
            continue
        for each in value if option.multiple else (value,):
            found += [option.opts[-1], str(each)]
    return found


def _free_port(host: str) -> int:
    """A port for the app to have again each time that it is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]
