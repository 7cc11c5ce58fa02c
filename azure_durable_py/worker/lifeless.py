"""The last resort: rings instances that should be moving and show no life (PROTOCOL R8).

Messages can be lost to people, to a queue that was deleted, or to a client that died between
insert and ring. A needless ring costs one turn that finds nothing to do.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.life import NEEDY, QUIET, is_in_need
from azure_durable_py.taskhub.messages import Cause
from azure_durable_py.taskhub.protocol import InstanceQuery

logger = logging.getLogger("azure_durable_py.worker")


async def ring_lifeless(hub: TaskHub, *, quiet: timedelta = QUIET) -> int:
    """Ring every instance that shows a sign of need and is quiet.

    The signs: something that it still has to hand over, an inbox row that waits, an overdue timer, a start that nobody
    has taken up. An instance that waits for an event shows none, and is left in peace. It costs one listing of the
    headers of all that is not finished or has an outbox, and one of the inboxes (a request for each 1,000 found, on
    Azure a scan of the table each, see `docs/scale.md`), and a ring for each sign.

    :param quiet: how long an instance must not have changed, or an inbox row must have waited.
    Returns how many were rung.
    """
    rung: set[str] = set()
    for query in NEEDY:
        await _ring_needy(hub, query, quiet, rung)
    for instance_id in await hub.reliable.instances_with_inbox(hub.clock.now() - quiet):
        await _ring(hub, instance_id, rung)
    if rung:
        logger.info(
            "%d %s had work and showed no life; woken again.",
            len(rung),
            "instance" if len(rung) == 1 else "instances",
        )
    return len(rung)


async def _ring_needy(hub: TaskHub, query: InstanceQuery, quiet: timedelta, rung: set[str]) -> None:
    token: str | None = None
    while True:
        page = await hub.reliable.query(replace(query, continuation_token=token))
        for listed in page.items:
            if listed.damaged:
                logger.error(
                    "Instance %r is not looked at, as its header is damaged: %s", listed.instance_id, listed.damaged
                )
            elif is_in_need(listed.columns, hub.clock.now(), quiet):
                await _ring(hub, listed.instance_id, rung)
        token = page.continuation_token
        if token is None:
            return


async def _ring(hub: TaskHub, instance_id: str, rung: set[str]) -> None:
    if instance_id not in rung:
        await hub.retry(lambda: hub.ring(instance_id, "no sign of life", Cause.repair))
        rung.add(instance_id)
