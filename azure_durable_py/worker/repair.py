"""The last resort: rings instances that should be moving and show no life (PROTOCOL R8).

Messages can be lost to people, to a queue that was deleted, or to a client that died between
insert and ring. A needless ring costs one turn that finds nothing to do.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

from azure_durable_py.models import OrchestrationRuntimeStatus
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import InstanceQuery, Kind, Listed

logger = logging.getLogger("azure_durable_py.worker")
QUIET = timedelta(minutes=10)
OVERDUE = timedelta(minutes=5)
REPAIR = "repair"
"""Why a doorbell of the scan is rung: who gets it takes over what the instance still has to hand over."""
ACTIVE = tuple(status.value for status in OrchestrationRuntimeStatus if not status.is_terminal)


async def repair(hub: TaskHub, *, quiet: timedelta = QUIET) -> int:
    """Ring every instance that is not finished, or still had something to hand over, and is quiet.

    :param quiet: how long an instance must not have changed.
    Returns how many were rung.
    """
    rung: set[str] = set()
    for kind in Kind:
        for query in (
            InstanceQuery(kind=kind, with_outbox=True, with_values=False, page_size=1000),
            InstanceQuery(kind=kind, runtime_status=ACTIVE, with_values=False, page_size=1000),
        ):
            if kind is Kind.entity and query.with_outbox is None:
                continue  # An entity without an outbox waits for nothing.
            await _ring_quiet(hub, query, quiet, rung)
    if rung:
        logger.info("Rang %d instances that showed no life.", len(rung))
    return len(rung)


async def _ring_quiet(hub: TaskHub, query: InstanceQuery, quiet: timedelta, rung: set[str]) -> None:
    token: str | None = None
    while True:
        page = await hub.retry(lambda: hub.store.query(_with_token(query, token)))  # noqa: B023 - awaited here
        for listed in page.items:
            if listed.damaged:
                logger.error(
                    "Instance %r is not looked at, as its header is damaged: %s", listed.instance_id, listed.damaged
                )
            elif listed.instance_id not in rung and _is_quiet(hub, listed, quiet):
                await hub.retry(lambda: hub.ring(listed.instance_id, REPAIR))  # noqa: B023 - awaited here
                rung.add(listed.instance_id)
        token = page.continuation_token
        if token is None:
            return


def _is_quiet(hub: TaskHub, listed: Listed, quiet: timedelta) -> bool:
    now = hub.clock.now()
    columns = listed.columns
    if now - columns.last_updated_time < quiet:
        return False
    # An instance that waits for a timer to come is as it should be; the next scan sees it overdue.
    return columns.has_outbox or columns.wake_time is None or now - columns.wake_time > OVERDUE


def _with_token(query: InstanceQuery, token: str | None) -> InstanceQuery:
    return replace(query, continuation_token=token)
