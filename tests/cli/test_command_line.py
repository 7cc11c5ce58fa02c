"""What all commands share: the list of them, how quickly it is there, how they end."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from azure_durable_py.cli.commands import COMMANDS, cli
from azure_durable_py.cli.exits import MEANINGS, CommandError, ExitCode, as_command_error
from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.errors import InstanceNotFoundError, InvalidRequestError, SettingsError, StorageUnavailableError
from tests.cli.shop import environment

ROOT = Path(__file__).parent.parent.parent


def commands(group: click.Group = cli, path: str = "azure-durable") -> Iterator[tuple[str, click.Command]]:
    """Every command, those of groups too, with the words that call it."""
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


ALL = dict(commands())


def modules_after(arguments: list[str]) -> list[str]:
    """What is imported once a command line has been answered."""
    code = (
        "import sys, json; from azure_durable_py.cli.commands import cli\n"
        f"try: cli({arguments!r})\nexcept SystemExit: pass\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    # A counter of lines has imports of its own.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=environ
    )
    modules: list[str] = json.loads(done.stdout.splitlines()[-1])
    return modules


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], []], ids=["help", "version", "nothing"])
def test_help_and_version_import_next_to_nothing(arguments: list[str]) -> None:
    modules = modules_after(arguments)
    assert [name for name in modules if name.split(".")[0] in ("asyncio", "rich", "aiohttp", "azure", "sqlite3")] == []
    ours = [name for name in modules if name.startswith("azure_durable_py")]
    assert len(ours) <= 8, ours
    assert len(modules) <= 220


def test_the_help_of_a_command_imports_nothing_of_the_engine() -> None:
    modules = modules_after(["export", "--help"])
    assert [name for name in modules if name.split(".")[0] in ("asyncio", "rich", "aiohttp", "azure", "sqlite3")] == []
    assert "azure_durable_py.taskhub" not in modules


@pytest.mark.parametrize("path", [path for path in ALL if path.count(" ") == 1])
def test_the_list_says_of_a_command_what_its_own_help_begins_with(path: str) -> None:
    listed = {entry.name: entry.help for entries in COMMANDS.values() for entry in entries}
    said = (ALL[path].help or "").split("\n\n", 1)[0].replace("\n", " ")
    assert said.startswith(listed[path.split()[1]].rstrip("."))


def test_every_command_that_a_message_names_is_there() -> None:
    named = {
        (file.name, found)
        for file in sorted((ROOT / "azure_durable_py").rglob("*.py"))
        for found in re.findall(r"azure-durable ((?:[a-z][a-z-]+ ?)+)", file.read_text(encoding="utf-8"))
    }
    assert len(named) > 40
    assert [(file, words) for file, words in named if not _is_command(words.split())] == []


def _is_command(words: list[str]) -> bool:
    command: click.Command | None = cli
    for word in words:
        if not isinstance(command, click.Group):
            break
        command = command.get_command(click.Context(command), word)
    return command is not None


@pytest.mark.parametrize("path", [path for path, command in ALL.items() if not isinstance(command, click.Group)])
def test_the_help_of_a_command_shows_examples(path: str) -> None:
    result = CliRunner().invoke(cli, [*path.split()[1:], "--help"])
    assert result.exit_code == 0
    lines = [line.strip() for line in result.output.splitlines()]
    assert "Examples:" in lines
    assert [line for line in lines if line.startswith(path)]


def test_the_help_tells_every_exit_code() -> None:
    output = CliRunner().invoke(cli, ["--help"]).output
    assert list(MEANINGS) == list(ExitCode)
    for code, meaning in MEANINGS.items():
        assert f"{code.value}  {meaning}" in output


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["frobnicate"], "Error: There is no command 'frobnicate'. See `azure-durable --help`.\n"),
        (["shwo"], "Error: There is no command 'shwo'. Did you mean show? See `azure-durable --help`.\n"),
        (["show"], "Error: INSTANCE_ID is missing: the id of the instance. See `azure-durable show --help`.\n"),
        (["show", "a", ".", "b"], "Error: There is an argument too many: 'b'. See `azure-durable show --help`.\n"),
        (
            ["repair", "--storage", "a", "--connection-string-setting", "b"],
            (
                "Error: --storage and --connection-string-setting say the same: give one of them. "
                "See `azure-durable repair --help`.\n"
            ),
        ),
        (
            ["repair", "--url", "http://localhost:7071"],
            (
                "Error: This needs the task hub itself, which a host's URL does not give. "
                "Leave out --url, and name the app's directory or --storage.\n"
            ),
        ),
        (
            ["repair", "--storage", "memory"],
            (
                "Error: A task hub in memory is inside the process of its host. "
                "Ask that host: --url http://127.0.0.1:7071\n"
            ),
        ),
    ],
    ids=["unknown", "near", "missing", "too-many", "twice", "url", "memory"],
)
def test_wrong_usage_is_one_line_with_the_mend(arguments: list[str], line: str) -> None:
    result = CliRunner().invoke(cli, arguments, prog_name="azure-durable")
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", line)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InstanceNotFoundError("x"), ExitCode.not_found),
        (InvalidRequestError("x"), ExitCode.wrong_usage),
        (SettingsError("x"), ExitCode.did_not_work),
        (StorageUnavailableError("x"), ExitCode.did_not_work),
        (TimeoutError("x"), ExitCode.timed_out),
        (click.UsageError("x"), ExitCode.wrong_usage),
        (CommandError("x", ExitCode.instance_failed), ExitCode.instance_failed),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.name,
)
def test_an_error_has_its_exit_code(error: Exception, code: ExitCode) -> None:
    told = as_command_error(error)
    assert told is not None
    assert told.code is code


def test_a_defect_is_not_made_a_message() -> None:
    assert as_command_error(KeyError("x")) is None


def test_an_error_steers_no_terminal_whatever_it_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    CommandError("There is no \x1b[31m\rsuch\u202e thing.").show()
    assert capsys.readouterr().err == "Error: There is no \\x1b[31m\\rsuch\\u202e thing.\n"


def test_an_option_of_core_tools_names_the_hub_too(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["show", "--id", "a", str(tmp_path), "--task-hub-name", "OtherHub"])
    assert result.exit_code == 3
    assert f"{tmp_path / '.azure-durable' / 'OtherHub.db'}" in result.stderr


def test_without_the_extra_the_mend_is_named() -> None:
    code = (
        "import sys; sys.modules['click'] = None\n"
        "from azure_durable_py.cli.main import main\nsys.argv = ['azure-durable', '--help']\nmain()"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environ, check=False)
    assert done.returncode == 1
    assert "pip install 'azure-durable-py[local]'" in done.stderr


# --- examples and completion -----------------------------------------------------------------------------


def shown_examples() -> list[tuple[str, str]]:
    """Every example of every command's help, with the command that it belongs to."""
    return [
        (path, line.strip())
        for path, command in ALL.items()
        for line in (command.epilog or "").splitlines()
        if line.strip().startswith("azure-durable ")
    ]


