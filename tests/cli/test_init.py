"""`azure-durable init`: the apps that it makes run, and their tests pass."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from azure_durable_py.appsettings import read_app
from azure_durable_py.cli.commands import cli
from azure_durable_py.cli.new_app import TEMPLATES
from azure_durable_py.hosting.functions.hostjson import advice
from azure_durable_py.taskhub.storage import default_storage
from tests.e2e.host import Host, until
from tests.showing import section, steps

ROOT = Path(__file__).parent.parent.parent
FILES = [
    ".funcignore",
    ".gitignore",
    "README.md",
    "function_app.py",
    "host.json",
    "local.settings.json",
    "pytest.ini",
    "requirements-dev.txt",
    "requirements.txt",
    "tests/test_function_app.py",
]
RUFF = """
line-length = 120
target-version = "py310"
lint.select = ["A", "B", "C4", "E", "F", "I", "N", "PL", "RUF", "S", "UP"]
lint.ignore = ["PLR2004", "S101"]
"""
every_template = pytest.mark.parametrize("template", list(TEMPLATES))


def init(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["init", *arguments])


def make(directory: Path, template: str = "hello") -> Path:
    result = init(str(directory), "--template", template)
    assert result.exit_code == 0, result.output
    return directory


def files(directory: Path) -> list[str]:
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())


def passes(app: Path) -> str:
    """Run the tests of an app; gives what pytest prints."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=app, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


@every_template
def test_a_new_app_has_all_it_needs_and_tells_what_comes_next(tmp_path: Path, template: str) -> None:
    result = init(str(tmp_path / "shop"), "--template", template)
    assert result.exit_code == 0
    assert files(tmp_path / "shop") == FILES
    told = [line.strip() for line in result.output.splitlines()]
    assert set(FILES) <= set(told)
    at = told.index("Next:")
    assert told[at + 2 : at + 6] == [
        f"cd {tmp_path / 'shop'}",
        "pip install -r requirements-dev.txt",
        "pytest",
        "azure-durable start --reload",
    ]
    assert [
        line for path in FILES for line in (tmp_path / "shop" / path).read_text().splitlines() if "{{" in line
    ] == []


@every_template
def test_the_tests_of_a_new_app_pass(tmp_path: Path, template: str) -> None:
    app = make(tmp_path / "shop", template)
    assert " passed" in passes(app)


