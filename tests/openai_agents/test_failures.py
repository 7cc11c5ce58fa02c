"""What goes wrong around agents: providers that refuse or are busy, budgets, approvals, workers that die."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from agents import (
    Agent,
    HostedMCPTool,
    ModelResponse,
    ModelSettings,
    RunConfig,
    RunContextWrapper,
    Runner,
    function_tool,
)
from agents.models import get_default_model
from agents.testing import assistant_message, function_call
from agents.usage import Usage
from openai import APIConnectionError, AuthenticationError, BadRequestError, InternalServerError, RateLimitError

import azure_durable_py as df
from azure_durable_py.agents import Budget, Price, Spent
from azure_durable_py.errors import BudgetExceededError, OrchestrationFailedError, TaskFailedError
from azure_durable_py.openai_agents import OpenAIAgents, activity_tool
from azure_durable_py.openai_agents.model_requests import encode_response
from azure_durable_py.testing import DurableTestSyncEnvironment
from tests.openai_agents.scripts import AnsweringModel, Models, calls, failing, late

REQUEST = httpx2.Request("POST", "https://models.example/v1/responses")


def refusal(kind: Any, status: int, **headers: str) -> Any:
    """An error as the client of the provider raises it."""
    answer = httpx2.Response(status, headers=headers, request=REQUEST)
    return lambda: kind(f"HTTP {status} for key sk-secret123456", response=answer, body=None)


def app_of(orchestrator: Any, model: AnsweringModel, **options: Any) -> df.DFApp:
    app = df.DFApp()
    app.register_functions(OpenAIAgents(Models(m=model), **options))
    app.orchestration_trigger(context_name="context", orchestration="go")(orchestrator)
    return app


async def ask(context: Any) -> Any:
    result = await Runner.run(Agent("a", model="m"), "hello")
    return [result.final_output, context.current_utc_datetime.isoformat()]


def taken(app: df.DFApp) -> tuple[Any, timedelta]:
    with DurableTestSyncEnvironment(app, replay="every-turn") as env:
        handle = env.start("go")
        output = handle.result()
        status = handle.status()
        return output, status.completed_time - status.created_time


# --- providers -------------------------------------------------------------------------------------------


def test_a_provider_that_is_busy_for_ten_minutes_is_asked_until_it_answers():
    asked_at: list[float] = []

    async def busy() -> Any:
        asked_at.append(asyncio.get_running_loop().time())
        return "hi" if asked_at[-1] >= asked_at[0] + 600 else refusal(RateLimitError, 429)

    model = AnsweringModel({"hello": busy})
    (answer, _), took = taken(app_of(ask, model))
    assert answer == "hi"
    assert len(asked_at) > 10
    # After a minute at most it is asked again.
    assert timedelta(minutes=10) <= took <= timedelta(minutes=11)


def test_retry_after_is_kept_to():
    model = AnsweringModel({"hello": failing(1, refusal(RateLimitError, 429, **{"retry-after": "600"}), "hi")})
    (answer, _), took = taken(app_of(ask, model))
    assert answer == "hi"
    assert model.asked == {"hello": 2}
    assert timedelta(minutes=10) <= took < timedelta(minutes=11)


@pytest.mark.parametrize(
    "error",
    [refusal(InternalServerError, 503), lambda: APIConnectionError(request=REQUEST), lambda: ConnectionError("gone")],
    ids=["503", "connection", "socket"],
)
def test_no_answer_is_no_refusal(error: Any):
    model = AnsweringModel({"hello": failing(2, error, "hi")})
    assert taken(app_of(ask, model))[0][0] == "hi"
    assert model.asked == {"hello": 3}


@pytest.mark.parametrize(
    "error",
    [
        refusal(BadRequestError, 400),
        refusal(AuthenticationError, 401),
        lambda: TypeError("bug"),
        lambda: df.ActivityError("not this one", retryable=False),
    ],
    ids=["400", "401", "bug", "own"],
)
def test_a_refused_request_is_not_made_again(error: Any):
    model = AnsweringModel({"hello": failing(1, error, "hi")})
    with DurableTestSyncEnvironment(app_of(ask, model)) as env:
        handle = env.start("go")
        with pytest.raises(OrchestrationFailedError):
            handle.result()
        assert "sk-secret" not in str(handle.status().failure)
        assert "sk-secret" not in str(list(handle.history()))
    assert model.asked == {"hello": 1}


def test_models_are_asked_once_where_the_plug_in_says_so():
    model = AnsweringModel({"hello": failing(1, refusal(RateLimitError, 429), "hi")})

    async def go(context):
        with pytest.raises(TaskFailedError, match="HTTP 429"):
            await Runner.run(Agent("a", model="m"), "hello")

    taken(app_of(go, model, model_retry_options=None))
    assert model.asked == {"hello": 1}


def test_the_time_out_of_a_call_is_kept_to_in_the_activity():
    async def slow() -> str:
        await asyncio.sleep(3600)
        return "hi"

    async def go(context):
        agent = Agent("a", model="m", model_settings=ModelSettings(timeout=30))
        try:
            await Runner.run(agent, "hello")
        except Exception as error:  # noqa: BLE001 - which error it is, is up to the SDK
            return type(error).__name__

    output, took = taken(app_of(go, AnsweringModel({"hello": slow}), model_retry_options=None))
    assert output
    assert took < timedelta(minutes=1)


# --- secrets ----------------------------------------------------------------------------------------------


def test_keys_are_refused_where_they_would_be_recorded():
    async def header(context):
        settings = ModelSettings(extra_headers={"Authorization": "Bearer secret"})
        await Runner.run(Agent("a", model="m"), "hello", run_config=RunConfig(model_settings=settings))

    async def hosted(context):
        tool = HostedMCPTool({"type": "mcp", "server_label": "files", "server_url": "https://x", "authorization": "s"})
        await Runner.run(Agent("a", model="m", tools=[tool]), "hello")

    for orchestrator, mend in ((header, "on the client of the model provider"), (hosted, "mcp_credentials")):
        with DurableTestSyncEnvironment(app_of(orchestrator, AnsweringModel({}))) as env:
            handle = env.start("go")
            with pytest.raises(OrchestrationFailedError, match=mend):
                handle.result()


def test_credentials_of_hosted_servers_are_put_in_where_the_model_is_called():
    async def go(context):
        tool = HostedMCPTool({"type": "mcp", "server_label": "files", "server_url": "https://x"})
        return (await Runner.run(Agent("a", model="m", tools=[tool]), "hello")).final_output

    model = AnsweringModel({"hello": "hi"})
    app = app_of(go, model, mcp_credentials={"files": {"authorization": "s3cret"}})
    with DurableTestSyncEnvironment(app) as env:
        handle = env.start("go")
        assert handle.result() == "hi"
        assert "s3cret" not in str(list(handle.history()))
    assert model.requests[0]["tools"][0].tool_config["authorization"] == "s3cret"


# --- budgets ------------------------------------------------------------------------------------------------


@function_tool
def again() -> str:
    """Once more."""
    return "again"


LOOP = {"hello": calls(("again", {}, "c0")), **{f"c{n}": calls(("again", {}, f"c{n + 1}")) for n in range(20)}}


def test_a_budget_that_runs_out_ends_the_agent_with_the_reason():
    async def go(context):
        with Budget(tokens=50) as budget:
            try:
                await Runner.run(Agent("a", model="m", tools=[again]), "hello", max_turns=None)
            except BudgetExceededError as error:
                return [str(error), budget.spent.calls]

    model = AnsweringModel(LOOP)
    (reason, made), _ = taken(app_of(go, model))
    assert "50 tokens" in reason
    assert made == 4
    assert sum(model.asked.values()) == 4


def test_a_budget_that_runs_out_inside_a_tool_is_no_output_of_the_run():
    model = AnsweringModel(
        {"hello": calls(("sub", {"input": "deeper"}, "1")), "deeper": calls(("look", {}, "2")), "2": "found"}
    )

    async def go(context):
        sub = Agent("sub", model="m", tools=[function_tool(look)])
        outer = Agent("a", model="m", tools=[sub.as_tool("sub", "")], tool_use_behavior="stop_on_first_tool")
        with pytest.raises(BudgetExceededError, match="2 calls"), Budget(calls=2):
            await Runner.run(outer, "hello")
        return [(await Runner.run(outer, "hello")).final_output]

    def look() -> str:
        return "nothing"

    assert taken(app_of(go, model))[0] == ["found"]


PRICES = {"m": Price(input=1, output=10)}
"""By which a call of the scripted models costs 0.00006: they read 10 tokens and write 5."""


def test_a_budget_of_money_ends_the_agent_when_it_is_spent():
    async def go(context):
        with Budget(cost=0.00025, prices=PRICES) as budget:
            try:
                await Runner.run(Agent("a", model="m", tools=[again]), "hello", max_turns=None)
            except BudgetExceededError as error:
                return [error.limit, budget.spent.calls, budget.spent.cost]

    model = AnsweringModel(LOOP)
    assert taken(app_of(go, model))[0] == ["cost", 5, pytest.approx(0.0003)]
    assert sum(model.asked.values()) == 5


@pytest.mark.parametrize(
    ("limits", "limit"),
    [({"cost": 0.00025, "prices": PRICES}, "cost"), ({"calls": 5}, "calls")],
    ids=["money", "calls"],
)
def test_what_is_spent_counts_over_generations(limits: Any, limit: str):
    async def go(context):
        spent = Spent(**(context.get_input() or {}))
        with Budget(**limits, spent=spent) as budget:
            try:
                await Runner.run(Agent("a", model="m"), "hello")
                await Runner.run(Agent("a", model="m"), "hello")
            except BudgetExceededError as error:
                return [error.limit, budget.spent.calls, budget.spent.tokens, spent.calls]
        return context.continue_as_new(budget.spent)

    model = AnsweringModel({"hello": "hi"})
    assert taken(app_of(go, model))[0] == [limit, 5, 75, 4]
    assert model.asked == {"hello": 5}


def refused(app: df.DFApp) -> str:
    with DurableTestSyncEnvironment(app, replay="every-turn") as env:
        handle = env.start("go")
        with pytest.raises(OrchestrationFailedError):
            handle.result()
        return str(handle.status().failure)


def asks_for(agent: Agent, **options: Any) -> Any:
    async def go(context):
        with Budget(cost=1, prices=PRICES) as budget:
            await Runner.run(agent, "hello", **options)
        return budget.spent.cost

    return go


def test_a_model_without_a_price_is_not_called_where_money_is_limited():
    model = AnsweringModel({"hello": "hi"})
    app = df.DFApp()
    app.register_functions(OpenAIAgents(Models(other=model)))
    app.orchestration_trigger(context_name="context", orchestration="go")(asks_for(Agent("a", model="other")))
    assert "no price for model 'other': add it to prices, which are for m" in refused(app)
    assert model.asked == {}


def test_a_model_that_only_its_provider_knows_is_not_called_where_money_is_limited():
    model = AnsweringModel({"hello": "hi"})

    def with_provider(orchestrator: Any) -> df.DFApp:
        app = df.DFApp()
        app.register_functions(OpenAIAgents(Models(default=model, m=model)))
        app.orchestration_trigger(context_name="context", orchestration="go")(orchestrator)
        return app

    assert 'Give its name, which is also in the prices: Agent(model="...")' in refused(
        with_provider(asks_for(Agent("a")))
    )
    assert model.asked == {}
    named = asks_for(Agent("a"), run_config=RunConfig(model="m"))
    assert taken(with_provider(named))[0] == pytest.approx(0.00006)

    async def unlimited(context):
        with Budget(calls=5, prices=PRICES) as budget:
            await Runner.run(Agent("a"), "hello")
        return [budget.spent.calls, budget.spent.cost]

    assert taken(with_provider(unlimited))[0] == [1, 0.0]


def test_an_agent_without_a_model_has_the_price_of_the_default_of_the_sdk():
    async def go(context):
        with Budget(cost=1, prices={get_default_model(): Price(input=2, output=20)}) as budget:
            await Runner.run(Agent("a"), "hello")
        return budget.spent.cost

    usage = Usage(requests=1, input_tokens=10, output_tokens=5, total_tokens=15)
    answer = ModelResponse(output=[assistant_message("hi")], usage=usage, response_id=None)
    app = df.DFApp()
    app.register_functions(OpenAIAgents())
    app.orchestration_trigger(context_name="context", orchestration="go")(go)
    with DurableTestSyncEnvironment(app, replay="every-turn") as env:
        env.activity("openai_agents_model").returns(encode_response(answer))
        assert env.start("go").result() == pytest.approx(0.00012)


def test_a_budget_of_time_stops_a_call_in_flight():
    async def busy() -> str:
        await asyncio.sleep(3600)
        return "late"

    async def go(context):
        with Budget(time=timedelta(minutes=5)):
            try:
                await Runner.run(Agent("a", model="m"), "hello")
            except BudgetExceededError as error:
                return str(error)

    reason, took = taken(app_of(go, AnsweringModel({"hello": busy})))
    assert "time" in reason
    assert took < timedelta(minutes=6)


# --- approvals ------------------------------------------------------------------------------------------------


def pay_app(model: AnsweringModel, **options: Any) -> tuple[df.DFApp, list[int]]:
    paid: list[int] = []
    app = df.DFApp()
    app.register_functions(OpenAIAgents(Models(m=model), **options))

    @app.activity_trigger(input_name="amount")
    def pay(amount: int) -> str:
        paid.append(amount)
        return f"paid {amount}"

    @app.orchestration_trigger(context_name="context")
    async def go(context):
        agent = Agent("a", model="m", tools=[activity_tool(pay, needs_approval=True)])
        result = await Runner.run(agent, "pay")
        return [result.final_output, len(result.interruptions)]

    return app, paid


PAYING = {"pay": calls(("pay", {"amount": 7}, "c1")), "c1": "done"}


@pytest.mark.parametrize("approved", [True, False])
def test_an_approval_may_come_thirty_days_later(approved: bool):
    model = AnsweringModel(PAYING)
    app, paid = pay_app(model)
    with DurableTestSyncEnvironment(app, replay="every-turn") as env:
        handle = env.start("go")
        [asked] = handle.wait_for_custom_status(bool).custom_status["approvals"]
        assert (asked["tool"], asked["arguments"]) == ("pay", {"amount": 7})
        env.skip(timedelta(days=15))
        env.restart()
        env.skip(timedelta(days=15))
        assert paid == []
        handle.raise_event(asked["event"], {"approved": approved, "reason": "too much", "by": "Ada"})
        assert handle.result() == ["done", 0]
        assert not handle.status().custom_status
    assert paid == ([7] if approved else [])
    assert model.asked == {"pay": 1, "c1": 1}
    told = model.requests[1]["input"][-1]["output"]
    assert told == ("paid 7" if approved else "This call was denied by Ada: too much.")


def test_an_approval_that_nobody_gives_is_denied_after_its_time():
    model = AnsweringModel(PAYING)
    app, paid = pay_app(model, approval_timeout=timedelta(days=2))
    (answer, _), took = taken(app)
    assert (answer, paid) == ("done", [])
    assert timedelta(days=2) <= took < timedelta(days=3)
    assert "Nobody answered" in model.requests[1]["input"][-1]["output"]


def test_several_approvals_are_asked_for_at_once():
    model = AnsweringModel({"pay": calls(("pay", {"amount": 1}, "c1"), ("pay", {"amount": 2}, "c2")), "c2": "done"})
    app, paid = pay_app(model)
    with DurableTestSyncEnvironment(app, replay="every-turn") as env:
        handle = env.start("go")
        asked = handle.wait_for_custom_status(lambda status: status and len(status["approvals"]) == 2)
        asked = asked.custom_status["approvals"]
        for each in reversed(asked):
            handle.raise_event(each["event"], {"approved": each["arguments"]["amount"] == 2})
        assert handle.result() == ["done", 0]
    assert paid == [2]


def test_a_call_that_is_approved_with_other_arguments_is_made_by_the_model():
    model = AnsweringModel({**PAYING, "c1": calls(("pay", {"amount": 3}, "c2")), "c2": "done"})
    app, paid = pay_app(model)
    with DurableTestSyncEnvironment(app, replay="every-turn") as env:
        handle = env.start("go")
        [asked] = handle.wait_for_custom_status(bool).custom_status["approvals"]
        handle.raise_event(asked["event"], {"approved": True, "arguments": {"amount": 3}, "reason": "Less."})
        assert handle.result() == ["done", 0]
    assert paid == [3]
    assert model.requests[1]["input"][-1]["output"] == (
        'This call was not approved as it is: Less. Approved is a call of pay with these arguments: {"amount": 3}. '
        "Make that call if it serves the purpose."
    )


def test_a_call_that_is_approved_with_other_arguments_is_approved_for_its_run_alone():
    paid: list[int] = []

    async def go(context):
        def pay(amount: int) -> str:
            paid.append(amount)
            return "paid"

        agent = Agent("a", model="m", tools=[function_tool(pay, needs_approval=True)])
        return [(await Runner.run(agent, question)).final_output for question in ("hello", "again")]

    model = AnsweringModel(
        {
            "hello": calls(("pay", {"amount": 100}, "1")),
            "1": "given up",
            "again": calls(("pay", {"amount": 10}, "2")),
            "2": "done",
        }
    )
    with DurableTestSyncEnvironment(app_of(go, model), replay="every-turn") as env:
        handle = env.start("go")
        (first,) = handle.status().custom_status["approvals"]
        handle.raise_event(first["event"], {"approved": True, "arguments": {"amount": 10}})
        (second,) = handle.status().custom_status["approvals"]
        handle.raise_event(second["event"], {"approved": False})
        assert handle.result() == ["given up", "done"]
    assert paid == []


def test_an_approval_keeps_what_tools_of_the_run_have_in_memory():
    @function_tool(needs_approval=True)
    def pay(wrapper: RunContextWrapper[list[str]], amount: int) -> str:
        """Pay."""
        wrapper.context.append(f"paid {amount}")
        return "paid"

    async def go(context):
        notes: list[str] = []
        inner = Agent("inner", model="m", tools=[pay])
        outer = Agent("outer", model="m", tools=[inner.as_tool("ask_inner", "Asks.")])
        result = await Runner.run(outer, "go", context=notes, previous_response_id="r1")
        return [result.final_output, notes, result.context_wrapper.usage.requests]

    inner = {"pay": calls(("pay", {"amount": 7}, "c1")), "c1": calls(("pay", {"amount": 8}, "c2")), "c2": "inner done"}
    model = AnsweringModel({**inner, "go": calls(("ask_inner", {"input": "pay"}, "x1")), "x1": "outer done"})
    with DurableTestSyncEnvironment(app_of(go, model), replay="every-turn") as env:
        handle = env.start("go")
        for _ in range(2):
            [asked] = handle.wait_for_custom_status(bool).custom_status["approvals"]
            handle.raise_event(asked["event"], {"approved": True})
            env.at_rest()
        assert handle.result() == ["outer done", ["paid 7", "paid 8"], 5]


def test_arguments_that_are_no_json_are_shown_as_the_text_that_they_are():
    async def go(context):
        agent = Agent("a", model="m", tools=[function_tool(measure, needs_approval=True)])
        return [(await Runner.run(agent, "hello")).final_output]

    def measure(length: float) -> str:
        return str(length)

    model = AnsweringModel({"hello": [function_call("measure", '{"length": NaN}', call_id="1")], "1": "done"})
    with DurableTestSyncEnvironment(app_of(go, model), replay="every-turn") as env:
        handle = env.start("go")
        (pending,) = handle.status().custom_status["approvals"]
        assert pending["arguments"] == '{"length": NaN}'
        handle.raise_event(pending["event"], {"approved": True})
        assert handle.result() == ["done"]


def test_approvals_may_be_left_to_the_orchestrator():
    app, paid = pay_app(AnsweringModel(PAYING), approvals=False)
    (_, interruptions), _ = taken(app)
    assert (interruptions, paid) == (1, [])


# --- cancelling -----------------------------------------------------------------------------------------------


def test_termination_stops_a_call_of_a_model_in_flight():
    ended: list[str] = []

    with DurableTestSyncEnvironment(app_of(ask, AnsweringModel({"hello": late(ended)}))) as env:
        handle = env.start("go")
        env.skip(60)
        handle.terminate("enough")
        assert handle.wait().runtime_status.name == "Terminated"
        env.skip(60)
        assert ended == ["cancelled"]


def test_a_run_that_is_cancelled_stops_its_call():
    ended: list[str] = []

    async def go(context):
        try:
            await asyncio.wait_for(Runner.run(Agent("a", model="m"), "hello"), 60)
        except asyncio.TimeoutError:
            await asyncio.sleep(60)
            return "given up"

    output, took = taken(app_of(go, AnsweringModel({"hello": late(ended)})))
    assert (output, ended) == ("given up", ["cancelled"])
    assert took < timedelta(minutes=3)
