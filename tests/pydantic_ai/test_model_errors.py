"""Errors of models: which are tried again and when, and what the code of the orchestrator gets to see."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.durable_exec._utils import mark_streamed_before_failing, streamed_before_failing
from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelHTTPError,
    ModelOverloadedError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    ModelRequestTimeout,
    ModelServerError,
    ModelTimeoutError,
    RetryModelRequest,
    UnexpectedModelBehavior,
    UserError,
)
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models.fallback import FallbackModel

import azure_durable_py as df
from azure_durable_py.failures import FailureDetails, qualified_name
from azure_durable_py.pydantic_ai import AzureDurability
from azure_durable_py.pydantic_ai.model_errors import AgentStepError, model_error, rebuilt, retry_request
from tests.pydantic_ai.scripted import ScriptedModel, app_of, asking, call, environment

BUSY = ModelHTTPError.for_category(ModelRateLimitError, status_code=429, model_name="m")
REFUSED = ModelHTTPError.for_category(ModelAuthenticationError, status_code=401, model_name="m")


class BrokenClientError(Exception):
    """What a client of HTTP raises that is nothing of Python's."""


class Clock:
    """Raises an error until a moment of the test's time."""

    def __init__(self, error: Exception, minutes: float) -> None:
        self.error = error
        self.until = timedelta(minutes=minutes)
        self.env: Any = None
        self.begun: datetime | None = None
        self.tries: list[timedelta] = []

    def __call__(self, messages: Any) -> str:
        self.begun = self.begun or self.env.now
        self.tries.append(self.env.now - self.begun)
        if self.tries[-1] < self.until:
            raise self.error
        return "here I am"


def test_a_provider_that_is_busy_for_ten_minutes_is_asked_again_until_it_answers():
    busy = Clock(BUSY, minutes=10)
    agent = Agent(ScriptedModel(busy), name="agent", capabilities=[AzureDurability()])
    with environment(asking(agent)) as env:
        busy.env = env
        run = env.start("ask", "Hello?")
        assert run.result() == "here I am"
        assert [step.name for step in run.calls()] == ["agent__model.request"]
    assert len(busy.tries) == 15
    assert timedelta(minutes=10) <= busy.tries[-1] < timedelta(minutes=11)


def test_a_provider_that_says_when_to_come_again_is_not_asked_before():
    error = ModelHTTPError.for_category(
        ModelRateLimitError, status_code=429, model_name="m", headers={"Retry-After": "600"}
    )
    busy = Clock(error, minutes=10)
    agent = Agent(ScriptedModel(busy), name="agent", capabilities=[AzureDurability()])
    with environment(asking(agent)) as env:
        busy.env = env
        assert env.start("ask", "Hello?").result() == "here I am"
    assert [tried >= timedelta(minutes=10) for tried in busy.tries] == [False, True]


def test_a_refused_request_is_not_made_again():
    def refuse(messages: Any) -> str:
        raise REFUSED

    model = ScriptedModel(refuse)
    agent = Agent(model, name="agent", capabilities=[AzureDurability()])
    with environment(asking(agent)) as env:
        failure = env.start("ask", "Hello?").wait().failure
        assert failure is not None
        assert failure.is_caused_by(ModelAuthenticationError)
        assert failure.is_caused_by(ModelHTTPError)
    assert model.asked == [0]


def test_a_refused_request_is_made_when_the_run_is_rewound():
    outcomes: list[Any] = [REFUSED, "at last"]

    def answer(messages: Any) -> str:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    model = ScriptedModel(call("look"), answer)
    agent = Agent(model, name="agent", capabilities=[AzureDurability()])

    @agent.tool_plain
    def look() -> str:
        return "nothing"

    with environment(asking(agent)) as env:
        run = env.start("ask", "Hello?")
        assert run.wait().failure is not None
        run.rewind("the key is right now")
        assert run.result() == "at last"
    assert model.asked == [0, 1, 1]


