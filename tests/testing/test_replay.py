"""`testing.replay`: recorded histories through the code of today."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace as replaced
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.client.export import ExportedInstance
from azure_durable_py.settings import Settings
from azure_durable_py.testing import (
    DivergenceError,
    Recording,
    Replayed,
    ReplayReport,
    Verdict,
    VirtualHub,
    play,
    recordings,
    replay,
)

Context = df.DurableOrchestrationContext
Orchestrator = Callable[[Context], Any]
ran: list[Any] = []


def app_of(**orchestrators: Orchestrator) -> df.DFApp:
    """An app with these orchestrators and an activity."""
    app = df.DFApp()

    @app.activity_trigger(input_name="value")
    def echo(value: Any) -> Any:
        ran.append(value)
        return value

    for name, function in orchestrators.items():
        app.function_name(name)(app.orchestration_trigger(context_name="context")(function))
    return app


async def order(context: Context) -> Any:
    item = await context.call_activity("echo", context.get_input())
    await context.create_timer(timedelta(hours=1))
    context.set_custom_status("packed")
    return {"item": item, "sent": await context.call_activity("echo", True)}


async def endless(context: Context) -> None:
    count = context.get_input() or 0
    await context.create_timer(timedelta(days=1))
    if count < 2:
        context.continue_as_new(count + 1)
    else:
        await context.wait_for_external_event("Stop")


async def failing(context: Context) -> Any:
    raise ValueError(f"no {await context.call_activity('echo', 'luck')}")


APP = app_of(order=order, endless=endless, failing=failing)
HISTORIES = (("o-1", "order", "tea"), ("o-2", "order", "milk"), ("e-1", "endless", None), ("f-1", "failing", None))


@pytest.fixture(scope="module")
def lines() -> dict[str, str]:
    """What an export writes of instances that have finished, and of one that waits; by id."""

    async def scenario(hub: VirtualHub) -> dict[str, str]:
        for instance_id, name, value in HISTORIES:
            await hub.client.start_new(name, instance_id, value)
        await hub.at_rest()
        await hub.client.start_new("order", "o-3", "in flight")
        await hub.client.wait_for_start("o-3")
        exported = hub.client.export_history(runtime_status=["Running", "Completed", "Failed"])
        return {str(one.status.instance_id): one.to_line() async for one in exported}

    return play(APP, scenario)


@pytest.fixture
def directory(lines: dict[str, str], tmp_path: Path) -> Path:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "all.jsonl").write_text("\n".join(lines.values()) + "\n\n", encoding="ascii")
    return tmp_path


def only(report: ReplayReport) -> Replayed:
    [other] = report.others
    return other


def test_code_that_does_the_same_repeats_every_history_and_runs_nothing_but_orchestrators(directory: Path) -> None:
    ran.clear()
    report = replay(APP, directory)
    report.raise_for_divergence(changes=True)
    assert (report.others, report.tally.verdicts) == ([], {Verdict.same: 5})
    assert report.tally.by_orchestrator["order"] == {Verdict.same: 3}
    assert report.tally.events > 40
    assert ran == []


def test_sources_may_be_files_patterns_lines_and_instances(directory: Path, lines: dict[str, str]) -> None:
    file = directory / "deep" / "all.jsonl"
    line = lines["o-1"]
    instance = ExportedInstance.from_line(line)
    for sources, count in (
        (file, 5),
        (str(directory / "**" / "*.jsonl"), 5),
        ([file, str(file)], 10),
        (line, 1),
        (instance, 1),
        ([Recording("here", instance), line], 2),
    ):
        assert replay(APP, sources).tally.verdicts == {Verdict.same: count}
    assert [str(one) for one in recordings(file)][:2] == [f"{file}:1 e-1", f"{file}:2 f-1"]


@pytest.mark.parametrize("name", ["none.jsonl", "no*.jsonl", ""])
def test_where_there_is_nothing_the_test_does_not_pass(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileNotFoundError, match="There is no file"):
        replay(APP, tmp_path / name)


def test_a_step_that_is_new_diverges_and_is_told_as_in_production(directory: Path) -> None:
    async def changed(context: Context) -> Any:
        item = await context.call_activity("echo", context.get_input())
        await context.call_activity("weigh", item)
        await context.create_timer(timedelta(hours=1))
        return None

    report = replay(app_of(order=changed, endless=endless, failing=failing), directory)
    assert report.tally.by_orchestrator["order"] == {Verdict.diverged: 3}
    assert [one.recording.instance_id for one in report.failures] == ["o-1", "o-2", "o-3"]
    line = changed.__code__.co_firstlineno + 2
    with pytest.raises(DivergenceError) as told:
        report.raise_for_divergence()
    for part in (
        "5 histories: 2 same, 3 diverged.",
        "all.jsonl:3 o-1 of 'order': diverged",
        "history event 5: TimerCreated(id 1)",
        "the code did: TaskScheduled(id 1) 'weigh'",
        f"at {__file__}:{line} in ",
        "give instances in flight the code that they started with",
    ):
        assert part in str(told.value)


def test_an_error_where_the_history_went_on_is_told_with_the_line_that_raised_it(lines: dict[str, str]) -> None:
    async def broken(context: Context) -> Any:
        item = await context.call_activity("echo", context.get_input())
        return item["weight"]

    told = only(replay(app_of(order=broken), lines["o-1"]))
    assert (told.verdict, told.is_failure) == (Verdict.diverged, True)
    assert "the code did: it ended (TypeError: " in told.message
    assert f"{__file__}:{broken.__code__.co_firstlineno + 2} in " in told.message


async def another_output(context: Context) -> Any:
    result = await order(context)
    return {**result, "sent": "yes"}


async def another_status(context: Context) -> Any:
    result = await order(context)
    context.set_custom_status("gone")
    return result


async def another_last_step(context: Context) -> Any:
    result = await order(context)
    await context.call_activity("echo", "bye")
    return result


async def another_end(context: Context) -> Any:
    await order(context)
    raise LookupError("lost")


@pytest.mark.parametrize(
    ("function", "parts"),
    [
        (another_output, ('it returned {"item":"tea","sent":true}', 'it returned {"item":"tea","sent":"yes"}')),
        (another_status, ('custom status "packed"', 'custom status "gone"')),
        (another_last_step, ("it had ended here", "TaskScheduled(id 3) 'echo'", "test_replay.py:")),
        (another_end, ("it returned", "it ended (LookupError: lost)", "test_replay.py:")),
    ],
)
def test_what_is_other_in_the_last_turn_alone_is_a_change_that_hurts_nobody(
    lines: dict[str, str], function: Orchestrator, parts: tuple[str, ...]
) -> None:
    report = replay(app_of(order=function), [lines["o-1"], lines["o-3"]])
    report.raise_for_divergence()
    told = only(report)
    assert (told.verdict, told.is_failure, told.recording.instance_id) == (Verdict.changed, False, "o-1")
    for part in parts:
        assert part in told.message
    with pytest.raises(DivergenceError, match="1 same, 1 changed"):
        report.raise_for_divergence(changes=True)


def test_a_failure_that_is_another_is_a_change(lines: dict[str, str]) -> None:
    async def mended(context: Context) -> Any:
        return f"no {await context.call_activity('echo', 'luck')}"

    told = only(replay(app_of(failing=mended), lines["f-1"]))
    assert told.verdict is Verdict.changed
    assert "it ended (ValueError: no luck)" in told.message
    assert 'the code did: it returned "no luck"' in told.message


def test_the_input_of_the_next_generation_is_compared(lines: dict[str, str]) -> None:
    async def scenario(hub: VirtualHub) -> str:
        await hub.client.start_new("endless", "e")
        await hub.client.wait_for_start("e")
        [line] = [one.to_line() async for one in hub.client.export_history(runtime_status=["Running"])]
        return line

    line = play(APP, scenario)
    instance = ExportedInstance.from_line(line)
    assert instance.generation == 0
    # What ended the first generation is in no export; a history may hold it all the same.
    recorded = json.loads(line)
    when = recorded["history"][0]["timestamp"]
    end = {"type": "ContinuedAsNew", "timestamp": when, "input": "5"}
    fired = {"type": "TimerFired", "timestamp": when, "task_id": 0, "fire_at": when}
    recorded["history"] += [{"type": "OrchestratorStarted", "timestamp": when}, fired, end]
    told = only(replay(APP, json.dumps(recorded)))
    assert told.verdict is Verdict.changed
    assert "it continued as new with 5\n  the code did: it continued as new with 1" in told.message


def test_an_orchestrator_that_is_gone_is_missing_and_near_names_are_told(lines: dict[str, str]) -> None:
    told = only(replay(app_of(orders=order), lines["o-1"]))
    assert (told.verdict, told.is_failure) == (Verdict.missing, True)
    assert "Did you mean 'orders'?" in told.message


@pytest.mark.parametrize(("strategy", "fails"), [("Reject", False), ("Fail", True)])
def test_a_version_that_the_app_does_not_run_is_refused(lines: dict[str, str], strategy: str, fails: bool) -> None:
    settings = Settings(default_version="2.0", version_match_strategy="Strict", version_failure_strategy=strategy)
    told = only(replay(APP, lines["o-1"], settings=settings))
    assert (told.verdict, told.is_failure) == (Verdict.refused, fails)
    assert "this worker runs '2.0' with versionMatchStrategy Strict" in told.message


def test_code_that_does_not_end_is_interrupted_and_the_next_history_is_replayed(lines: dict[str, str]) -> None:
    def spins(context: Context) -> Any:
        while True:
            pass

    app = app_of(order=spins, failing=failing)
    report = replay(app, [lines["o-1"], lines["f-1"]], settings=Settings(max_turn_time=0.5))
    told = only(report)
    assert (told.verdict, told.is_failure, report.tally.verdicts[Verdict.same]) == (Verdict.spins, True, 1)
    assert "interrupted at" in told.message
    assert f"{Path(__file__).name}:" in told.message


def damaged(line: str, **changes: Any) -> str:
    return json.dumps({**json.loads(line), **changes})


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda line: line[: len(line) // 2], "This is no line of an export"),
        (lambda line: '{"format": 99}', "Upgrade azure-durable-py here"),
        (lambda line: damaged(line, history=None), "This is no line of an export: history"),
        (lambda line: damaged(line, history=json.loads(line)["history"][1:]), "begins with OrchestratorStarted"),
    ],
)
def test_a_line_that_cannot_be_read_names_its_file_and_number(
    lines: dict[str, str], tmp_path: Path, spoil: Callable[[str], str], why: str
) -> None:
    file = tmp_path / "some.jsonl"
    file.write_text(f"{lines['f-1']}\n\n{spoil(lines['o-1'])}\n", encoding="ascii")
    report = replay(APP, file)
    told = only(report)
    assert (told.verdict, told.is_failure, told.recording.place) == (Verdict.unreadable, True, f"{file}:3")
    assert why in told.message
    assert report.tally.verdicts[Verdict.same] == 1


def test_a_history_with_values_that_were_lost_is_unreadable(lines: dict[str, str]) -> None:
    instance = ExportedInstance.from_line(lines["o-1"])
    lost = replaced(instance, events=None, status=replaced(instance.status, damaged="page 1 is missing"))
    assert only(replay(APP, lost)).message == "page 1 is missing"


def test_what_the_engine_ended_says_nothing_of_the_code_of_today() -> None:
    async def other(context: Context) -> Any:
        return await context.call_activity("other")

    async def scenario(hub: VirtualHub) -> str:
        await hub.client.start_new("order", "x", "tea")
        await hub.client.wait_for_start("x")
        hub.workers[0].kill()
        await hub.start_worker(app=app_of(order=other))
        await hub.client.wait_for_completion("x")
        [line] = [one.to_line() async for one in hub.client.export_history()]
        return line

    line = play(APP, scenario)
    assert "NonDeterminismError" in line
    replay(APP, line).raise_for_divergence(changes=True)
    assert only(replay(app_of(order=other), line)).verdict is Verdict.diverged


def test_a_message_tells_of_the_first_ones_only(lines: dict[str, str]) -> None:
    with pytest.raises(DivergenceError, match=r"12 histories: 12 missing\.(.|\n)*\.\.\. and 2 more\."):
        replay(app_of(), [lines["o-1"].replace('"order"', f'"order-{n}"') for n in range(12)]).raise_for_divergence()
