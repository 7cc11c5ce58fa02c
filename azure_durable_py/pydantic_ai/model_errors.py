"""Errors of models, on their way from an activity to the orchestrator.

In the activity they become failures that say whether another attempt is worth it. In the orchestrator they are errors
of the framework again, so that what handles those - a fallback, a hook - goes on doing so. What crosses is the kind of
the error and its plain facts. Bodies and headers of answers stay behind: nobody knows what is in them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, cast

from pydantic import TypeAdapter
from pydantic_ai.durable_exec._utils import mark_streamed_before_failing, streamed_before_failing
from pydantic_ai.exceptions import (
    FallbackExceptionGroup,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelContextWindowExceededError,
    ModelHTTPError,
    ModelNotFoundError,
    ModelOverloadedError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    ModelRequestTimeout,
    ModelServerError,
    ModelTimeoutError,
    ModelUnavailableError,
    RetryModelRequest,
)
from pydantic_ai.messages import ModelResponse

from azure_durable_py.agents.model_errors import activity_error, provider_error
from azure_durable_py.errors import ActivityError, TaskFailedError
from azure_durable_py.failures import MAX_FAILURE_CHARS, FailureDetails, qualified_name

# The nearest kind first: an error is told as the first of which it is an instance.
_KINDS: tuple[type[ModelAPIError], ...] = (
    ModelRequestTimeout,
    ModelTimeoutError,
    ModelConnectionError,
    ModelContextWindowExceededError,
    ModelAuthenticationError,
    ModelNotFoundError,
    ModelRequestRejectedError,
    ModelOverloadedError,
    ModelUnavailableError,
    ModelServerError,
    ModelQuotaExceededError,
    ModelRateLimitError,
)
_BY_NAME = {kind.__name__: kind for kind in _KINDS}
_HOPELESS = (ModelQuotaExceededError, ModelRequestTimeout, ModelRequestRejectedError)
"""Another attempt would end like this one, whatever the status says: a person has to mend it first."""
_MAX_MESSAGE_CHARS = 4_000
_response = TypeAdapter(ModelResponse)


class AgentStepError(ActivityError):
    """A step of an agent failed with an error that the framework is to get back in the orchestrator.

    Its `details` have the type of that error, and as their message the facts to make it of, as JSON.
    """

    def __init__(self, failure: ActivityError, cause: BaseException, facts: dict[str, Any]) -> None:
        super().__init__(str(failure), retryable=failure.retryable, retry_after=failure.retry_after)
        bases = tuple(qualified_name(base) for base in type(cause).__mro__[1:] if issubclass(base, Exception))
        text = json.dumps(facts, separators=(",", ":"))
        self.details = FailureDetails(text, qualified_name(type(cause)), base_types=bases)


@dataclass(frozen=True, slots=True)
class _Facts:
    """The plain facts of a model's error."""

    kind: str | None
    message: str
    model_name: str
    status_code: int | None = None
    provider_error_code: str | None = None
    provider_error_type: str | None = None
    retry_after: float | None = None
    in_stream: bool = False
    timeout: float | None = None


def model_error(error: ModelAPIError) -> AgentStepError:
    """What an activity raises for an error of a model: after the `except` block, for the error may hold secrets."""
    status = error.status_code if isinstance(error, ModelHTTPError) else None
    headers = dict(error.headers or {}) if isinstance(error, ModelHTTPError) else {}
    if error.retry_after is not None:
        headers = {"retry-after-ms": str(round(error.retry_after * 1000))}
    failure = activity_error(error, status, headers)
    if isinstance(error, _HOPELESS):
        failure = ActivityError(str(failure), retryable=False)
    facts = asdict(
        _Facts(
            next((kind.__name__ for kind in _KINDS if isinstance(error, kind)), None),
            str(failure)[:_MAX_MESSAGE_CHARS],
            error.model_name,
            status,
            error.provider_error_code,
            error.provider_error_type,
            error.retry_after,
            error.in_stream,
            error.timeout if isinstance(error, ModelRequestTimeout) else None,
        )
    )
    streamed = streamed_before_failing(error)
    return AgentStepError(failure, error, {**facts, **({"streamed": _fitting(streamed)} if streamed else {})})


def _fitting(response: ModelResponse) -> Any:
    """What a stream produced before it failed; of a long one, what it used up."""
    found = _response.dump_python(response, mode="json")
    if len(json.dumps(found)) > MAX_FAILURE_CHARS - 2 * _MAX_MESSAGE_CHARS:
        short = ModelResponse(parts=[], usage=response.usage, model_name=response.model_name)
        found = _response.dump_python(short, mode="json")
    return found


def group_error(group: FallbackExceptionGroup) -> ActivityError:
    """What an activity raises when each of several models failed: it is worth another attempt if one of them is."""
    failures = [
        model_error(error) if isinstance(error, ModelAPIError) else provider_error(error) for error in group.exceptions
    ]
    waits = [failure.retry_after for failure in failures if failure.retryable]
    return ActivityError(
        f"{group.message}: {'; '.join(str(failure) for failure in failures)}",
        retryable=bool(waits),
        # The first that can be asked again is.
        retry_after=None if None in waits else min((wait for wait in waits if wait is not None), default=None),
    )


def retry_request(error: RetryModelRequest) -> ActivityError:
    """What an activity raises for a hook that wants another attempt of a model request."""
    if error.model is not None and not isinstance(error.model, str):
        return ActivityError(
            "A hook that runs as an activity can ask for another model only by its name: register the instance with "
            "AzureDurability(models=...), and give its key.",
            retryable=False,
        )
    with_model = f" with {error.model}" if error.model else ""
    failure = ActivityError(f"A hook asks for another attempt of the model request{with_model}.", retryable=False)
    return AgentStepError(failure, error, {"retry": error.model})


def rebuilt(error: TaskFailedError) -> BaseException:
    """The framework's error that a step failed with, or the failure itself if it was none."""
    failure = error.details
    if failure.error_type != qualified_name(AgentStepError) or failure.inner_failure is None:
        return error
    try:
        facts: Any = json.loads(failure.inner_failure.message)
    except ValueError:
        return error
    if not isinstance(facts, dict):
        return error
    known = cast("dict[str, Any]", facts)
    return RetryModelRequest(known["retry"]) if "retry" in known else _model_error(known)


def _model_error(facts: dict[str, Any]) -> ModelAPIError:
    # What a later version adds is left out; what it does not write has a default.
    known: dict[str, Any] = {"kind": None, "message": "", "model_name": ""}
    known.update((name, facts[name]) for name in _Facts.__slots__ if name in facts)
    error = _of_kind(_Facts(**known))
    if facts.get("streamed") is not None:
        mark_streamed_before_failing(error, _response.validate_python(facts["streamed"]))
    return error


def _of_kind(facts: _Facts) -> ModelAPIError:
    kind = _BY_NAME.get(facts.kind or "")
    if kind is not None and issubclass(kind, ModelRequestTimeout):
        return ModelRequestTimeout(facts.model_name, facts.timeout or 0.0)
    plain: dict[str, Any] = {
        "provider_error_code": facts.provider_error_code,
        "provider_error_type": facts.provider_error_type,
        "retry_after": facts.retry_after,
        "in_stream": facts.in_stream,
    }
    if facts.status_code is None:
        return (kind or ModelAPIError)(facts.model_name, facts.message, **plain)
    error = ModelHTTPError.for_category(
        cast("Any", kind), status_code=facts.status_code, model_name=facts.model_name, **plain
    )
    error.message = facts.message
    error.args = (facts.message,)
    return error
