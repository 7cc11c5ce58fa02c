"""Who is shown the virtual hubs and the players of a run, and may look at them after they are left.

Owns the list of those who watch, which is empty as a rule, and that of the hubs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from azure_durable_py.testing.virtual.hub import VirtualHub


class Player(Protocol):
    """Plays one function."""

    def tree(self) -> str:
        """What it did so far, for people."""
        ...


class Watcher(Protocol):
    """Looks at hubs that were left, and at players."""

    def playing(self, player: Player) -> None:
        """A player was made."""
        ...

    async def left(self, hub: VirtualHub) -> None:
        """A hub was left. To close its task hub, sooner or later, is the watcher's business."""
        ...


in_use: dict[VirtualHub, None] = {}
"""The hubs that are in use, in the order in which they were entered."""
_watchers: list[Watcher] = []


def watch(watcher: Watcher) -> None:
    """Have a watcher shown the hubs from now on. One that watched before sees none of them."""
    _watchers.append(watcher)


def unwatch(watcher: Watcher) -> None:
    """Have a watcher shown no more hubs."""
    _watchers.remove(watcher)


def entered(hub: VirtualHub) -> None:
    """Tell that a hub is in use."""
    in_use[hub] = None


def playing(player: Player) -> None:
    """Tell that a player was made."""
    if _watchers:
        _watchers[-1].playing(player)


async def left(hub: VirtualHub) -> None:
    """Tell that a hub was left; if nobody watches, its task hub is closed."""
    in_use.pop(hub, None)
    if _watchers:
        await _watchers[-1].left(hub)
    else:
        await hub.task_hub.close()
