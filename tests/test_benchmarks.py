"""The benchmarks run and measure what they say; how fast anything is, is for people to read.

On Azurite, `make bench SMOKE=1` runs them.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import SCENARIOS
from benchmarks.bare import requests, statements
from benchmarks.driver import measure, plan
from benchmarks.place import Stores
from benchmarks.scenario import Alone, Lab, Sample, Scenario, Sizes, higher
from tests.azurite import Azurite

ROOT = Path(__file__).parent.parent


def each_on(*kinds: str) -> list[Any]:
    return [
        pytest.param(scenario, kind, id=f"{scenario.title} on {kind}")
        for scenario in SCENARIOS
        for kind in kinds
        if kind in scenario.sizes
    ]


@pytest.mark.parametrize(("scenario", "kind"), each_on("engine", "memory", "sqlite"))
async def test_a_scenario_measures_something(scenario: Scenario, kind: str, tmp_path: Path):
    samples = await scenario.measure(Lab(Stores(tmp_path, None, is_smoke=True)), kind, scenario.smoke)
    assert samples
    assert all(value >= 0 for sample in samples for value in sample.values)


async def test_a_latency_stands_beside_the_time_that_storage_takes_for_it(tmp_path: Path):
    [scenario] = [one for one in SCENARIOS if one.name == "latency"]
    samples = await scenario.measure(Lab(Stores(tmp_path, None, is_smoke=True)), "sqlite", 1)
    assert [(one.system, one.against, one.is_latency, len(one.values)) for one in samples] == [
        ("azure_durable_py on SQLite", "bare statements on SQLite", True, 5),
        ("bare statements on SQLite", "", False, 1),
    ]


# --- the order of measuring ------------------------------------------------------------------------------


@dataclass
class Asked:
    """A scenario that remembers what it was asked for."""

    asked: list[tuple[str, int]]

    def scenario(self) -> Alone:
        sizes = {"sqlite": Sizes((1,), (10,), (100,)), "azurite": Sizes((1,))}
        return Alone("asked", "asked", sizes, 2, self.run)

    async def run(self, stores: Stores, kind: str, size: int) -> list[Sample]:
        del stores
        self.asked.append((kind, size))
        return [higher("things/s", float(len(self.asked)))]


KINDS = ("memory", "sqlite", "azurite")


def test_the_stores_take_turns_and_so_does_who_is_first():
    steps = plan([Asked([]).scenario()], KINDS, 3)
    assert [(step.kind, step.size, step.round) for step in steps] == [
        ("sqlite", 1, 0),
        ("azurite", 1, 0),
        ("sqlite", 10, 0),
        ("azurite", 1, 1),
        ("sqlite", 1, 1),
        ("sqlite", 1, 2),
        ("azurite", 1, 2),
    ]


def test_sizes_that_take_very_long_are_measured_only_where_everything_is():
    scenario = Asked([]).scenario()
    assert 100 not in {step.size for step in plan([scenario], KINDS, 2)}
    assert [step.round for step in plan([scenario], KINDS, 2, full=True) if step.size == 100] == [0]


def test_a_smoke_run_does_each_once_and_next_to_nothing():
    steps = plan([Asked([]).scenario()], KINDS, 3, smoke=True)
    assert [(step.kind, step.size) for step in steps] == [("sqlite", 2), ("azurite", 2)]


def test_a_store_that_is_not_there_is_left_out():
    assert {step.kind for step in plan([Asked([]).scenario()], ("sqlite",), 1)} == {"sqlite"}


async def test_a_figure_has_a_value_of_each_round(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    asked = Asked([])
    figures = await measure(Stores(tmp_path, None), plan([asked.scenario()], ("sqlite",), 2))
    assert asked.asked == [("sqlite", 1), ("sqlite", 10), ("sqlite", 1)]
    assert [(figure.size, figure.values, figure.system) for figure in figures] == [
        (1, (1.0, 3.0), "azure_durable_py on SQLite"),
        (10, (2.0,), "azure_durable_py on SQLite"),
    ]
    assert "[3/3] asked, 1, azure_durable_py on SQLite, round 2: 3 things/s" in capsys.readouterr().err


# --- limits ----------------------------------------------------------------------------------------------


async def test_statements_played_again_leave_the_rows_that_the_run_left(tmp_path: Path):
    stores = Stores(tmp_path, None, is_smoke=True)
    async with stores.bench("sqlite", taped=True) as bench:
        with bench.measured() as ours:
            await bench.run_many("hello_cities", 7)
    assert isinstance(bench.tape, statements.StatementTape)
    assert bench.tape.is_whole
    span = bench.tape.play(tmp_path / "bare.db")
    assert span.operations == ours.operations
    db = sqlite3.connect(tmp_path / "bare.db")
    query = "SELECT count(*) FROM instances WHERE name = 'hello_cities' AND runtime_status = 'Completed'"
    assert db.execute(query).fetchone() == (7,)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.close()


def test_transactions_are_joined_as_group_commit_would():
    tape = statements.StatementTape()
    tape.start()
    for number in range(12):
        tape.note("BEGIN IMMEDIATE", (), many=False)
        tape.note("INSERT INTO t VALUES (?)", (number,), many=False)
        tape.note("COMMIT", (), many=False)
    tape.stop(operations=12, writes=12, at_once=4.0)
    assert [len(group) for group in tape.groups] == [4, 4, 4]


@pytest.mark.azurite
async def test_requests_played_again_are_all_accepted(tmp_path: Path, azurite_process: Azurite):
    stores = Stores(tmp_path, azurite_process, is_smoke=True)
    async with stores.bench("azurite", taped=True) as bench:
        with bench.measured() as ours:
            await bench.run_many("hello_cities", 7)
    tape = bench.tape
    assert isinstance(tape, requests.RequestTape)
    # Polls that were sent before and answered within are not of it, and the other way round.
    assert abs(len(tape.counted) - ours.operations) <= 4
    span = await tape.play(azurite_process, tape.hub.replace("Bench", "Other"))
    assert span.operations == ours.operations
    assert [answer for answer in tape.refused if answer != 404] == []
    assert tape.refused[404] <= 1  # The marker of the hub, before it was written.


def test_what_happens_after_a_run_is_not_on_its_tape():
    request = requests.Request("queue", "PUT", "/account/queue", "", {})
    tape = requests.RequestTape("Hub")
    tape.note(request)
    tape.start()
    tape.note(replace(request, method="DELETE"))
    tape.stop(operations=1, writes=1, at_once=0.4)
    tape.note(request)
    assert [one.method for one in (*tape.before, *tape.counted)] == ["PUT", "DELETE"]
    assert tape.at_once == 1


@pytest.mark.parametrize(
    ("path", "query", "body", "rows"),
    [
        ("/a/t(PartitionKey='p',RowKey='r')", "", b"", "p"),
        ("/a/t()", "%24filter=PartitionKey%20eq%20%27p%27%20and%20RowKey%20lt%20%2720%27", b"", "p"),
        ("/a/t", "", b'{"PartitionKey": "p", "RowKey": "r"}', "p"),
        ("/a/$batch", "", b"PUT http://h/a/t(PartitionKey='p',RowKey='r') HTTP/1.1", "p"),
        ("/a/Tables", "", b'{"TableName": "t"}', ""),
    ],
)
def test_requests_on_the_same_rows_keep_their_order(path: str, query: str, body: bytes, rows: str):
    assert requests.Request("table", "GET", path, query, {}, body).rows == rows


# --- ending ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="speaks of POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_ended_leaves_nothing(number: int, tmp_path: Path):
    command = [sys.executable, "-m", "benchmarks", "hello-cities", "--stores", "sqlite", "--rounds", "50"]
    environ = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    process.stderr.read(10)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []
