"""`azure-durable export` on the hub of an app."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from azure_durable_py.cli.commands import cli
from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.client.export import ExportedInstance
from tests.client.playing import Playing


@pytest.fixture(autouse=True)
def no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)


@pytest.fixture
def app_dir(tmp_path: Path) -> Path:
    """An app with instances that have finished, and one that has not."""

    async def fill() -> None:
        async with DurableOrchestrationClient.from_app_settings(tmp_path) as client:
            worker = Playing(client.hub)
            for name, status in (("a-1", "Completed"), ("a-2", "Failed"), ("b-3", "Completed")):
                await client.start_new("Order", name, {"item": name}, tags={"shop": name[0], "all": "yes"})
                await worker.set_status(name, status, output='"done"')
            await client.start_new("Order", "b-4")

    asyncio.run(fill())
    return tmp_path


def export(app_dir: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["export", str(app_dir), *arguments])


def ids(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [str(ExportedInstance.from_line(line).status.instance_id) for line in result.stdout.splitlines()]


def test_finished_instances_go_to_stdout_and_the_sum_to_stderr(app_dir: Path) -> None:
    result = export(app_dir)
    assert ids(result) == ["a-1", "a-2", "b-3"]
    assert result.stderr == "Exported 3 instances.\n"


def test_what_is_to_be_redacted_is_in_no_line(app_dir: Path) -> None:
    result = export(app_dir, "--redact", "item", "--redact", "tags.shop")
    assert ids(result) == ["a-1", "a-2", "b-3"]
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(line["input"], line["tags"]) for line in lines] == [({"item": "a-1"}, {"shop": "a", "all": "yes"})] * 3


def test_a_file_has_the_same_lines(app_dir: Path) -> None:
    target = app_dir / "out.jsonl"
    result = export(app_dir, "--output", str(target))
    assert (result.exit_code, result.stdout) == (0, "")
    assert target.read_text(encoding="ascii") == export(app_dir).stdout
    assert not (app_dir / "out.jsonl.part").exists()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--runtime-status", "failed"], ["a-2"]),
        (["--runtime-status", "Failed", "--runtime-status", "Terminated"], ["a-2"]),
        (["--runtime-status", "pending"], ["b-4"]),
        (["--all"], ["a-1", "a-2", "b-3", "b-4"]),
        (["--all", "--runtime-status", "Failed"], ["a-2"]),
        (["--prefix", "a-"], ["a-1", "a-2"]),
        (["--name", "Order", "--name", "Other"], ["a-1", "a-2", "b-3"]),
        (["--name", "Other"], []),
        (["--tag", "shop=b", "--tag", "all=yes"], ["b-3"]),
        (["--created-after", "2020-01-01", "--created-before", "2020-12-31T23:59:59Z"], []),
        (["--completed-after", "2020-01-01T00:00:00+01:00"], ["a-1", "a-2", "b-3"]),
        (["--completed-before", "2020-01-01"], []),
    ],
)
def test_options_select(app_dir: Path, options: list[str], expected: list[str]) -> None:
    assert ids(export(app_dir, *options)) == expected


@pytest.mark.parametrize(
    ("options", "code", "why"),
    [
        (["--created-after", "yesterday"], 2, "'yesterday' is no time"),
        (["--tag", "shop"], 2, "'shop' is no tag"),
        (["--runtime-status", "Done"], 2, "'Done' is not a runtime status"),
        (["--redact", "input..item"], 2, "'input..item' names nothing to redact"),
        (["--storage", "Nowhere"], 1, "There is no storage 'Nowhere'"),
        (["--output", "/no/such/directory/out.jsonl"], 1, "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(app_dir: Path, options: list[str], code: int, why: str) -> None:
    result = export(app_dir, *options)
    assert result.exit_code == code
    assert why in result.stderr
    assert "Traceback" not in result.output


def test_a_damaged_instance_is_told_of_and_exported(app_dir: Path) -> None:
    async def spoil() -> None:
        async with DurableOrchestrationClient.from_app_settings(app_dir) as client:
            await Playing(client.hub).set_status("b-4", "Completed", output="NaN", seal=True)
            rows = await client.hub.store.list_blobs("b-4", "20-")
            await client.hub.store.delete_blobs("b-4", [row.key for row in rows])

    asyncio.run(spoil())
    result = export(app_dir, "--prefix", "b-4")
    [line] = result.stdout.splitlines()
    assert json.loads(line)["damaged"]
    assert "Instance 'b-4' is damaged: " in result.stderr
    assert result.stderr.endswith("Exported 1 instance, 1 of them damaged.\n")


def test_what_was_written_before_an_error_has_not_the_name_of_a_whole_file(app_dir: Path) -> None:
    target = app_dir / "out.jsonl"
    assert export(app_dir, "--output", str(target), "--redact", ".").exit_code == 2
    assert not target.exists()


def test_a_reader_that_goes_away_ends_the_export_quietly(app_dir: Path) -> None:
    async def add_more_than_a_pipe_holds() -> None:
        async with DurableOrchestrationClient.from_app_settings(app_dir) as client:
            await client.start_new("Order", "large", "x" * 500_000)
            await Playing(client.hub).set_status("large", "Completed")

    asyncio.run(add_more_than_a_pipe_holds())
    command = f"{sys.executable} -m azure_durable_py export {app_dir} | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("{", "")


@pytest.mark.skipif(sys.platform == "win32", reason="has no pipes with names")
def test_what_is_no_file_is_written_to_and_stays_what_it_is(app_dir: Path) -> None:
    pipe = app_dir / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True) as reader:
        result = export(app_dir, "--output", str(pipe))
        read, _ = reader.communicate(timeout=60)
    assert result.exit_code == 0
    assert pipe.is_fifo()
    assert read == export(app_dir).stdout != ""
