"""What the log says of entities: operations that failed and whose failure nobody else hears of."""

from __future__ import annotations

import logging

from azure_durable_py import wording
from azure_durable_py.observer import EntityTurnTaken

logger = logging.getLogger("azure_durable_py.entity")


def tell_turn(taken: EntityTurnTaken) -> None:
    """Tell what a turn has come to. A failure that a caller waits for is told where that is told of it."""
    for done in taken.operations:
        if done.failure is not None and done.caller is None:
            logger.error(
                "Operation %r of entity %s failed, and nobody waits for it: %s\n%s",
                done.operation,
                taken.instance_id,
                wording.failure(done.failure),
                wording.stack(done.failure),
                extra={
                    "entity": taken.instance_id,
                    "operation": done.operation,
                    "failure_type": done.failure.error_type,
                },
            )
    if logger.isEnabledFor(logging.DEBUG) and taken.operations:
        logger.debug(
            "A turn of entity %s took %s, with %d operations: %s.",
            taken.instance_id,
            wording.duration(taken.seconds),
            len(taken.operations),
            ", ".join(done.operation for done in taken.operations[:8]),
            extra={"entity": taken.instance_id},
        )
