"""Tools that need an approval: the run waits in its orchestration, for days if need be."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic_ai import Agent, ApprovalRequired, CallDeferred, DeferredToolRequests, RunContext
from pydantic_ai.capabilities import HandleDeferredToolCalls, RequestInput
from pydantic_ai.tools import DeferredToolResults

import azure_durable_py as df
from azure_durable_py.pydantic_ai import AzureDurability
from tests.pydantic_ai.scripted import ScriptedModel, app_of, asking, call, environment, returned


def pay_agent(model: ScriptedModel, paid: list[int], **options: Any) -> Agent[None, Any]:
    agent = Agent(model, name="agent", capabilities=[AzureDurability(**options)])

    @agent.tool_plain(requires_approval=True)
    def pay(amount: int) -> str:
        paid.append(amount)
        return f"paid {amount}"

    return agent


def approvals(run: Any) -> list[dict[str, Any]]:
    return run.status().custom_status["approvals"]


def test_a_tool_waits_for_thirty_days_until_a_person_approves_it():
    paid: list[int] = []
    model = ScriptedModel(call("pay", amount=100), returned)
    with environment(asking(pay_agent(model, paid))) as env:
        run = env.start("ask", "Pay")
        env.skip(timedelta(days=30))
        (pending,) = approvals(run)
        assert (pending["tool"], pending["arguments"], pending["expiresAt"]) == ("pay", {"amount": 100}, None)
        assert paid == []
        run.raise_event(pending["event"], {"approved": True, "by": "Ada"})
        assert run.result() == "['paid 100']"
        assert run.status().custom_status is None
    assert model.asked == [0, 1]
    assert paid == [100]


def test_the_model_hears_why_a_tool_was_denied():
    paid: list[int] = []
    with environment(asking(pay_agent(ScriptedModel(call("pay", amount=100), returned), paid))) as env:
        run = env.start("ask", "Pay")
        (pending,) = approvals(run)
        run.raise_event(pending["event"], {"approved": False, "reason": "Too much."})
        assert run.result() == "['Too much.']"
    assert paid == []


def test_a_person_may_change_the_arguments():
    paid: list[int] = []
    with environment(asking(pay_agent(ScriptedModel(call("pay", amount=100), returned), paid))) as env:
        run = env.start("ask", "Pay")
        (pending,) = approvals(run)
        run.raise_event(pending["event"], {"approved": True, "arguments": {"amount": 10}})
        assert run.result() == "['paid 10']"


def test_arguments_that_are_no_arguments_are_told_and_waited_on():
    paid: list[int] = []
    with environment(asking(pay_agent(ScriptedModel(call("pay", amount=100), returned), paid))) as env:
        run = env.start("ask", "Pay")
        (pending,) = approvals(run)
        run.raise_event(pending["event"], {"approved": True, "arguments": 10})
        assert "by name" in approvals(run)[0]["problem"]
        run.raise_event(pending["event"], {"approved": True})
        assert run.result() == "['paid 100']"


def test_a_tool_that_nobody_approves_in_time_is_denied():
    paid: list[int] = []
    agent = pay_agent(ScriptedModel(call("pay", amount=100), returned), paid, approval_timeout=timedelta(days=3))
    with environment(asking(agent)) as env:
        run = env.start("ask", "Pay")
        assert "3 d" in run.result()
        status = run.status()
        assert (status.completed_time - status.created_time).days == 3
    assert paid == []


def test_several_tools_are_approved_in_any_order_and_others_do_not_wait():
    paid: list[int] = []
    model = ScriptedModel([call("pay", 1, amount=1), call("look"), call("pay", 2, amount=2)], returned)
    agent = pay_agent(model, paid)
    looked: list[str] = []

    @agent.tool_plain
    def look() -> str:
        looked.append("look")
        return "nothing"

    with environment(asking(agent)) as env:
        run = env.start("ask", "Pay")
        first, second = approvals(run)
        assert looked == ["look"]
        run.raise_event(second["event"], {"approved": True})
        run.raise_event(first["event"], {"approved": False, "reason": "No."})
        assert sorted(eval(run.result())) == ["No.", "nothing", "paid 2"]
    assert paid == [2]


def test_a_tool_may_ask_for_an_approval_while_it_runs():
    agent = Agent(ScriptedModel(call("drop", table="users"), returned), name="agent", capabilities=[AzureDurability()])

    @agent.tool
    def drop(ctx: RunContext[Any], table: str) -> str:
        if not ctx.tool_call_approved:
            raise ApprovalRequired(metadata={"table": table})
        return f"dropped {table}"

    with environment(asking(agent)) as env:
        run = env.start("ask", "Drop it")
        (pending,) = approvals(run)
        run.raise_event(pending["event"], {"approved": True})
        assert run.result() == "['dropped users']"


def test_a_handler_of_the_agents_own_comes_first():
    def decide(ctx: RunContext[Any], requests: DeferredToolRequests) -> DeferredToolResults:
        return requests.build_results(approve_all=True)

    agent = Agent(
        ScriptedModel(call("pay"), returned),
        name="agent",
        capabilities=[AzureDurability(), HandleDeferredToolCalls(handler=decide)],
    )

    @agent.tool_plain(requires_approval=True)
    def pay() -> str:
        return "paid"

    with environment(asking(agent)) as env:
        assert env.start("ask", "Pay").result() == "['paid']"


def test_requests_may_be_the_output_of_a_run_as_without_durability():
    agent = Agent(
        ScriptedModel(call("pay")),
        name="agent",
        output_type=[str, DeferredToolRequests],
        capabilities=[AzureDurability(wait_for_approvals=False)],
    )

    @agent.tool_plain(requires_approval=True)
    def pay() -> str:
        return "paid"

    app = app_of(agent)

    @app.orchestration_trigger(context_name="context")
    async def ask(context: df.DurableOrchestrationContext) -> Any:
        output = (await agent.run("Pay")).output
        assert isinstance(output, DeferredToolRequests)
        return [each.tool_name for each in output.approvals]

    with environment(app) as env:
        assert env.start(ask).result() == ["pay"]


def test_calls_that_are_carried_out_elsewhere_end_the_run_and_the_next_one_has_their_results():
    agent = Agent(
        ScriptedModel(call("measure"), returned),
        name="agent",
        output_type=[str, DeferredToolRequests],
        capabilities=[AzureDurability()],
    )

    @agent.tool_plain
    def measure() -> str:
        raise CallDeferred

    app = app_of(agent)

    @app.orchestration_trigger(context_name="context")
    async def ask(context: df.DurableOrchestrationContext) -> Any:
        first = await agent.run("Measure")
        assert isinstance(first.output, DeferredToolRequests)
        (pending,) = first.output.calls
        answer = await context.wait_for_external_event(f"measured:{pending.tool_call_id}")
        results = first.output.build_results(calls={pending.tool_call_id: answer})
        return (await agent.run(message_history=first.all_messages(), deferred_tool_results=results)).output

    with environment(app) as env:
        run = env.start(ask)
        env.skip(timedelta(days=5))
        run.raise_event("measured:measure-1", 42)
        assert run.result() == "[42]"


def measuring(model: ScriptedModel, **options: Any) -> Agent[None, Any]:
    agent = Agent(model, name="agent", capabilities=[AzureDurability(wait_for_results=True, **options)])

    @agent.tool_plain
    def measure(place: str) -> str:
        raise CallDeferred

    return agent


def test_a_call_that_is_carried_out_elsewhere_may_be_waited_for():
    agent = measuring(ScriptedModel(call("measure", place="Rome"), returned))
    with environment(asking(agent)) as env:
        run = env.start("ask", "Measure")
        env.skip(timedelta(days=5))
        (pending,) = run.status().custom_status["toolCalls"]
        assert (pending["tool"], pending["arguments"]) == ("measure", '{"place":"Rome"}')
        run.raise_event(pending["event"], "no object")
        assert "could not be used" in run.status().custom_status["toolCalls"][0]["problem"]
        run.raise_event(pending["event"], {"result": {"degrees": 21}})
        assert run.result() == "[{'degrees': 21}]"
        assert run.status().custom_status is None


def test_who_carries_a_call_out_may_say_that_it_failed():
    agent = measuring(ScriptedModel(call("measure", place="Rome"), returned))
    with environment(asking(agent)) as env:
        run = env.start("ask", "Measure")
        run.raise_event("result:measure-1", {"error": "no thermometer"})
        assert "no thermometer" in run.result()


def test_a_call_that_nobody_carries_out_in_time_has_failed():
    agent = measuring(ScriptedModel(call("measure", place="Rome"), returned), result_timeout=timedelta(days=2))
    with environment(asking(agent)) as env:
        assert "within 2 d" in env.start("ask", "Measure").result()


def test_a_wait_that_code_of_the_orchestrator_tells_somebody_of_is_refused_with_the_mend():
    agent = Agent(
        ScriptedModel(call("pay")),
        name="agent",
        capabilities=[AzureDurability(wait_for_approvals=False), RequestInput(lambda ctx, requests, token: None)],
    )

    @agent.tool_plain(requires_approval=True)
    def pay() -> str:
        return "paid"

    with environment(asking(agent)) as env:
        failure = env.start("ask", "Pay").wait().failure
        assert failure is not None
        assert "Take RequestInput away" in failure.message


async def test_outside_of_orchestrators_nobody_waits():
    agent = Agent(
        ScriptedModel(call("pay")), name="a", output_type=[str, DeferredToolRequests], capabilities=[AzureDurability()]
    )

    @agent.tool_plain(requires_approval=True)
    def pay() -> str:
        return "paid"

    assert isinstance((await agent.run("Pay")).output, DeferredToolRequests)
