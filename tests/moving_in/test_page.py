"""The code of `docs/function-json.md` is one app, its test and its scripts, and they run."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from azure_durable_py.stand_in import NAME
from azure_durable_py.testing import run
from tests.moving_in.conftest import Serve, loaded
from tests.showing import blocks, section

PAGE = (Path(__file__).parent.parent.parent / "docs" / "function-json.md").read_text(encoding="utf-8")
GREETED = ["Hello Ada!", "Hello Grace!"]


@pytest.fixture
def app_dir(tmp_path: Path) -> Path:
    """The app of the page: each file is named before its text."""
    files = re.findall(r"`([\w/]+\.\w+)`:\n\n```\w+\n(.*?)^```", section(PAGE, "An app"), re.MULTILINE | re.DOTALL)
    assert len(files) == 7
    for name, text in files:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    trigger = json.loads((tmp_path / "Start" / "function.json").read_text())
    assert trigger["bindings"][0]["route"] == "start/{name}"
    return tmp_path


async def test_the_app_runs_as_it_is(app_dir: Path, serve: Serve) -> None:
    served = await serve(app_dir)
    assert await served.output("start/Greet", ["Ada", "Grace"]) == GREETED


@pytest.mark.parametrize("heading", ["Under a Functions host", "In a test"])
def test_the_scripts_load_it(app_dir: Path, heading: str) -> None:
    (script,) = blocks(section(PAGE, heading), "python")
    (app_dir / "function_app.py").write_text(script)
    assert run(loaded(app_dir), "Greet", ["Ada", "Grace"]).output == GREETED
    if "def test_" in script:
        names: dict[str, object] = {"__file__": str(app_dir / "test_app.py")}
        exec(script, names)
        test = names["test_everybody_is_greeted"]
        assert callable(test)
        test()


def test_a_function_may_move_to_decorators(app_dir: Path) -> None:
    (script,) = blocks(section(PAGE, "One function at a time to decorators"), "python")
    (app_dir / "function_app.py").write_text(script)
    shutil.rmtree(app_dir / "Hello")
    assert run(loaded(app_dir), "Greet", ["Ada"]).output == ["Good morning Ada!"]


def test_the_old_import_is_served(app_dir: Path) -> None:
    (script,) = blocks(section(PAGE, "Without changing an import"), "python")
    (load,) = blocks(section(PAGE, "Under a Functions host"), "python")
    (app_dir / "function_app.py").write_text(script + load)
    greet = app_dir / "Greet" / "__init__.py"
    greet.write_text(greet.read_text().replace("import azure_durable_py as df", f"import {NAME} as df"))
    assert run(loaded(app_dir), "Greet", ["Ada", "Grace"]).output == GREETED
