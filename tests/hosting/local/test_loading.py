"""Finding and importing a function app."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from azure_durable_py.errors import RegistrationError, SettingsError
from azure_durable_py.hosting.local.loading import check_app_dir, load_app


@pytest.fixture(autouse=True)
def clean_imports() -> Iterator[None]:
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def load(directory: Path, text: str) -> object:
    (directory / "function_app.py").write_text(text)
    return load_app(check_app_dir(directory, {}))


def test_the_app_is_found_under_any_name(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("NAME = 'Work'")
    app = load(
        tmp_path,
        "import azure_durable_py as df\nfrom helper import NAME\nmine = alias = df.DFApp()\n"
        "@mine.activity_trigger(input_name='x', activity=NAME)\ndef work(x): return x\n",
    )
    assert app.registry.activities.names() == ["Work"]  # type: ignore[attr-defined]


def test_another_script_may_be_named_by_an_app_setting(tmp_path: Path) -> None:
    (tmp_path / "main_app.py").write_text("import azure_durable_py as df\napp = df.DFApp()")
    script = check_app_dir(tmp_path, {"PYTHON_SCRIPT_FILE_NAME": "main_app.py"})
    assert load_app(script).registry.kinds()["activityTrigger"] == []


def test_a_directory_without_an_app_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="There is no directory"):
        check_app_dir(tmp_path / "nope", {})
    with pytest.raises(SettingsError, match=r"There is no function_app\.py in .*azure-durable start APP_DIR"):
        check_app_dir(tmp_path, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", r"holds no function app\. It needs: app = azure_durable_py\.DFApp\(\)"),
        ("import azure_durable_py as df\na = df.DFApp()\nb = df.DFApp()", "holds 2 apps"),
        ("import sys\nsys.exit('no')", "SystemExit: no"),
        ("def broken(:\n  pass", r"function_app\.py\", line 1[\s\S]*SyntaxError"),
        (
            "import azure.durable_functions as df",
            r"No module named 'azure.durable_functions'[\s\S]*Import azure_durable_py .*--as-durable-functions",
        ),
        ("import not_there_at_all", "ModuleNotFoundError: No module named 'not_there_at_all'"),
    ],
)
def test_a_script_that_is_no_app_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RegistrationError, match=message):
        load(tmp_path, text)


def test_an_error_of_the_script_is_shown_from_its_own_frames(tmp_path: Path) -> None:
    (tmp_path / "broken_helper.py").write_text("def fail():\n    raise ValueError('bad config')\nfail()\n")
    with pytest.raises(RegistrationError) as refused:
        load(
            tmp_path,
            "try:\n    import broken_helper\nexcept ValueError as e:\n    raise RuntimeError('wrapped') from e\n",
        )
    told = str(refused.value)
    assert "bad config" in told
    assert "RuntimeError: wrapped" in told
    assert "broken_helper.py" in told
    first_frames = [line for line in told.splitlines() if line.lstrip().startswith("File ")]
    assert all(str(tmp_path) in line or "importlib" in line for line in first_frames)
    assert str(tmp_path) in first_frames[0]
    assert "azure_durable_py/hosting" not in told
