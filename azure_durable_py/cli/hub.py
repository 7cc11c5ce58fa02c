"""`azure-durable hub ...`: the commands about a task hub as a whole.

Owns the table of them; each is in a module of its own.
"""

from __future__ import annotations

import click

from azure_durable_py.cli.lazy import CommandEntry, LazyGroup

_COMMANDS = (
    CommandEntry("show", "hub_page:show_hub", "Show the task hub: what waits in it, how it does, and what is wrong."),
    CommandEntry("list", "hub_list:list_hubs", "List the task hubs in a storage."),
    CommandEntry("keys", "keys:keys", "See and change the keys of the task hub."),
    CommandEntry("delete", "hub_page:delete_whole_hub", "Delete the task hub with all of its instances."),
)


@click.group("hub", cls=LazyGroup, sections={"Commands": _COMMANDS})
def hub() -> None:
    """Look at task hubs, see to their keys, and delete one."""
