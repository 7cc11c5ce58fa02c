"""What the README shows is what happens: its console blocks are run, and must print what they show."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.building import distribution
from tests.e2e.following import follow
from tests.e2e.host import ROOT, Host, copy_sample
from tests.showing import blocks, section, steps
from tests.shown_tests import passed

README = (ROOT / "README.md").read_text(encoding="utf-8")


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
    assert passed(tmp_path, python_path=installed) == len(tests) + 1


def test_every_module_of_the_sample_is_in_the_readme():
    modules = {path.stem for path in (ROOT / "sample_function_app").glob("*.py")} - {"__init__", "start"}
    assert {name for name in modules if f"| `{name}` |" not in README} == set()
