"""Workers that die between the steps of an agent: nothing that was done is done again, and the answer is the same."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from agents import Agent, Runner

import azure_durable_py as df
from azure_durable_py.errors import OrchestrationFailedError
from azure_durable_py.openai_agents import OpenAIAgents
from azure_durable_py.testing import DurableTestSyncEnvironment
from tests.azurite import Azurite, find
from tests.openai_agents.killed_app import ANSWER, INSTANCE, STEPS, Steps, trip_app
from tests.openai_agents.scripts import AnsweringModel, Models, calls

ROOT = Path(__file__).parent.parent.parent
MODEL = "openai_agents_model"


def crash(env: DurableTestSyncEnvironment, step: str, *, after: bool) -> None:
    """Have the worker die that is next to take a step, before it does or before the result is stored."""
    die = env.crash_after if after else env.crash_before
    if step in ("weather", "book"):
        die(step)
        return

    def is_it(request: Any) -> bool:
        last = request["input"][-1]
        return step in (last.get("call_id"), last.get("content"))

    die(MODEL, when=is_it)


@pytest.mark.parametrize("step", STEPS)
def test_what_was_done_before_a_worker_died_is_not_done_again(step: str, tmp_path: Path):
    steps = Steps(tmp_path / "steps", None)
    with DurableTestSyncEnvironment(trip_app(steps), replay="every-turn") as env:
        crash(env, step, after=False)
        assert env.start("trip").result() == ANSWER
    assert steps.done() == list(STEPS)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_whose_result_was_lost_is_the_only_one_to_be_done_again(step: str, tmp_path: Path):
    steps = Steps(tmp_path / "steps", None)
    with DurableTestSyncEnvironment(trip_app(steps), workers=2) as env:
        crash(env, step, after=True)
        assert env.start("trip").result() == ANSWER
    assert Counter(steps.done()) == Counter({**dict.fromkeys(STEPS, 1), step: 2})


def run_until_the_end(
    storage: str, file: Path, kill_at: str, environ: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.openai_agents.killed_app", storage, str(file), kill_at]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("storage", ["sqlite", pytest.param("azurite", marks=pytest.mark.azurite)])
def test_a_process_that_is_killed_before_each_step_in_turn_and_after_the_last(storage: str, tmp_path: Path):
    file = tmp_path / "steps"
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    azurite = None
    if storage == "azurite":
        command = find()
        if command is None:
            pytest.skip("Azurite is not installed: run `npm install`, or set AZURITE to its command")
        azurite = Azurite(command, tmp_path)
        environ["Place"] = azurite.connection_string
        storage = "Place"
    try:
        for number in range(len(STEPS) + 1):
            killed = run_until_the_end(storage, file, str(number), environ)
            assert killed.returncode == -9, killed.stderr
            assert Steps(file, None).done() == list(STEPS[:number])
        ended = run_until_the_end(storage, file, "-", environ)
    finally:
        if azurite is not None:
            azurite.stop()
    assert ended.stdout == f"Completed {ANSWER}\n", ended.stderr
    assert Steps(file, None).done() == list(STEPS)


# --- failed at step nine, and rewound -------------------------------------------------------------------


def test_what_failed_at_step_nine_goes_on_from_there_when_it_is_rewound():
    broken = [True]
    answers = {"go": calls(("step", {"n": 0}, "c0"))}
    answers |= {f"c{n}": calls(("step", {"n": n + 1}, f"c{n + 1}")) for n in range(7)}
    answers["c7"] = lambda: df.ActivityError("out of credit", retryable=False) if broken[0] else "done"
    model = AnsweringModel(answers)
    app = df.DFApp()
    app.register_functions(OpenAIAgents(Models(m=model)))

    @app.orchestration_trigger(context_name="context")
    async def go(context: df.DurableOrchestrationContext) -> str:
        from agents import function_tool

        @function_tool
        def step(n: int) -> int:
            """Take a step."""
            return n

        return (await Runner.run(Agent("a", model="m", tools=[step]), "go", max_turns=None)).final_output

    with DurableTestSyncEnvironment(app, replay="every-turn") as env:
        handle = env.start("go", instance_id=INSTANCE)
        with pytest.raises(OrchestrationFailedError, match="out of credit"):
            handle.result()
        assert sum(model.asked.values()) == 9
        broken[0] = False
        handle.rewind("paid the bill")
        assert handle.result() == "done"
    assert model.asked == {"go": 1, **{f"c{n}": 1 for n in range(7)}, "c7": 2}
