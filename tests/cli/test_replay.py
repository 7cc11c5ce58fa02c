"""`azure-durable replay`: histories of files and of a hub, through the code of an app."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from azure_durable_py.cli.commands import cli
from azure_durable_py.cli.exits import ExitCode

CHANGED = ('yield context.call_activity("charge"', 'yield context.call_activity("bill"')
INPUT = ('("charge", order["amount"])', '("charge", order["amount"] + 1)')


def ran(*arguments: str, given: bytes | None = None) -> Result:
    path = list(sys.path)
    try:
        return CliRunner().invoke(cli, ["replay", *arguments], input=given)
    finally:
        sys.path[:] = path


@pytest.fixture
def changed_shop(own_shop: Path) -> Path:
    """The shop with code that its orders do not fit."""
    script = own_shop / "function_app.py"
    code = script.read_text(encoding="utf-8")
    assert CHANGED[0] in code
    script.write_text(code.replace(*CHANGED), encoding="utf-8")
    return own_shop


@pytest.fixture(scope="module")
def exported(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the instances of the shop in a file."""
    directory = tmp_path_factory.mktemp("histories")
    done = CliRunner().invoke(cli, ["export", str(shop), "--all", "--output", str(directory / "shop.jsonl")])
    assert done.exit_code == 0, done.output
    return directory


def test_the_instances_of_a_hub_are_replayed_those_that_run_included(shop: Path) -> None:
    done = ran(str(shop))
    assert done.exit_code == 0, done.output
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert rows[0] == ["ORCHESTRATOR", "HISTORIES", "SAME"]
    assert ["Order", "4", "4"] in rows
    assert ["Reminder", "1", "1"] in rows
    assert " 8 histories: 8 same." in done.stderr


def test_what_code_on_disk_would_do_to_instances_in_flight(changed_shop: Path) -> None:
    done = ran(str(changed_shop), "--name", "Order", "--runtime-status", "Running")
    assert done.exit_code == ExitCode.diverged
    for part in (
        "order-3 of 'Order': diverged\n",
        "history event 2: TaskScheduled(id 0) 'charge'\n",
        "the code did: TaskScheduled(id 0) 'bill'\n",
        "function_app.py:",
    ):
        assert part in done.stdout
    assert done.stderr.endswith("Error: 1 of 1 histories are not what this code does.\n")


def test_what_is_the_same_of_many_is_told_once(changed_shop: Path, exported: Path) -> None:
    done = ran(str(changed_shop), "--history", str(exported))
    assert done.exit_code == ExitCode.diverged
    assert done.stdout.count("'bill'") == 1
    assert "4 histories in all are diverged like " in done.stdout
    assert "Order\t4\t0\t4" in done.stdout


def test_histories_come_from_directories_patterns_and_stdin(shop: Path, exported: Path) -> None:
    file = exported / "shop.jsonl"
    for arguments, given in (
        (["--history", str(exported)], None),
        (["--history", str(exported / "*.jsonl")], None),
        (["--history", "-"], file.read_bytes()),
    ):
        done = ran(str(shop), *arguments, given=given)
        assert done.exit_code == 0, done.output
        assert " 8 histories: 8 same." in done.stderr


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["--name", "Ship"], 2),
        (["--prefix", "order-1"], 2),
        (["--runtime-status", "Failed,Suspended"], 3),
        (["--created-after", "2020-01-01"], 8),
        (["--created-after", "in 1d"], 0),
        (["--limit", "3"], 3),
    ],
)
@pytest.mark.parametrize("of_file", [True, False])
def test_options_select(shop: Path, exported: Path, options: list[str], count: int, of_file: bool) -> None:
    done = ran(str(shop), *(["--history", str(exported)] if of_file else []), *options)
    # A check of files that looks at none of them does not pass.
    assert done.exit_code == (ExitCode.did_not_work if of_file and not count else 0), done.output
    assert f" {count} histories: " in done.stderr


def test_json_has_the_counts_and_what_was_found(changed_shop: Path, exported: Path) -> None:
    done = ran(str(changed_shop), "--history", str(exported), "--json")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["histories"], told["failures"]) == (ExitCode.diverged, 8, 4)
    assert told["verdicts"] == {"same": 4, "diverged": 4}
    assert told["orchestrators"]["Order"] == {"diverged": 4}
    [found] = told["found"]
    assert (found["verdict"], found["isFailure"], found["name"], found["count"]) == ("diverged", True, "Order", 4)
    assert {one["instanceId"] for one in found["histories"]} == {"order-1", "order-2", "order-3", "order-4"}
    assert found["histories"][0]["place"].startswith(str(exported / "shop.jsonl:"))