def test_code_of_the_orchestrator_catches_errors_of_the_framework():
    def refuse(messages: Any) -> str:
        raise REFUSED

    agent = Agent(ScriptedModel(refuse), name="agent", capabilities=[AzureDurability()])
    app = app_of(agent)

    @app.orchestration_trigger(context_name="context")
    async def ask(context: df.DurableOrchestrationContext) -> list[Any]:
        try:
            await agent.run("Hello?")
        except ModelAuthenticationError as error:
            facts: Any = error
            return [facts.status_code, facts.model_name, type(facts.__cause__).__name__]
        return []

    with environment(app) as env:
        assert env.start(ask).result() == [401, "m", "TaskFailedError"]


def test_keys_bodies_and_headers_of_an_answer_are_kept_nowhere():
    def refuse(messages: Any) -> str:
        raise ModelHTTPError.for_category(
            ModelAuthenticationError,
            status_code=401,
            model_name="m",
            body={"error": "Incorrect API key provided: sk-abcdefghijklmnopqrstuvwxyz"},
            headers={"x-secret": "of-the-provider"},
        )

    agent = Agent(ScriptedModel(refuse), name="agent", capabilities=[AzureDurability()])
    with environment(asking(agent)) as env:
        run = env.start("ask", "Hello?")
        kept = f"{run.wait().to_json()} {run.history()}"
        assert "Incorrect API key" in kept
        assert "abcdefghijklmnop" not in kept
        assert "of-the-provider" not in kept


def test_an_error_of_the_code_of_a_model_is_not_tried_again():
    def broken(messages: Any) -> str:
        raise LookupError("a bug")

    model = ScriptedModel(broken)
    agent = Agent(model, name="agent", capabilities=[AzureDurability()])
    with environment(asking(agent)) as env:
        failure = env.start("ask", "Hello?").wait().failure
        assert failure is not None
        assert "LookupError: a bug" in failure.message
    assert model.asked == [0]


@pytest.mark.parametrize("kind", [RuntimeError, ValueError, OSError, UserError, UnexpectedModelBehavior])
def test_keys_in_other_errors_and_their_causes_are_kept_nowhere(kind: type[Exception]):
    def broken(messages: Any) -> str:
        raise kind("Bearer abcdefghijklmnop") from ValueError("sk-abcdefghijklmnop")

    agent = Agent(ScriptedModel(broken), name="agent", capabilities=[AzureDurability(model_retry_options=None)])
    with environment(asking(agent)) as env:
        run = env.start("ask", "Hello?")
        kept = f"{run.wait().to_json()} {run.history()}"
        assert kind.__name__ in kept
        assert "abcdefghijklmnop" not in kept


def test_a_broken_connection_is_tried_again():
    outcomes: list[Any] = [ConnectionResetError("reset"), TimeoutError(), BrokenClientError("by its client"), "at last"]

    def answer(messages: Any) -> str:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    agent = Agent(ScriptedModel(answer), name="agent", capabilities=[AzureDurability()])
    with environment(asking(agent)) as env:
        run = env.start("ask", "Hello?")
        assert run.result() == "at last"
        assert run.calls()[0].attempts == 4


def test_the_framework_falls_back_to_another_model_in_the_same_step():
    def refuse(messages: Any) -> str:
        raise REFUSED

    first, second = ScriptedModel(refuse, name="first"), ScriptedModel("second", name="second")
    agent = Agent(FallbackModel(first, second), name="agent", capabilities=[AzureDurability()])
    with environment(asking(agent)) as env:
        run = env.start("ask", "Hello?")
        assert run.result() == "second"
        assert run.calls()[0].attempts == 1


def test_models_that_all_fail_are_asked_again_if_one_of_them_may_answer():
    outcomes: list[Any] = [BUSY, "at last"]

    def answer(messages: Any) -> str:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def refuse(messages: Any) -> str:
        raise REFUSED

    model = FallbackModel(ScriptedModel(refuse, name="first"), ScriptedModel(answer, name="second"))
    agent = Agent(model, name="agent", capabilities=[AzureDurability()])
    with environment(asking(agent)) as env:
        run = env.start("ask", "Hello?")
        assert run.result() == "at last"
        assert run.calls()[0].attempts == 2


