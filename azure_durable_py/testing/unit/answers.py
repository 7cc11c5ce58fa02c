"""What a test says came of a call, as the event that an engine would have made of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from azure_durable_py.durable_http import DurableHttpRequest, DurableHttpResponse
from azure_durable_py.errors import HttpRequestError
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import (
    Answer,
    Decision,
    EntityLockGranted,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    SubOrchestrationCompleted,
    SubOrchestrationCreated,
    SubOrchestrationFailed,
    TaskCompleted,
    TaskFailed,
)
from azure_durable_py.serialization.converter import DataConverter
from azure_durable_py.shortening import shorten
from azure_durable_py.testing.virtual.at_once import at_once
from azure_durable_py.testing.virtual.scripted_http import ScriptedTransport
from azure_durable_py.worker.http.activity import http_activity


def completed(decision: Decision, now: datetime, result: Any, converter: DataConverter) -> Answer:
    """The answer to a call that returned.

    :raises SerializationError: the result is not JSON.
    """
    number = decision.id
    match decision:
        case EntityLockRequested(instance_id=entity, section=section):
            return EntityLockGranted(now, number, entity, section)
        case SubOrchestrationCreated():
            return SubOrchestrationCompleted(now, number, converter.serialize(result))
        case EntityOperationCalled():
            return EntityOperationCompleted(now, number, None if result is None else converter.serialize(result))
        case _:
            return TaskCompleted(now, number, converter.serialize(result))


def responded(
    decision: Decision,
    now: datetime,
    request: DurableHttpRequest,
    response: DurableHttpResponse,
    converter: DataConverter,
) -> Answer:
    """The answer to an HTTP call. One that the call's retry options ask to try again is a failure.

    :raises TypeError: the response is none.
    """
    if not isinstance(response, DurableHttpResponse):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"An HTTP call is completed with a DurableHttpResponse(status_code, headers, content), not with "
            f"{type(response).__name__}. One that got no answer fails: fail(call, HttpRequestError(...))."
        )
    make_request = http_activity(ScriptedTransport(lambda _: response)).function
    try:
        plain = at_once(lambda: make_request(request.to_plain()))
    except HttpRequestError as error:
        return failed(decision, now, FailureDetails.from_exception(error))
    return TaskCompleted(now, decision.id, converter.serialize(plain))


def failed(decision: Decision, now: datetime, failure: FailureDetails) -> Answer:
    """The answer to a call that failed."""
    details, number = shorten(failure), decision.id
    match decision:
        case SubOrchestrationCreated():
            return SubOrchestrationFailed(now, number, details)
        case EntityOperationCalled():
            return EntityOperationFailed(now, number, details)
        case _:
            return TaskFailed(now, number, details)
