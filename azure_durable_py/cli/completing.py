"""What shell completion offers beyond the names of commands and options."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from click.shell_completion import CompletionItem

from azure_durable_py.cli.target import HubTarget

_MOST = 50
_PATIENCE = 2.0
"""Seconds after which completion gives up."""


def instance_ids(target: HubTarget, incomplete: str) -> list[CompletionItem]:
    """The ids of instances that begin so, with their orchestrators and states. Nothing, where the hub does not say."""

    async def look() -> list[CompletionItem]:
        async with target.connect() as client:
            page = await client.query_instances(instance_id_prefix=incomplete or None, page_size=_MOST)
        return [
            CompletionItem(status.instance_id, help=f"{status.name} {status.runtime_status.value}")
            for status in page.items
            if status.instance_id and status.runtime_status is not None and status.instance_id.isprintable()
        ]

    with suppress(Exception):
        return asyncio.run(asyncio.wait_for(look(), _PATIENCE))
    return []


def key_names(target: HubTarget, incomplete: str) -> list[CompletionItem]:
    """The names of keys that begin so. Nothing, where the hub does not say."""

    async def look() -> list[CompletionItem]:
        async with target.open_client() as client:
            found = await client.keys.list()
        return [CompletionItem(key.name) for key in found if key.name.startswith(incomplete)][:_MOST]

    with suppress(Exception):
        return asyncio.run(asyncio.wait_for(look(), _PATIENCE))
    return []


def schedule_ids(target: HubTarget, incomplete: str) -> list[CompletionItem]:
    """The ids of schedules that begin so, with their orchestrators and states. Nothing, where the hub does not say."""

    async def look() -> list[CompletionItem]:
        async with target.open_client() as client:
            found = await client.schedules.list(incomplete)
        return [
            CompletionItem(item.schedule_id, help=f"{item.definition.orchestrator} {item.status}")
            for item in found[:_MOST]
            if item.schedule_id.isprintable()
        ]

    with suppress(Exception):
        return asyncio.run(asyncio.wait_for(look(), _PATIENCE))
    return []