ERRORS = [
    (BUSY, True),
    (ModelHTTPError.for_category(ModelOverloadedError, status_code=529, model_name="m"), True),
    (ModelHTTPError.for_category(ModelServerError, status_code=500, model_name="m"), True),
    (ModelHTTPError.for_category(ModelQuotaExceededError, status_code=429, model_name="m"), False),
    (ModelHTTPError.for_category(ModelRequestRejectedError, status_code=400, model_name="m"), False),
    (ModelHTTPError(418, "m"), False),
    (REFUSED, False),
    (ModelRateLimitError("m", "busy", provider_error_code="8", retry_after=1.5, in_stream=True), True),
    (ModelConnectionError("m", "reset"), True),
    (ModelTimeoutError("m", "late"), True),
    (ModelRequestTimeout("m", 30), False),
    (ModelRequestRejectedError("m", "no"), False),
    (ModelAPIError("m", "something"), True),
]


@pytest.mark.parametrize(("error", "retryable"), ERRORS)
def test_an_error_comes_back_as_its_own_kind(error: ModelAPIError, retryable: bool):
    failure = model_error(error)
    assert failure.retryable is retryable
    found = rebuilt(df.TaskFailedError("failed", FailureDetails.from_exception(failure)))
    assert isinstance(found, ModelAPIError)
    assert isinstance(found, ModelHTTPError) is isinstance(error, ModelHTTPError)
    assert type(found).__name__ == type(error).__name__
    for name in ("model_name", "provider_error_code", "retry_after", "in_stream"):
        assert getattr(found, name) == getattr(error, name)


def test_an_error_of_a_kind_of_ones_own_comes_back_as_the_nearest_of_the_framework():
    class TiredError(ModelServerError):
        pass

    found = rebuilt(df.TaskFailedError("failed", FailureDetails.from_exception(model_error(TiredError("m", "zzz")))))
    assert type(found) is ModelServerError


@pytest.mark.parametrize("text", ["all of it", "x" * 20_000])
def test_what_a_stream_had_said_before_it_failed_is_counted(text: str):
    error = ModelConnectionError("m", "reset")
    said = ModelResponse([TextPart(text)])
    said.usage.output_tokens = 7
    mark_streamed_before_failing(error, said)
    found = rebuilt(df.TaskFailedError("failed", FailureDetails.from_exception(model_error(error))))
    response = streamed_before_failing(found)
    assert response is not None
    assert response.usage.output_tokens == 7
    assert bool(response.parts) is (len(text) < 10_000)


def test_another_attempt_that_a_hook_asks_for_comes_back():
    failure = FailureDetails.from_exception(retry_request(RetryModelRequest("other")))
    found = rebuilt(df.TaskFailedError("failed", failure))
    assert isinstance(found, RetryModelRequest)
    assert found.model == "other"


def test_another_attempt_with_a_live_model_cannot_be_asked_for_from_an_activity():
    failure = retry_request(RetryModelRequest(ScriptedModel()))
    assert not failure.retryable
    assert "models=" in str(failure)


@pytest.mark.parametrize("message", ["no JSON", "[]", "{}"])
def test_a_failure_that_says_nothing_of_an_error_stays_what_it_is_or_is_told_as_far_as_it_goes(message: str):
    inner = FailureDetails(message, "pydantic_ai.exceptions.ModelAPIError")
    failure = df.TaskFailedError("f", FailureDetails("m", qualified_name(AgentStepError), inner_failure=inner))
    assert rebuilt(failure) is failure or isinstance(rebuilt(failure), ModelAPIError)


def test_the_type_by_which_recorded_failures_are_known_does_not_change():
    assert qualified_name(AgentStepError) == "azure_durable_py.pydantic_ai.model_errors.AgentStepError"