@every_template
def test_what_is_made_is_python_3_10_and_as_tidy_as_our_own(tmp_path: Path, template: str) -> None:
    app = make(tmp_path / "shop", template)
    for path in app.rglob("*.py"):
        ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 10))
    pytest.importorskip("ruff", reason="ruff is a tool of developers, not of the tests")
    ruff = [sys.executable, "-m", "ruff"]
    (app / "ruff.toml").write_text(RUFF)
    for command in (["check", "--no-cache"], ["format", "--no-cache", "--check"]):
        done = subprocess.run([*ruff, *command, "."], cwd=app, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


@every_template
def test_the_settings_of_a_new_app_need_no_advice(
    tmp_path: Path, template: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = make(tmp_path / "my-shop", template)
    settings, app_settings = read_app(app, {})
    assert settings.hub_name == "myshop"
    assert app_settings["FUNCTIONS_WORKER_RUNTIME"] == "python"
    assert default_storage(settings, app_settings) == "sqlite"
    assert list(advice(json.loads((app / "host.json").read_text()), [])) == []
    assert caplog.records == []


@every_template
def test_nothing_of_this_machine_goes_into_git_or_to_azure(tmp_path: Path, template: str) -> None:
    app = make(tmp_path / "shop", template)
    assert "local.settings.json" in (app / ".gitignore").read_text().split()
    left_out = (app / ".funcignore").read_text().split()
    assert {"local.settings.json", "tests", ".venv"} <= set(left_out)
    assert not {"function_app.py", "host.json", "requirements.txt"} & set(left_out)


def posted(host: Host, path: str, content: Any = None) -> Any:
    answer = host.post(path, content)
    assert answer.status in (200, 202), answer
    return answer


def served(tmp_path: Path, template: str, folder: str = "shop") -> Host:
    host = Host(make(tmp_path / folder, template), "sqlite")
    host.start()
    return host


def test_the_first_steps_print_what_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, tested, _, asked = steps(section((ROOT / "docs" / "start.md").read_text(encoding="utf-8"), "A new app"))
    monkeypatch.chdir(tmp_path)
    printed = init(*made.command.split()[2:]).output
    assert made.matches(printed), printed
    assert tested.command == "cd shop && pytest -q"
    passed = passes(tmp_path / "shop")
    assert tested.matches(passed), passed
    host = Host(tmp_path / "shop", "sqlite")
    host.start()
    try:
        command = asked.command.replace("localhost:7071", f"localhost:{host.port}")
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
        assert asked.matches(done.stdout.replace(f"localhost:{host.port}", "localhost:7071")), done.stdout
    finally:
        host.kill()


def test_start_serves_hello_in_a_folder_with_an_odd_name(tmp_path: Path) -> None:
    host = served(tmp_path, "hello", "7 größte läden (neu) {{rest}}")
    try:
        url = posted(host, "/api/hello").json()["statusQueryGetUri"]

        def output() -> Any:
            with urllib.request.urlopen(url) as response:
                return json.load(response)["output"]

        assert until(output, 30, "the greetings") == ["Hello Tokyo!", "Hello Seattle!", "Hello London!"]
        assert "t7grtelden" in host.log
    finally:
        host.kill()


def test_start_serves_human_approval(tmp_path: Path) -> None:
    host = served(tmp_path, "human-approval")
    try:
        ids = [
            posted(host, "/api/expenses", {"what": "chairs", "amount": 120}).json()["id"],
            posted(host, "/api/expenses", {"what": "boats", "amount": 9000}).json()["id"],
        ]
        for instance_id, approved in zip(ids, (True, False), strict=True):
            posted(host, f"/api/expenses/{instance_id}/decision", {"approved": approved})
        for instance_id, state in zip(ids, ("paid", "rejected"), strict=True):
            url = f"/api/expenses/{instance_id}"
            until(lambda url=url, state=state: host.get(url).json()["state"] == state, 30, state)
        assert host.post(f"/api/expenses/{ids[0]}/decision", {"approved": True}).status == 409
        assert host.post("/api/expenses", {"what": "chairs"}).status == 400
        assert host.post("/api/expenses/nobody/decision", {"approved": True}).status == 404
        assert host.post(f"/api/expenses/{ids[0]}/decision", {"approved": "yes"}).status == 400
    finally:
        host.kill()


def test_start_serves_http_api(tmp_path: Path) -> None:
    host = served(tmp_path, "http-api")
    try:
        answer = posted(host, "/api/reports", {"title": "Sales", "chapters": 2})
        while answer.status == 202:
            answer = host.get(answer.headers["Location"])
        assert answer.json() == {
            "title": "Sales",
            "chapters": ["Sales, chapter 1: all is well.", "Sales, chapter 2: all is well."],
        }
        assert host.get("/api/reports/nobody").status == 404
    finally:
        host.kill()


def test_nothing_is_overwritten_and_then_nothing_is_written_at_all(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_function_app.py").write_text("mine too")
    result = init(str(tmp_path))
    assert result.exit_code == 1
    assert f"Error: {tmp_path} has README.md, tests/test_function_app.py already; nothing was written." in result.output
    assert "--keep-existing" in result.output
    assert files(tmp_path) == ["README.md", "tests/test_function_app.py"]


def test_the_rest_is_made_around_files_that_are_to_be_kept(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    result = init(str(tmp_path), "--keep-existing")
    assert result.exit_code == 0
    assert result.output.index("Left as they were:") < result.output.index("    README.md")
    assert (tmp_path / "README.md").read_text() == "mine"
    assert files(tmp_path) == FILES


def test_files_that_are_not_in_the_way_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("mine")
    assert init(str(tmp_path)).exit_code == 0
    assert files(tmp_path) == sorted([*FILES, "LICENSE"])


def test_it_makes_the_app_here_unless_it_is_told_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = init()
    assert result.exit_code == 0
    assert files(tmp_path) == FILES
    assert "cd " not in result.output


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "tests").write_text("a file")
    result = init(str(tmp_path))
    assert result.exit_code == 1
    assert f"Error: The app cannot be made in {tmp_path}: " in result.output
    (tmp_path / "shop").write_text("a file")
    assert init(str(tmp_path / "shop")).exit_code == 2


def test_the_hub_of_an_app_is_called_after_its_folder(tmp_path: Path) -> None:
    names = {folder: read_app(make(tmp_path / folder), {})[0].hub_name for folder in ("a", "日本", "2 x", "X" * 60)}
    assert names == {"a": "aHub", "日本": "TestHubName", "2 x": "t2x", "X" * 60: "X" * 45}


def test_help_names_every_template_with_what_it_does() -> None:
    text = " ".join(init("--help").output.split())
    assert [name for name, what in TEMPLATES.items() if f"{name} {what}" not in text] == []
