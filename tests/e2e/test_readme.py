"""What the README shows is what happens: its console blocks are run, and must print what they show."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.building import distribution
from tests.cli import command_page
from tests.e2e.host import ROOT, Host, copy_sample, until
from tests.showing import Step, blocks, section, steps

README = (ROOT / "README.md").read_text(encoding="utf-8")


def follow(host: Host, step: Step) -> None:
    """Do what a step says, with the port of this host, and compare."""
    if step.command.startswith("pkill -9"):
        return host.kill()
    if step.command in ("make run &", "azure-durable start &"):
        return host.start()
    if step.command.startswith("azure-durable "):
        return _look_on_terminal(host, step)
    command = step.command.replace("localhost:7071", f"localhost:{host.port}")

    def run() -> str:
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=True)
        return done.stdout.replace(f"localhost:{host.port}", "localhost:7071")

    if " -X " in step.command:
        printed = run()
        assert step.matches(printed), f"{step.command}\n{printed}"
        return None
    printed = ""

    def look() -> bool:
        nonlocal printed
        printed = run()
        return step.matches(printed)

    # A person may look a little later than this test does.
    try:
        until(look, 40, step.command)
    except AssertionError as error:
        raise AssertionError(f"{error}\nIt printed:\n{printed}\nand the host:\n{host.log}") from None
    return None


def _look_on_terminal(host: Host, step: Step) -> None:
    programs = host.app_dir / "programs"
    programs.mkdir(exist_ok=True)
    expected, printed = command_page.pattern(step.printed), ""

    def look() -> bool:
        nonlocal printed
        printed = command_page.run(step.command, host.app_dir, command_page.install(programs))
        return expected.fullmatch(printed) is not None

    if " start-new " in step.command:
        assert look(), printed
        return
    try:
        until(look, 20, step.command)
    except AssertionError as error:
        raise AssertionError(f"{error}\nIt printed:\n{printed}") from None


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Host]:
    host = Host(copy_sample(tmp_path, "SampleHub"), "sqlite")
    host.start()
    yield host
    host.kill()


def test_the_tour_of_the_sample_app_prints_what_the_readme_shows(sample: Host):
    for step in steps(section(README, "Try it")):
        follow(sample, step)


def test_the_first_app_prints_what_the_readme_shows(tmp_path: Path):
    (code,) = blocks(section(README, "Your first app"), "python")
    (tmp_path / "function_app.py").write_text(code, encoding="utf-8")
    host = Host(tmp_path, "sqlite")
    try:
        for step in steps(section(README, "Your first app")):
            follow(host, step)
    finally:
        host.kill()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the package as its wheel installs it."""
    made = tmp_path_factory.mktemp("installed")
    wheel = distribution("wheel", made / "dist")
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--no-index", "--no-deps", "--disable-pip-version-check"]
    subprocess.run([*pip, "--target", made / "site", wheel], check=True)
    return made / "site"


def test_the_tests_of_the_readme_pass_beside_its_first_app_wherever_the_wheel_is_installed(
    installed: Path, tmp_path: Path
):
    (app,) = blocks(section(README, "Your first app"), "python")
    (tmp_path / "function_app.py").write_text(app, encoding="utf-8")
    tests = blocks(section(README, "Testing"), "python")
    for number, code in enumerate(tests):
        (tmp_path / f"test_{number}.py").write_text(code, encoding="utf-8")
    which = f"assert __import__('azure_durable_py').__file__.startswith({str(installed)!r})"
    (tmp_path / "test_which.py").write_text(f"def test_which():\n    {which}\n", encoding="utf-8")
    # The checkout is on no path, and its own plugins for tests are none of a user's.
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-p", "no:asyncio", "."],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(tests) + 1} passed" in done.stdout


def test_every_module_of_the_sample_is_in_the_readme():
    modules = {path.stem for path in (ROOT / "sample_function_app").glob("*.py")} - {"__init__", "start"}
    assert {name for name in modules if f"| `{name}` |" not in README} == set()