@pytest.mark.parametrize(("path", "example"), shown_examples())
def test_an_example_is_understood_by_its_command(path: str, example: str, tmp_path: Path) -> None:
    """Its words are those of the command, and the parser takes them. What they do is tested beside."""
    words = shlex.split(example.partition(" > ")[0].partition(" | ")[0])
    assert words[: len(path.split())] == path.split()
    group, ctx = cli, click.Context(cli, info_name="azure-durable")
    for word in path.split()[1:-1]:
        inner = group.get_command(ctx, word)
        assert isinstance(inner, click.Group)
        group = inner
    command = ALL[path]
    (tmp_path / "order.json").write_text("{}")
    with command.make_context(path, words[len(path.split()) :], parent=ctx) as made:
        assert made.command is command


def completions(words: str, incomplete: str) -> list[str]:
    completing = ShellComplete(cli, {}, "azure-durable", "_AZURE_DURABLE_COMPLETE")
    return [item.value for item in completing.get_completions(shlex.split(words), incomplete)]


def test_commands_are_completed() -> None:
    assert completions("", "re") == ["replay", "resume", "rewind", "restart", "repair"]


def test_options_and_states_are_completed() -> None:
    assert "--status" in completions("list", "--st")
    assert completions("list --status", "s") == ["Suspended"]
    assert completions("list --status", "Failed,co") == ["Failed,Completed", "Failed,ContinuedAsNew"]


def test_ids_of_instances_are_completed(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)
    monkeypatch.chdir(shop)
    assert completions("show", "order-2") == ["order-2", "order-2-ship"]
    assert completions("show --id", "order-2") == ["order-2", "order-2-ship"]
    assert completions("raise-event", "reminder") == ["reminder-1"]


def test_where_there_is_no_hub_nothing_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)
    monkeypatch.chdir(tmp_path)
    assert completions("show", "order-2") == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_completes_azure_durable(shell: str) -> None:
    script = CliRunner().invoke(cli, ["completion", shell]).stdout
    assert f"_AZURE_DURABLE_COMPLETE={shell}_complete" in script
    assert "azure-durable" in script


def test_bash_completes_with_the_script(shop: Path, tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    script = tmp_path / "completion.bash"
    script.write_text(CliRunner().invoke(cli, ["completion", "bash"]).stdout)
    command = tmp_path / "azure-durable"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m azure_durable_py "$@"\n')
    command.chmod(0o755)
    typed = (
        f'PATH="{tmp_path}:$PATH"; source {script}; COMP_WORDS=(azure-durable show order-1); COMP_CWORD=2; '
        '_azure_durable_completion azure-durable; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        [bash, "-c", typed], capture_output=True, text=True, cwd=shop, env=environment(), timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == ("order-1 order-1-ship\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="has no /dev/full, and a shell of its own")
@pytest.mark.parametrize("arguments", ["--help", "hub keys show --name master", "list --json"])
@pytest.mark.parametrize(
    ("redirection", "expected"),
    [
        (">&-", (0, "")),
        (">&- 2>&-", (0, "")),
        ("> /dev/full", (1, "Error: The output cannot be written: [Errno 28] No space left on device.\n")),
    ],
    ids=["closed", "both-closed", "full"],
)
def test_output_that_cannot_be_written_ends_no_command_with_a_stack(
    tmp_path: Path, arguments: str, redirection: str, expected: tuple[int, str]
) -> None:
    async def make_hub() -> None:
        async with DurableOrchestrationClient.from_app_settings(tmp_path) as client:
            await client.start_new("Order", "o-1")

    asyncio.run(make_hub())
    command = f"{sys.executable} -m azure_durable_py {arguments} {redirection}"
    done = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env=environment(),
    )
    assert (done.returncode, done.stderr) == expected
