"""Moments and failures as people read them in a finding."""

from __future__ import annotations

from datetime import datetime

from azure_durable_py.failures import FailureDetails
from azure_durable_py.logs.text import failure as failure_in_a_line
from azure_durable_py.logs.text import one_line, place
from azure_durable_py.times import UTC

REPAIR = "`azure-durable repair --quiet 0` wakes it."


def shown_moment(moment: datetime) -> str:
    """A moment in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def told_failure(failure: FailureDetails) -> str:
    """What failed and where, in one line: the innermost cause, and the place in the code of the app that raised it."""
    cause = failure
    while cause.inner_failure is not None:
        cause = cause.inner_failure
    if cause is failure:
        return failure_in_a_line(failure)
    # What wraps a failure says what failed; as a rule it repeats the cause, which says why.
    what = one_line(failure.message)
    if cause.message not in failure.message:
        return f"{what} - {failure_in_a_line(cause)}"
    where = place(cause) or place(failure)
    return what if where is None else f"{what} ({where})"
