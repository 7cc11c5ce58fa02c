"""How the bad end of an instance is told to a test: with the stacks, as Python shows them."""

from __future__ import annotations

from typing import Any, cast

from azure_durable_py.client.status import DurableOrchestrationStatus
from azure_durable_py.errors import OrchestrationFailedError
from azure_durable_py.failures import FailureDetails
from azure_durable_py.status import OrchestrationRuntimeStatus


def ending(status: DurableOrchestrationStatus) -> OrchestrationFailedError:
    """The end of an instance that has not completed, as an error that tells where it happened."""
    who, name = f"Instance {status.instance_id!r} ({status.name})", cast("Any", status.runtime_status).value
    if status.runtime_status is not OrchestrationRuntimeStatus.Failed:
        reason = f"{who} has ended as {name}: {status.output_json}"
        return OrchestrationFailedError(reason, FailureDetails(reason, name))
    failure = status.failure or FailureDetails(f"no details were kept: {status.output_json}", "")
    return OrchestrationFailedError(f"{who} failed: {failure.message}\n\n{stacks_of(failure)}".rstrip(), failure)


def stacks_of(failure: FailureDetails) -> str:
    """The stack of a failure and of what it was caused by, the innermost first."""
    chain: list[FailureDetails] = [failure]
    while chain[-1].inner_failure is not None:
        chain.append(chain[-1].inner_failure)
    return "\nThis led to:\n\n".join(
        each.stack_trace or f"{each.error_type}: {each.message}\n" for each in reversed(chain)
    )
