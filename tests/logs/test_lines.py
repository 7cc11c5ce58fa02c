"""What the log says of instances: each thing once, at the right level, with what a person needs to find its cause."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.settings import Settings
from azure_durable_py.testing import VirtualHub, play

Context = df.DurableOrchestrationContext
app = df.DFApp()
HERE = re.escape("tests/logs/test_lines.py")


@app.orchestration_trigger(context_name="context")
async def greet(context: Context) -> str:
    return await context.call_activity("say", "hello")


@app.activity_trigger(input_name="word")
def say(word: str) -> str:
    return f"{word}!"


@app.orchestration_trigger(context_name="context")
async def pay(context: Context) -> None:
    await context.call_activity_with_retry("charge", df.RetryOptions(5000, 3), "5 EUR")


@app.orchestration_trigger(context_name="context")
async def pay_once(context: Context) -> str:
    try:
        await context.call_activity("charge", "7 EUR")
    except df.TaskFailedError:
        return await context.call_activity("say", "sorry")
    return "paid"


@app.orchestration_trigger(context_name="context")
async def choosy(context: Context) -> None:
    policy = df.RetryPolicy(timedelta(seconds=5), 3, handle=lambda failure: failure.is_caused_by(OSError))
    await context.call_activity_with_retry("break_down", policy)


@app.orchestration_trigger(context_name="context")
async def refused(context: Context) -> None:
    await context.call_activity_with_retry("refuse", df.RetryOptions(5000, 3))


@app.activity_trigger(input_name="word")
def refuse(word: Any) -> None:
    raise df.ActivityError("no such model", retryable=False)


@app.activity_trigger(input_name="amount")
def charge(amount: str) -> None:
    raise ConnectionError(f"the bank is closed\nfor {amount}")


@app.activity_trigger(input_name="word")
def break_down(word: Any) -> None:
    raise ValueError("broken")


@app.orchestration_trigger(context_name="context")
async def buggy(context: Context) -> None:
    raise KeyError("missing")


@app.orchestration_trigger(context_name="context")
async def lengthy(context: Context) -> None:
    await context.call_activity("rest", context.get_input())


@app.activity_trigger(input_name="seconds")
async def rest(seconds: float) -> None:
    await asyncio.sleep(seconds)


@app.orchestration_trigger(context_name="context")
async def family(context: Context) -> None:
    await context.call_sub_orchestrator("buggy", instance_id="child")


@app.orchestration_trigger(context_name="context")
async def sleepy(context: Context) -> Any:
    await context.create_timer(context.current_utc_datetime + timedelta(days=30))
    return await context.wait_for_external_event("Approval")


@app.orchestration_trigger(context_name="context")
async def forgetful(context: Context) -> str:
    context.call_activity("say", "lost")
    context.create_timer(context.current_utc_datetime + timedelta(seconds=1))
    return "done"


@app.orchestration_trigger(context_name="context")
async def quickest(context: Context) -> str:
    """Has no use for one of two tasks, which is no mistake."""
    tasks = [context.call_activity("say", word) for word in ("one", "two")]
    await context.task_any(tasks)
    return "done"


@app.orchestration_trigger(context_name="context")
async def asks_entity(context: Context) -> None:
    await context.call_entity(df.EntityId("safe", "s"), "open")


@app.orchestration_trigger(context_name="context")
async def around(context: Context) -> str:
    if context.get_input() > 0:
        context.continue_as_new(context.get_input() - 1)
    return "done"


@app.entity_trigger(context_name="context")
def safe(context: df.DurableEntityContext) -> None:
    raise PermissionError("locked")


Said = list[tuple[str, str, str]]


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[..., Said]:
    """Plays a scenario; gives what was logged: level, logger, text."""

    def tell(scenario: Callable[[VirtualHub], Any], level: int = logging.INFO, **options: Any) -> Said:
        async def main(hub: VirtualHub) -> None:
            await scenario(hub)
            await hub.at_rest()

        caplog.clear()
        with caplog.at_level(level, "azure_durable_py"):
            play(app, main, **options)
        return [
            (record.levelname, record.name.removeprefix("azure_durable_py."), record.getMessage())
            for record in caplog.records
        ]

    return tell


def runs(name: str, instance_id: str, value: Any = None, **more: Any) -> Callable[[VirtualHub], Any]:
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new(name, instance_id, value, **more)
        await hub.client.wait_for_completion(instance_id)

    return scenario


def without_times(said: Said) -> Said:
    return [(level, name, re.sub(r"(after|in) \d[^:,.]*( s|ms)", r"\1 T", text)) for level, name, text in said]


def test_an_instance_that_is_well_is_told_of_twice(told: Callable[..., Said]):
    assert without_times(told(runs("greet", "g", version="2.0"))) == [
        ("INFO", "orchestration", "Instance 'g' of 'greet' started (version 2.0)."),
        ("INFO", "orchestration", "Instance 'g' of 'greet' completed after T."),
    ]


def test_each_failed_attempt_is_told_with_what_comes_next_and_the_end_with_its_place(told: Callable[..., Said]):
    said = told(runs("pay", "p"))
    where = rf"ConnectionError: the bank is closed for 5 EUR \({HERE}:\d+, in charge\)\."
    subject = "Activity 'charge' of instance 'p' failed in attempt"
    why = "activity 'charge' failed: ConnectionError: the bank is closed for 5 EUR"
    expected = [
        ("INFO", r"Instance 'p' of 'pay' started\."),
        ("WARNING", rf"{subject} 1 of 3: {where} It is tried again in 5 s\."),
        ("WARNING", rf"{subject} 2 of 3: {where} It is tried again in 5 s\."),
        ("WARNING", rf"{subject} 3 of 3: {where} No attempt is left\."),
        ("ERROR", rf"Instance 'p' of 'pay' failed after 10 s: TaskFailedError: {why} \({HERE}:\d+, in pay\)"),
    ]
    assert len(said) == len(expected)
    for (level, _, text), (wanted, pattern) in zip(said, expected, strict=True):
        assert level == wanted
        assert re.fullmatch(pattern, text), text


def test_a_replay_tells_nothing_again(told: Callable[..., Said]):
    kept = told(runs("pay", "p"))
    replayed = told(runs("pay", "p"), settings=Settings(hub_name="Replays", extended_sessions=False))
    assert without_times(replayed) == without_times(kept)


def test_an_activity_that_takes_long_is_told_of_ever_more_seldom_and_then_of_its_end(told: Callable[..., Said]):
    said = [(level, text) for level, name, text in told(runs("lengthy", "l", 10_000.0)) if name == "task"]
    running = "Activity 'rest' of instance 'l' has been running for"
    assert said == [
        *(("INFO", f"{running} {time}.") for time in ("1 min", "2 min", "4 min", "8 min", "16 min", "32 min")),
        *(("INFO", f"{running} {time}.") for time in ("1 h 4 min", "2 h 4 min")),
        ("INFO", "Activity 'rest' of instance 'l' completed after 2 h 46 min."),
    ]
    assert not [line for line in told(runs("lengthy", "l", 59.0)) if line[1] == "task"]


def test_a_failure_without_a_policy_is_the_orchestrators_to_deal_with(told: Callable[..., Said]):
    warnings = [text for level, _, text in told(runs("pay_once", "p")) if level == "WARNING"]
    assert len(warnings) == 1
    assert warnings[0].startswith("Activity 'charge' of instance 'p' failed: ConnectionError: ")
    assert warnings[0].endswith("The orchestrator decides what comes of it.")


def test_a_failure_that_the_policy_does_not_retry_says_so(told: Callable[..., Said]):
    [warning] = [text for level, _, text in told(runs("choosy", "c")) if level == "WARNING"]
    assert "failed in attempt 1 of 3: ValueError: broken" in warning
    assert warning.endswith("It is not tried again: its retry policy says so.")


def test_a_failure_that_says_that_no_attempt_is_of_use_is_told_so(told: Callable[..., Said]):
    [warning] = [text for level, _, text in told(runs("refused", "r")) if level == "WARNING"]
    assert "failed in attempt 1 of 3: ActivityError: no such model" in warning
    assert warning.endswith("It is not tried again: it says that this is of no use.")


def test_a_sub_orchestration_that_fails_is_a_warning_of_its_own_and_an_error_of_its_parent(told: Callable[..., Said]):
    said = told(runs("family", "f"))
    assert ("INFO", "orchestration", "Instance 'child' of 'buggy' started (called by 'f').") in said
    assert ("WARNING", "Instance 'child' of 'buggy', called by 'f', failed") in [
        (level, text.partition(" after ")[0]) for level, _, text in said
    ]
    assert any(
        level == "WARNING" and text.startswith("Sub-orchestration 'buggy' ('child') of instance 'f' failed: KeyError:")
        for level, _, text in said
    )
    [error] = [text for level, _, text in said if level == "ERROR"]
    assert re.search(rf"KeyError: 'missing' \({HERE}:\d+, in family\)$", error)


def test_an_operation_that_a_task_waits_for_is_told_once(told: Callable[..., Said]):
    said = [each for each in told(runs("asks_entity", "a")) if "locked" in each[2] and each[0] == "WARNING"]
    [(_, _, text)] = said
    assert text.startswith("Operation 'open' of entity '@safe@s', called for a task of instance 'a' failed: Permission")


def test_an_operation_that_nobody_waits_for_is_an_error_with_the_code_of_the_app(told: Callable[..., Said]):
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.signal_entity(df.EntityId("safe", "s"), "open")

    [(level, name, text)] = told(scenario)
    assert (level, name) == ("ERROR", "entity")
    first, *stack = text.split("\n")
    assert re.fullmatch(
        rf"Operation 'open' of entity @safe@s failed, and nobody waits for it: "
        rf"PermissionError: locked \({HERE}:\d+, in safe\)",
        first,
    )
    assert [line.strip() for line in stack if line.strip().startswith("File")] == [stack[0].strip()]
    assert 'raise PermissionError("locked")' in text


def test_a_timer_long_ahead_is_told_once(told: Callable[..., Said]):
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("sleepy", "s")
        await asyncio.sleep(40 * 86400)
        await hub.client.raise_event("s", "Approval")
        await hub.client.wait_for_completion("s")

    timers = [each for each in told(scenario) if "timer" in each[2]]
    assert timers == [
        ("INFO", "orchestration", "Instance 's' of 'sleepy' has a timer for 2026-01-31T00:00:00Z, in 30 d.")
    ]


def test_an_event_waited_for_is_told_once_and_one_that_came_by_almost_its_name(told: Callable[..., Said]):
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("sleepy", "s")
        await asyncio.sleep(40 * 86400)
        for name in ("Aproval", "Weather"):
            await hub.client.raise_event("s", name)
            await asyncio.sleep(3600)
        await hub.client.raise_event("s", "approval")
        await hub.client.wait_for_completion("s")

    assert [each for each in told(scenario) if "pproval" in each[2] or "Weather" in each[2]] == [
        ("INFO", "orchestration", "Instance 's' of 'sleepy' waits for the event 'Approval'."),
        (
            "WARNING",
            "orchestration",
            "Event 'Aproval' came for instance 's' of 'sleepy', which waits for 'Approval': is its name spelled right?",
        ),
    ]


def test_all_is_told_to_who_wants_to_know_all(told: Callable[..., Said]):
    said = told(runs("greet", "g"), logging.DEBUG)
    names = {name for level, name, _ in said if level == "DEBUG"}
    assert {"orchestration", "task", "storage"} <= names
    assert any(re.fullmatch(r"Activity 'say' of instance 'g' completed after \d+ ms\.", text) for _, _, text in said)
    assert any(
        text.endswith("it was told ExecutionStarted 'greet', and decided TaskScheduled 'say' #0.") for *_, text in said
    )


def test_what_was_called_and_never_awaited_is_told(told: Callable[..., Said]):
    [warning] = [text for level, _, text in told(runs("forgetful", "f")) if level == "WARNING"]
    assert warning == (
        "Instance 'f' of 'forgetful' ended without awaiting what it called: activity 'say'. "
        "What comes of it is lost; await or yield it."
    )


def test_a_task_that_lost_a_race_is_no_mistake(told: Callable[..., Said]):
    assert [each for each in told(runs("quickest", "q")) if each[0] != "INFO"] == []


def test_what_is_done_to_an_instance_is_told_with_its_reason(told: Callable[..., Said]):
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("sleepy", "s")
        await asyncio.sleep(1)
        await hub.client.suspend("s", "weekend")
        await asyncio.sleep(1)
        await hub.client.resume("s")
        await asyncio.sleep(1)
        await hub.client.terminate("s", "not\nneeded")

    said = [text for *_, text in told(scenario)]
    assert "Instance 's' of 'sleepy' is suspended: weekend." in said
    assert "Instance 's' of 'sleepy' is resumed." in said
    assert any(
        re.fullmatch(r"Instance 's' of 'sleepy' was terminated after \S+ s: not needed\.", text) for text in said
    )


def test_a_rewound_instance_is_told_to_go_on(told: Callable[..., Said]):
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("pay", "p")
        await hub.client.wait_for_completion("p")
        await hub.client.rewind("p", "the bank is open")
        await hub.client.wait_for_completion("p")

    said = [text for *_, text in told(scenario)]
    assert said.count("Instance 'p' of 'pay' started.") == 1
    assert said.count("Instance 'p' of 'pay' goes on from where it failed: it was rewound.") == 1


def test_a_start_that_comes_later_is_told_when_it_is_asked_for(told: Callable[..., Said]):
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("greet", "g", start_at=hub.now + timedelta(hours=3))

    first, *_ = told(scenario)
    assert first == ("INFO", "orchestration", "Instance 'g' of 'greet' is to start at 2026-01-01T03:00:00Z.")


def test_an_instance_that_goes_round_is_not_told_of_each_time(told: Callable[..., Said]):
    assert len(told(runs("around", "a", 5))) == 2


def test_a_record_carries_what_it_is_about(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, "azure_durable_py"):
        play(app, runs("pay", "p"))
    attempt = next(record for record in caplog.records if record.levelname == "WARNING")
    assert {name: getattr(attempt, name) for name in ("instance_id", "orchestrator", "activity", "attempt")} == {
        "instance_id": "p",
        "orchestrator": "pay",
        "activity": "charge",
        "attempt": 1,
    }
    assert attempt.failure_type == "ConnectionError"  # type: ignore[attr-defined]


def test_a_version_that_may_not_run_here_is_told_as_the_reason(told: Callable[..., Said]):
    settings = Settings(
        hub_name="Versions", default_version="1.0", version_match_strategy="Strict", version_failure_strategy="Fail"
    )
    [error] = [
        text for level, _, text in told(runs("greet", "g", version="2.0"), settings=settings) if level == "ERROR"
    ]
    assert "Instance 'g' of 'greet' failed after" in error
    assert "VersionMismatchError" in error


def test_an_instance_that_waits_for_another_version_of_the_app_is_told_once(told: Callable[..., Said]):
    settings = Settings(
        hub_name="Versions", default_version="1.0", version_match_strategy="Strict", version_failure_strategy="Reject"
    )

    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("greet", "g", version="2.0")
        await asyncio.sleep(3600)
        await hub.client.start_new("greet", "h", version="1.0")
        await hub.client.wait_for_completion("h")
        other = Settings(hub_name="Versions", default_version="2.0", version_match_strategy="Strict")
        await hub.start_worker(settings=other)
        await hub.client.wait_for_completion("g")

    waits = [text for *_, text in told(scenario, settings=settings) if "left to another worker" in text]
    assert len(waits) == 1
    assert waits[0].startswith(
        "Instance 'g' is left to another worker: The instance is of version 2.0, and this worker"
    )
