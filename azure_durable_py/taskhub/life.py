"""What it means that an instance shows no sign of life: from its columns alone, as a listing has them (PROTOCOL R8)."""

from __future__ import annotations

from datetime import datetime, timedelta

from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.taskhub.protocol import Columns, InstanceQuery, Kind

QUIET = timedelta(minutes=10)
"""For how long an instance must not have changed before it is looked at."""
OVERDUE = timedelta(minutes=5)
"""How late a timer is when nobody will fire it any more."""
ACTIVE = tuple(status.value for status in OrchestrationRuntimeStatus if not status.is_terminal)
NEEDY = (
    InstanceQuery(with_outbox=True, with_values=False, page_size=1000),
    InstanceQuery(runtime_status=ACTIVE, with_values=False, page_size=1000),
    # An entity without an outbox waits for nothing but its inbox.
    InstanceQuery(kind=Kind.entity, with_outbox=True, with_values=False, page_size=1000),
)
"""The listings that together have everything that may be in need."""


def is_in_need(columns: Columns, now: datetime, quiet: timedelta = QUIET) -> bool:
    """Whether an instance should be moving and is not: nothing changes, and something is to be done.

    That is something to hand over, an overdue timer, or a start that nobody has taken up. What waits in an inbox, no
    column tells.
    """
    if now - columns.last_updated_time < quiet:
        return False
    if columns.has_outbox:
        return True
    if columns.wake_time is not None:
        return now - columns.wake_time > OVERDUE
    return columns.runtime_status == OrchestrationRuntimeStatus.Pending.value
