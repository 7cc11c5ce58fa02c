"""How ours and the peers are run: alternation, failures, time-outs, what is killed and told. No peer, no network."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.peers import environments, measuring
from benchmarks.peers.__main__ import installed, main, table, versions
from benchmarks.peers.catalogue import OURS, SYSTEMS, Packages, System
from benchmarks.peers.environments import InstallError, install
from benchmarks.peers.measuring import CITIES, MEASURES, Acts, greeting
from benchmarks.peers.report import figures_of, notes_of
from benchmarks.peers.rounds import ActFailedError, ActTimeoutError, Measured, measure, seconds_of
from benchmarks.peers.scenarios import DURABLE, REPLAYS, SCENARIOS, SMOKE, Scenario

ROOT = Path(__file__).parent.parent
RATE = Scenario("hello_cities", "Many", 100, "instances/s")
LATENCY = Scenario("alone", "One", 1, "ms")


def system(name: str, *, acts: frozenset[str] = DURABLE, packages: Packages | None = None) -> System:
    return System(name, name.upper(), "ours", "sqlite", packages, acts, "on paper")


def silent(_: str) -> None:
    pass


# --- scenarios and catalogue -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "better", "values"),
    [("instances/s", "higher", [50.0]), ("ms/activity", "lower", [20.0]), ("us/activity", "lower", [20_000.0])],
)
def test_the_seconds_of_a_whole_become_a_rate_or_a_share(unit: str, better: str, values: list[float]):
    scenario = Scenario("chain", "A chain", 100, unit)
    assert scenario.better == better
    assert scenario.values([2.0]) == pytest.approx(values)


def test_of_a_latency_every_value_counts():
    assert LATENCY.values([0.001, 0.002]) == [1.0, 2.0]
    assert LATENCY.better == "lower"


def test_every_act_can_be_measured_and_every_system_has_some():
    assert {scenario.act for scenario in SCENARIOS} == set(MEASURES) == DURABLE | REPLAYS
    assert {scenario.act for scenario in SMOKE} == set(MEASURES)
    for each in SYSTEMS:
        assert each.acts <= set(MEASURES)
        assert set(each.lacks) <= {scenario.name for scenario in SCENARIOS}
        assert (ROOT / "benchmarks" / "peers" / "systems" / f"{each.module}.py").exists()


def test_ours_comes_first_and_does_everything():
    ours = SYSTEMS[0]
    assert ours.title == f"{OURS} SQLite"
    assert all(ours.runs(scenario) for scenario in SCENARIOS)


def test_peers_have_exact_versions_and_these_are_told():
    told = versions(SYSTEMS)
    for each in SYSTEMS:
        if each.packages is not None:
            assert all("==" in text for text in each.packages.python)
            assert each.packages.versions.items() <= told.items()
    assert {"durabletask", "dbos", "restate-sdk", "@restatedev/restate-server", "azure-functions-durable"} <= set(told)


# --- rounds ----------------------------------------------------------------------------------------------


def test_rounds_alternate_and_each_begins_with_another():
    calls: list[str] = []

    def act(what: System, scenario: Scenario) -> list[float]:
        calls.append(f"{what.name}:{scenario.act}")
        return [1.0]

    measure([system("a"), system("b"), system("c")], [RATE, LATENCY], 2, act, silent)
    assert calls == [
        *("a:hello_cities", "b:hello_cities", "c:hello_cities", "a:alone", "b:alone", "c:alone"),
        *("b:hello_cities", "c:hello_cities", "a:hello_cities", "b:alone", "c:alone", "a:alone"),
    ]


def test_only_systems_that_have_the_act_take_part():
    found = measure([system("a"), system("b", acts=REPLAYS)], [RATE], 1, lambda *_: [1.0], silent)
    assert [(each.system.name, each.values) for each in found] == [("a", [[100.0]])]


def failing(error: Exception) -> Callable[[System, Scenario], list[float]]:
    def act(what: System, scenario: Scenario) -> list[float]:
        del scenario
        if what.name == "b":
            raise error
        return [1.0]

    return act


def test_one_that_fails_is_told_and_stops_nobody():
    lines: list[str] = []
    found = measure(
        [system("a"), system("b"), system("c")], [RATE], 2, failing(ActFailedError("it broke")), lines.append
    )
    assert [len(each.values) for each in found] == [2, 0, 2]
    assert found[1].failure == "it broke (round 2 of 2)"
    assert sum("failed: it broke" in line for line in lines) == 2


def test_one_that_was_not_done_in_time_is_not_tried_again():
    lines: list[str] = []
    measure([system("a"), system("b")], [RATE], 3, failing(ActTimeoutError("not done in 1 s")), lines.append)
    assert sum("failed" in line for line in lines) == 1


# --- processes -------------------------------------------------------------------------------------------


def run(code: str, timeout: float = 30.0, **variables: str) -> list[float]:
    return seconds_of([sys.executable, "-c", code], variables, timeout)


def test_the_last_line_with_seconds_counts():
    assert run("print('{}'); print('{\"seconds\": [1, 2.5]}'); print('bye')") == [1.0, 2.5]


def test_a_process_has_an_empty_directory_and_its_variables():
    code = "import json, os; print(json.dumps({'seconds': [len(os.listdir()), int(os.environ['GIVEN'])]}))"
    assert run(code, GIVEN="7") == [0.0, 7.0]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("raise SystemExit('no server')", "exit status 1: no server"),
        ("print('hello')", "exit status 0: it printed no result"),
        ("print('{\"seconds\": [1]}'); raise SystemExit(3)", "exit status 3: it printed no result"),
    ],
)
def test_a_process_without_a_result_tells_what_it_said_last(code: str, why: str):
    with pytest.raises(ActFailedError) as caught:
        run(code)
    assert str(caught.value) == why


SERVER = """sleep 600 & echo $! > $0; echo '{"seconds": [1]}'; sleep $1"""


@pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX")
@pytest.mark.parametrize("lingers", [0, 600])
def test_what_a_process_started_is_ended_with_it(tmp_path: Path, lingers: int):
    told = tmp_path / "pid"
    command = ["sh", "-c", SERVER, str(told), str(lingers)]
    if lingers:
        with pytest.raises(ActTimeoutError, match="not done in 3 s"):
            seconds_of(command, {}, 3.0)
    else:
        assert seconds_of(command, {}, 30.0) == [1.0]
    child = int(told.read_text())
    for _ in range(200):  # Whose parent has ended is collected by init, in its own time.
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.05)
    pytest.fail(f"process {child} is still there")


# --- environments ----------------------------------------------------------------------------------------


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    seen: list[tuple[str, ...]] = []
    monkeypatch.setattr(environments, "_run", lambda *command: seen.append(command))
    return seen


def test_an_environment_is_made_once_and_another_version_is_another_one(
    tmp_path: Path, commands: list[tuple[str, ...]]
):
    first = install(Packages("peer", ("peer==1.0",), ("@peer/server@2.0",)), tmp_path)
    assert [command[-1] for command in commands][1:] == ["peer==1.0", "@peer/server@2.0"]
    assert "node_modules" in first.variables["PATH"]
    assert install(Packages("peer", ("peer==1.0",), ("@peer/server@2.0",)), tmp_path) == first
    assert len(commands) == 3
    assert install(Packages("peer", ("peer==1.1",)), tmp_path) != first
    assert len(commands) == 5


def test_a_peer_that_cannot_be_installed_is_told_and_tried_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tries: list[str] = []

    def broken(*command: str) -> None:
        tries.append(command[0])
        raise InstallError("pip: no such version")

    monkeypatch.setattr(environments, "_run", broken)
    peer, ours = system("peer", packages=Packages("peer", ("peer==9",))), system("ours")
    there, absent = installed([ours, peer], tmp_path)
    assert list(there) == ["ours"]
    assert absent == {"peer": "pip: no such version"}
    assert installed([ours, peer], tmp_path) == (there, absent)
    assert len(tries) == 2
    assert "PEER could not be installed: pip: no such version" in notes_of([ours, peer], [], absent)


# --- results ---------------------------------------------------------------------------------------------


def test_figures_are_compared_with_ours_and_failures_are_noted():
    ours, peer, broken = system("ours"), system("peer"), system("broken")
    measured = [
        Measured(ours, RATE, [[100.0], [120.0], [110.0]]),
        Measured(peer, RATE, [[50.0], [55.0], [60.0]]),
        Measured(broken, RATE, [], "not done in 90 s (round 1 of 3)"),
        Measured(ours, LATENCY, [[1.0, 2.0, 3.0]]),
        Measured(peer, LATENCY, [[4.0, 4.0, 5.0]], "it broke (round 2 of 3)"),
    ]
    found = figures_of(measured, "OURS")
    assert [(figure.system, figure.median, figure.against) for figure in found] == [
        ("OURS", 110.0, ""),
        ("PEER", 55.0, "OURS"),
        ("OURS", 2.0, ""),
        ("PEER", 4.0, "OURS"),
    ]
    assert [line.split("  ")[-1].strip() for line in table(found)][1::2] == ["0.50 of ours", "0.50 of ours"]
    notes = notes_of([ours, peer, broken], measured, {})
    assert "BROKEN, Many (100): not done in 90 s (round 1 of 3). It has no figure." in notes
    assert "PEER, One (1): it broke (round 2 of 3)." in notes
    assert "Durability of OURS; PEER; BROKEN: on paper." in notes


# --- measuring -------------------------------------------------------------------------------------------


class Fake(Acts):
    """Does everything at once, and counts; what it returns is wrong if it is told so."""

    def __init__(self, wrong: int = 0) -> None:
        self.wrong = wrong
        self.started = 0
        self.counted = 0

    async def hello_cities(self) -> list[str]:
        self.started += 1
        return [greeting(city) for city in CITIES][self.wrong :]

    async def chain(self, length: int) -> int:
        return length - self.wrong

    async def fan_out(self, width: int) -> int:
        return width - self.wrong

    async def children(self, count: int) -> int:
        return count - self.wrong

    async def signal(self, count: int) -> None:
        self.counted += count

    async def total(self, expected: int) -> int:
        del expected
        return self.counted - self.wrong

    async def wait_for_event(self) -> str:
        return "id"

    async def send_event(self, instance_id: str) -> str:
        return greeting("event")[self.wrong :]

    async def replay(self, *, fan_out: bool, size: int) -> Callable[[], object]:
        return lambda: size - self.wrong


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "SETTLING", 0.0)


@pytest.mark.parametrize("act", MEASURES)
async def test_work_that_came_to_something_else_does_not_count(act: str):
    assert all(seconds >= 0 for seconds in await MEASURES[act](Fake(), 7))
    with pytest.raises(RuntimeError, match="The work came to"):
        await MEASURES[act](Fake(wrong=1), 7)


async def test_what_warms_up_is_not_measured():
    fake = Fake()
    assert len(await MEASURES["hello_cities"](fake, 7)) == 1
    assert fake.started == measuring.WARM_UP + 7
    assert len(await MEASURES["alone"](fake, 1)) == measuring.ALONE
    assert len(await MEASURES["under_load"](fake, 4)) == 4 * measuring.EACH_CLIENT


# --- the command -----------------------------------------------------------------------------------------


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["--systems", "temporal"])
    assert "there is no temporal; there are azurite, dbos" in capsys.readouterr().err


def test_ours_runs_tiny_and_leaves_the_results_alone(capsys: pytest.CaptureFixture[str]):
    results = ROOT / "benchmarks" / "results.json"
    before = results.read_bytes() if results.exists() else None
    assert main(["--smoke", "--scenarios", "hello_cities,replay_chain"]) == 0
    assert (results.read_bytes() if results.exists() else None) == before
    assert "azure_durable_py on SQLite" in capsys.readouterr().out
