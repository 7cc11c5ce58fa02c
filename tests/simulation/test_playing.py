"""What plays runs tells of every violation, and ends with the right word."""

from __future__ import annotations

import asyncio
import logging
import random
from pathlib import Path

import pytest

from azure_durable_py.taskhub.protocol import InstanceQuery
from tests.simulation import playing
from tests.simulation.__main__ import main
from tests.simulation.coverage import FAULTS
from tests.simulation.playing import play
from tests.simulation.scenarios import SCENARIOS, Scenario
from tests.simulation.world import Play, World, draw_plan


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch):
    """Puts a scenario into the catalogue for one test."""

    def add(scenario: Play) -> str:
        monkeypatch.setitem(SCENARIOS, scenario.__name__, Scenario(scenario))
        return scenario.__name__

    return add


def test_runs_without_violations_end_well(capsys: pytest.CaptureFixture[str]):
    assert main(["--seeds=3-6", "--scenarios=chains,conversations", "--jobs=1"]) == 0
    assert capsys.readouterr().out.rstrip().endswith("4 runs of 2 scenarios: 0 violations")


def test_a_violation_is_told_with_the_way_to_have_it_again_and_the_others_are_played(
    capsys: pytest.CaptureFixture[str], played
):
    async def wrong(world: World) -> None:
        assert world.plan.weather.is_fair, "it is not fair"

    name = played(wrong)
    assert main(["--seeds=0-11", f"--scenarios={name}", "--jobs=1"]) == 1
    told = capsys.readouterr().out
    unfair = [seed for seed in range(12) if play(name, seed).violation]
    assert 0 < len(unfair) < 12
    for seed in unfair:
        assert f"again: make simulate SEEDS={seed}-{seed} SCENARIOS={name}" in told
    assert told.rstrip().endswith(f"12 runs of 1 scenarios: {len(unfair)} violations")


def test_a_run_that_hangs_in_real_time_is_a_violation_with_the_place(monkeypatch: pytest.MonkeyPatch, played):
    async def hangs(world: World) -> None:
        while True:
            pass

    monkeypatch.setattr(playing, "REAL_SECONDS", 0.2)
    violation = play(played(hangs), 0).violation
    assert violation is not None
    assert "HungError" in violation
    assert "in hangs" in violation


def test_a_run_that_can_never_end_is_a_violation(played):
    async def stuck(world: World) -> None:
        await world.start("collector", "collector", "1")
        await world.finished("collector")

    violation = play(played(stuck), 0).violation
    assert violation is not None
    assert "collector is stuck" in violation


def test_a_task_that_dies_unseen_is_a_violation(played):
    async def careless(world: World) -> None:
        async def dies() -> None:
            raise KeyError("nobody looks")

        asyncio.get_running_loop().create_task(dies())
        await asyncio.sleep(1.0)

    violation = play(played(careless), 0).violation
    assert violation is not None
    assert "nobody looks" in violation


def test_an_exception_that_the_engine_did_not_foresee_is_a_violation(played):
    async def surprised(world: World) -> None:
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            logging.getLogger("azure_durable_py.worker").exception("How odd")

    violation = play(played(surprised), 0).violation
    assert violation is not None
    assert "How odd" in violation


def test_what_is_left_where_nobody_needs_it_is_a_violation(played):
    async def untidy(world: World) -> None:
        await world.start("chain", "chain", "1")
        await world.finished("chain")
        await world.store.put_message(world.store.activity_queue, "{}", 5 * 86_400.0)

    fair = next(seed for seed in range(100) if "name='fair'" in play(played(untidy), seed).set_up)
    violation = play(played(untidy), fair).violation
    assert violation is not None
    assert "nobody needs" in violation


@pytest.mark.parametrize(
    ("weather", "faults"),
    [
        ("fair", {"slow"}),
        ("crashes", {"slow", "crash_before", "crash_after"}),
        ("lost answers", {"slow", "lost_before", "lost_after", "late"}),
        ("refusals", {"slow", "refused"}),
        ("outages", {"slow", "lost_before", "lost_after", "outage"}),
        ("stalls", {"slow", "hang", "stall"}),
    ],
)
def test_each_weather_brings_its_own_faults(weather: str, faults: set[str]):
    met: set[str] = set()
    for seed in range(150):
        if draw_plan(random.Random(f"events {seed} plan")).weather.name == weather:
            met |= {kind for _, _, kind in play("events", seed).calls if kind in FAULTS}
    assert met == faults


def test_pages_are_short_at_times(played):
    sizes: set[int] = set()

    async def lists(world: World) -> None:
        for number in range(6):
            await world.start("collector", f"c-{number}", "1")
        client = world.client()
        for _ in range(20):
            answer = await client.insist("query_instances")
            sizes.add(len(answer.value.items))
        assert {item.instance_id for item in (await world.store.query(InstanceQuery())).items} == {
            f"c-{number}" for number in range(6)
        }
        for number in range(6):
            await world.raise_event(f"c-{number}", "item", "1")

    name = played(lists)
    for seed in range(6):
        assert play(name, seed).violation is None
    assert 6 in sizes
    assert min(sizes) < 4


def test_the_courses_of_runs_are_written_down_and_a_change_of_one_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    file = tmp_path / "courses.txt"
    arguments = ["--seeds=3-6", "--scenarios=chains,tallies", "--jobs=1", f"--courses={file}"]
    assert main(arguments) == 0
    assert "4 courses are written" in capsys.readouterr().out
    assert main(arguments) == 0
    assert "0 of 4 courses changed" in capsys.readouterr().out
    first, *others = file.read_text().splitlines()
    file.write_text("\n".join([first[:-1] + ("0" if first[-1] != "0" else "1"), *others]))
    assert main(arguments) == 1
    assert f"1 of 4 courses changed: {first.rsplit(' ', 1)[0]}" in capsys.readouterr().out