def test_another_end_is_told_and_fails_only_if_that_is_asked_for(own_shop: Path, exported: Path) -> None:
    script = own_shop / "function_app.py"
    code = script.read_text(encoding="utf-8")
    before = "return (yield context.call_sub_orchestrator("
    assert before in code
    script.write_text(
        code.replace(before, "return ['sent', (yield context.call_sub_orchestrator(").replace(
            'f"{context.instance_id}-ship"))', 'f"{context.instance_id}-ship"))]'
        ),
        encoding="utf-8",
    )
    arguments = (str(own_shop), "--history", str(exported), "--name", "Order")
    done = ran(*arguments)
    assert done.exit_code == 0, done.output
    assert "order-1 of 'Order': changed\n" in done.stdout
    assert ran(*arguments, "--fail-on-change").exit_code == ExitCode.diverged


def test_a_call_with_another_input_fails_unless_that_is_allowed(own_shop: Path, exported: Path) -> None:
    script = own_shop / "function_app.py"
    code = script.read_text(encoding="utf-8")
    assert INPUT[0] in code
    script.write_text(code.replace(*INPUT), encoding="utf-8")
    arguments = (str(own_shop), "--history", str(exported), "--name", "Order")
    done = ran(*arguments)
    assert done.exit_code == ExitCode.diverged
    assert "TaskScheduled(id 0) 'charge' with input " in done.stdout
    assert done.stdout.count("the code did") == 1
    assert "4 histories in all are diverged like " in done.stdout
    allowed = ran(*arguments, "--allow-changed-inputs")
    assert allowed.exit_code == 0
    assert "Order\t4\t4" in allowed.stdout
    assert ran(*arguments, "--allow-changed-inputs", "--fail-on-change").exit_code == ExitCode.diverged


def test_help_says_what_the_verdicts_mean() -> None:
    told = " ".join(ran("--help").stdout.split())
    assert "Diverged: an instance in flight would fail, or take the answer to" in told
    assert "Changed: it would not be hurt." in told


def test_a_damaged_line_is_told_with_its_number(shop: Path, exported: Path, tmp_path: Path) -> None:
    file = tmp_path / "cut.jsonl"
    lines = (exported / "shop.jsonl").read_text(encoding="ascii").splitlines()
    file.write_text("\n".join([lines[0], lines[1][:100]]), encoding="ascii")
    done = ran(str(shop), "--history", str(file))
    assert done.exit_code == ExitCode.diverged
    assert f"{file}:2: unreadable\n" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["--history", "/no/such/file"], 1, "There is no file /no/such/file"),
        (["--history", "x", "--storage", "sqlite"], 2, "--history and a task hub contradict each other"),
        (["--url", "http://127.0.0.1:1"], 2, "This needs the task hub itself"),
        (["--limit", "0"], 2, "0 is not in the range"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(shop: Path, arguments: list[str], code: int, why: str) -> None:
    done = ran(str(shop), *arguments)
    assert done.exit_code == code
    assert why in done.stderr
    assert "Traceback" not in done.output


def test_an_app_that_cannot_be_loaded_says_where(tmp_path: Path, exported: Path) -> None:
    assert "There is no function_app.py" in ran(str(tmp_path), "--history", str(exported)).stderr
    (tmp_path / "function_app.py").write_text("import nowhere_to_be_found\n", encoding="utf-8")
    done = ran(str(tmp_path), "--history", str(exported))
    assert done.exit_code == 1
    assert "function_app.py cannot be loaded" in done.stderr


def test_what_code_prints_is_no_part_of_the_json(own_shop: Path, exported: Path) -> None:
    script = own_shop / "function_app.py"
    code = script.read_text(encoding="utf-8")
    script.write_text(f"print('loaded')\n{code.replace(CHANGED[0], f'print(5); {CHANGED[0]}')}", encoding="utf-8")
    done = ran(str(own_shop), "--history", str(exported), "--json")
    assert json.loads(done.stdout)["histories"] == 8
    assert "loaded\n5\n" in done.stderr


@pytest.mark.parametrize("options", [["--name", "Ordr"], ["--created-after", "2999-01-01"]])
def test_a_check_that_looks_at_no_history_does_not_pass(own_shop: Path, exported: Path, options: list[str]) -> None:
    done = ran(str(own_shop), "--history", str(exported), *options)
    assert done.exit_code == ExitCode.did_not_work
    assert "Error: Nothing was replayed: --history names no history, or the other options let none pass." in done.stderr
