"""Calls of the activities that are steps of agents, which may or may not be tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure_durable_py.retry_policy import RetryPolicy
    from azure_durable_py.runtime.context import DurableOrchestrationContext
    from azure_durable_py.runtime.tasks import Task


def call_step(context: DurableOrchestrationContext, activity: str, given: Any, retry: RetryPolicy | None) -> Task[Any]:
    """Call an activity.

    :param given: its input. :param retry: when it is tried again; None: never.
    """
    if retry is None:
        return context.call_activity(activity, given)
    return context.call_activity_with_retry(activity, retry, given)
