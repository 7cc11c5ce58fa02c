"""`azure-durable logs`, and the file of the local host that it reads."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import pytest

from azure_durable_py.hosting.local import log_file
from azure_durable_py.hosting.local.log_file import kept_log, log_files
from tests.cli.shop import COLOR, azure_durable, ran

logger = logging.getLogger("azure_durable_py.worker")


@pytest.fixture(autouse=True)
def no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)


@pytest.fixture(autouse=True)
def level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def say(message: str, instance_id: str, severity: int = logging.INFO) -> None:
    logger.log(severity, message, extra={"instance_id": instance_id})


def test_what_a_host_logged_of_an_instance_is_shown_in_order(shop: Path) -> None:
    rows = [line.split("\t") for line in ran("logs", "order-2", str(shop)).stdout.splitlines()]
    assert rows[0] == ["TIME", "LEVEL", "MESSAGE"]
    assert [row[0] for row in rows[1:]] == sorted(row[0] for row in rows[1:])
    messages = "\n".join(row[2] for row in rows[1:])
    assert "order-2" in messages
    assert "failed" in messages
    assert "order-3" not in messages


def test_as_json_each_record_has_its_attributes(shop: Path) -> None:
    found = json.loads(ran("logs", "order-2", str(shop), "--json").stdout)
    assert {record["attributes"]["instance_id"] for record in found} == {"order-2"}
    assert all(record["time"].endswith("Z") and record["logger"].startswith("azure_durable_py.") for record in found)
    severe = json.loads(ran("logs", "order-2", str(shop), "--level", "warning", "--json").stdout)
    assert 0 < len(severe) < len(found)
    assert {record["level"] for record in severe} <= {"WARN", "ERROR"}


def test_nothing_that_others_wrote_steers_a_terminal(shop: Path) -> None:
    output = ran("logs", "hostile", str(shop)).output
    assert "\\x1b[31mred" in output
    assert "\x1b" not in output


def test_an_instance_of_which_nothing_was_logged_is_said_on_stderr(shop: Path) -> None:
    result = ran("logs", "nope", str(shop))
    assert result.stdout == "TIME\tLEVEL\tMESSAGE\n"
    assert result.stderr.startswith("Nothing was logged of instance 'nope'")


def test_where_no_log_is_kept_is_said(tmp_path: Path) -> None:
    result = azure_durable("logs", "a", str(tmp_path))
    assert result.exit_code == 3
    assert "only `azure-durable start` keeps one" in result.stderr
    assert azure_durable("logs", "a", "--url", "http://localhost:7071").exit_code == 2


def test_a_log_ends_with_its_context(tmp_path: Path) -> None:
    with kept_log(tmp_path):
        say("inside", "a")
    say("outside", "a")
    found = json.loads(ran("logs", "a", str(tmp_path), "--json").stdout)
    assert [record["message"] for record in found] == ["inside"]
    assert (tmp_path / ".azure-durable" / ".gitignore").read_text() == "*\n"


@pytest.mark.skipif(sys.platform == "win32", reason="has no such permissions")
def test_a_log_is_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "MOST_BYTES", 2_000)
    with kept_log(tmp_path):
        for number in range(200):
            say(f"message {number}", "a")
    assert {file.stat().st_mode & 0o777 for file in log_files(tmp_path)} == {0o600}


def test_a_log_goes_on_after_a_restart(tmp_path: Path) -> None:
    for message in ("first", "second"):
        with kept_log(tmp_path):
            say(message, "a")
    found = json.loads(ran("logs", "a", str(tmp_path), "--json").stdout)
    assert [record["message"] for record in found] == ["first", "second"]


def test_a_log_takes_bounded_space_and_keeps_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "MOST_BYTES", 2_000)
    with kept_log(tmp_path):
        for number in range(200):
            say(f"message {number}", "a")
    files = log_files(tmp_path)
    assert len(files) == log_file.OLDER_FILES + 1
    assert sum(file.stat().st_size for file in files) <= 4 * 2_000
    found = json.loads(ran("logs", "a", str(tmp_path), "--json").stdout)
    numbers = [int(record["message"].split()[1]) for record in found]
    assert numbers == list(range(numbers[0], 200))


def test_lines_that_are_none_are_passed_over(tmp_path: Path) -> None:
    with kept_log(tmp_path):
        say("whole", "a")
    with log_files(tmp_path)[0].open("ab") as stream:
        stream.write(b'{"instance_id": "a"}\n\xff "a"\n{"Body": "cut off", "Attributes": {"instance_id": "a"')
    found = json.loads(ran("logs", "a", str(tmp_path), "--json").stdout)
    assert [record["message"] for record in found] == ["whole"]


def test_an_id_is_the_whole_id(tmp_path: Path) -> None:
    with kept_log(tmp_path):
        say('of "a"', "ab")
        say("of hostile", COLOR)
    assert json.loads(ran("logs", "a", str(tmp_path), "--json").stdout) == []
    assert len(json.loads(ran("logs", COLOR, str(tmp_path), "--json").stdout)) == 1


def test_a_log_that_cannot_be_written_stops_no_host(tmp_path: Path) -> None:
    (tmp_path / ".azure-durable").write_text("a file stands where the folder would be made")
    with kept_log(tmp_path), kept_log(tmp_path / "nowhere"):
        say("said", "a")
    assert log_files(tmp_path) == []


def test_a_disk_that_is_full_costs_the_line_only(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full")
    (tmp_path / ".azure-durable" / "logs").mkdir(parents=True)
    (tmp_path / ".azure-durable" / "logs" / "host.jsonl").symlink_to(full)
    with kept_log(tmp_path):
        say("lost", "a")
    assert capfd.readouterr().err == ""
