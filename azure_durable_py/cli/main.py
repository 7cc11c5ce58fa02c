"""Entry point of the command line `azure-durable`.

Owns the message for an installation without the `local` extra; the commands are beside.
"""

from __future__ import annotations

import sys

_EXTRA = ("click", "rich", "aiohttp")


def main() -> None:
    """Run the command line; ends the process with one of the codes in `exits`."""
    try:
        from azure_durable_py.cli.commands import cli

        cli(prog_name="azure-durable")
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        sys.exit(f"Error: the command line needs {error.name}. Install it with: pip install 'azure-durable-py[local]'")
    except KeyboardInterrupt:
        sys.exit(130)
