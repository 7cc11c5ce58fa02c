"""What is shipped is whole, agrees with itself, and is cheap to import."""

from __future__ import annotations

import fnmatch
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from azure_durable_py.settings import Settings
from tests.building import distribution

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return distribution("wheel", tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def shipped(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_holds_every_module_and_the_typing_marker(shipped: list[str]):
    package = ROOT / "azure_durable_py"
    modules = {path.relative_to(ROOT).as_posix() for path in package.rglob("*.py")}
    assert modules | {"azure_durable_py/py.typed"} <= set(shipped)


def test_the_wheel_holds_every_file_of_the_templates(shipped: list[str]):
    templates = [path for path in (ROOT / "azure_durable_py" / "cli" / "templates").rglob("*") if path.is_file()]
    assert len(templates) > 10
    assert {path.relative_to(ROOT).as_posix() for path in templates} <= set(shipped)


def test_the_wheel_holds_nothing_but_the_package_and_its_pytest_plugin(shipped: list[str]):
    assert {name.partition("/")[0] for name in shipped} == {
        "azure_durable_py",
        "pytest_azure_durable.py",
        f"azure_durable_py-{PROJECT['version']}.dist-info",
    }


def test_the_wheel_carries_the_licence(shipped: list[str]):
    assert f"azure_durable_py-{PROJECT['version']}.dist-info/licenses/LICENSE" in shipped


def test_the_wheel_holds_no_left_overs_of_the_interpreter(shipped: list[str]):
    assert fnmatch.filter(shipped, "*__pycache__*") == []


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the source distribution holds."""
    out = tmp_path_factory.mktemp("sdist")
    built = distribution("sdist", out)
    with tarfile.open(built) as archive:
        archive.extractall(out, filter="data")
    return out / built.name.removesuffix(".tar.gz")


def test_the_source_distribution_holds_the_tests_and_everything_that_they_look_at(unpacked: Path):
    tests = [path for path in (ROOT / "tests").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert [path for path in tests if not (unpacked / path.relative_to(ROOT)).exists()] == []
    source = "".join(path.read_text(encoding="utf-8") for path in tests if path.suffix == ".py")
    templates = ROOT / "azure_durable_py" / "cli" / "templates"
    assert [path for path in templates.rglob("*") if not (unpacked / path.relative_to(ROOT)).exists()] == []
    named = set(re.findall(r'\bROOT / "([\w.-]+)"', source))
    assert {"Makefile", "host.json"} <= named
    assert {name for name in named if not (unpacked / name).exists()} == {"node_modules"}


def test_the_tests_run_from_the_source_distribution(unpacked: Path):
    code = "import azure_durable_py; print(azure_durable_py.__file__)"
    found = subprocess.run([sys.executable, "-c", code], cwd=unpacked, check=True, capture_output=True, text=True)
    assert Path(found.stdout.strip()).is_relative_to(unpacked)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_shape.py"]
    done = subprocess.run(command, cwd=unpacked, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_newest_version_in_the_changelog_is_the_projects():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[(\d[^\]]*)\]", changelog, re.MULTILINE)[0] == PROJECT["version"]


def test_the_installed_version_is_the_projects():
    assert importlib.metadata.version("azure-durable-py") == PROJECT["version"]


def test_azurite_is_pinned_to_the_version_that_was_measured():
    manifest = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))
    assert manifest["devDependencies"]["azurite"] == "3.35.0"
    assert lock["packages"]["node_modules/azurite"]["version"] == "3.35.0"


def test_the_npm_lock_names_no_place_that_others_cannot_reach():
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))
    places = {package["resolved"] for package in lock["packages"].values() if "resolved" in package}
    assert [place for place in places if not place.startswith("https://registry.npmjs.org/")] == []


def test_the_sample_host_json_is_accepted(caplog: pytest.LogCaptureFixture):
    host_json = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))
    assert Settings.from_host_json(host_json, {}).hub_name == "SampleHub"
    assert caplog.records == []


def test_a_deployment_of_the_sample_app_carries_what_its_requirements_build():
    ignored = (ROOT / ".funcignore").read_text(encoding="utf-8").split()
    needed = ["azure_durable_py", "pyproject.toml", "README.md", "LICENSE", "host.json", "function_app.py"]
    assert [name for name in needed if any(fnmatch.fnmatch(name, pattern) for pattern in ignored)] == []


def test_importing_the_package_loads_no_storage_client_and_no_http_library():
    heavy = ("azure.storage", "azure.data", "azure.identity", "aiohttp", "sqlite3", "click")
    code = f"import sys, azure_durable_py; print([name for name in {heavy!r} if name in sys.modules])"
    # Coverage would load a library of its own into the process.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=plain, check=True, capture_output=True, text=True
    )
    assert answer.stdout.strip() == "[]"
