"""`install_as_durable_functions`: this package under the name `azure.durable_functions`, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from azure_durable_py.moved_names import MOVED_NAMES

ROOT = Path(__file__).parent.parent.parent
INSTALL = "import azure_durable_py\nazure_durable_py.install_as_durable_functions()\n"


def python(code: str, *paths: Path, install: bool = True) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, after the install."""
    path = os.pathsep.join(str(path) for path in (*paths, ROOT))
    text = (INSTALL if install else "") + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", text],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )


def holds(code: str) -> None:
    done = python(code)
    assert done.returncode == 0, done.stderr


def test_every_module_and_name_is_ours() -> None:
    holds(
        """
        import importlib, importlib.util
        from azure_durable_py.moved_names import MOVED_NAMES
        for below, names in MOVED_NAMES.items():
            if below.startswith("openai_agents") and not importlib.util.find_spec("agents"):
                continue
            module = importlib.import_module("azure.durable_functions" + "." * bool(below) + below)
            for name, ours in names.items():
                home, _, attribute = ours.partition(":")
                wanted = getattr(importlib.import_module("azure_durable_py." + home), attribute)
                assert getattr(module, name) is wanted, (below, name)
            assert sorted(names) == module.__all__
            assert set(names) <= set(dir(module))
        """
    )
    assert len(MOVED_NAMES) > 20


def test_every_way_to_import_it_works() -> None:
    holds(
        """
        import azure.durable_functions
        import azure.durable_functions as df
        import azure_durable_py as ours
        from azure import durable_functions
        from azure.durable_functions import DFApp, EntityId
        from azure.durable_functions.models.utils.entity_utils import EntityId as again
        assert azure.durable_functions is df is durable_functions
        assert (DFApp, EntityId, again) == (ours.DFApp, ours.EntityId, ours.EntityId)
        assert df.models.Task.TaskBase is ours.Task, "modules below are there without an import of their own"
        from azure.durable_functions import *
        assert Blueprint is ours.Blueprint
        assert df.RetryPolicy is ours.RetryPolicy, "and what only this package has"
        """
    )


@pytest.mark.parametrize(
    "first", ["models", "models.DurableOrchestrationContext", "models.Task", "decorators.durable_app"]
)
def test_a_class_stays_in_the_place_of_the_module_of_its_name(first: str) -> None:
    holds(
        f"""
        import azure.durable_functions.{first}
        import azure.durable_functions.models.DurableOrchestrationContext
        import azure.durable_functions.models.RetryOptions
        from azure.durable_functions.models import DurableOrchestrationContext, RetryOptions
        assert isinstance(DurableOrchestrationContext, type) and isinstance(RetryOptions, type)
        import sys
        module = sys.modules["azure.durable_functions.models.DurableOrchestrationContext"]
        assert module.DurableOrchestrationContext is DurableOrchestrationContext
        """
    )


def test_stand_ins_of_unit_tests_find_their_targets() -> None:
    holds(
        """
        from unittest.mock import patch
        import azure_durable_py as ours
        with patch("azure.durable_functions.models.TaskBase") as task:
            from azure.durable_functions.models import TaskBase
            assert TaskBase is task
        from azure.durable_functions.models import TaskBase
        assert TaskBase is ours.Task
        with patch("azure.durable_functions.DurableOrchestrationClient", autospec=True):
            pass
        """
    )


def test_importing_the_name_loads_nothing_heavy() -> None:
    done = python(
        "import sys, azure.durable_functions\n"
        "print([m for m in sys.modules if m.startswith(('azure.storage', 'azure.data', 'aiohttp', 'asyncio'))])"
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_installing_twice_is_installing_once() -> None:
    holds(
        """
        import sys
        import azure.durable_functions as before
        count = len(sys.meta_path)
        azure_durable_py.install_as_durable_functions()
        import azure.durable_functions as after
        assert (len(sys.meta_path), after) == (count, before)
        """
    )


def test_azure_stays_the_namespace_that_it_is() -> None:
    holds(
        """
        import azure.durable_functions
        import azure.functions, azure.core
        assert azure.__spec__.origin is None
        import importlib.util
        assert importlib.util.find_spec("azure.durable_functions").origin == "azure_durable_py"
        assert importlib.util.find_spec("azure.nothing") is None
        """
    )


@pytest.mark.parametrize("name", ["models.actions", "models.history", "models.utils.json_utils", "nothing.at.all"])
def test_a_module_that_nothing_stands_for_says_so(name: str) -> None:
    done = python(f"import azure.durable_functions.{name}")
    first = name.partition(".at")[0] if name.startswith("nothing") else name
    told = f"ModuleNotFoundError: azure_durable_py has nothing that stands for azure.durable_functions.{first}."
    assert told in done.stderr


def test_a_name_that_nothing_stands_for_says_so() -> None:
    done = python("import azure.durable_functions as df\ndf.Nothing")
    assert (
        "AttributeError: azure_durable_py has nothing that stands for azure.durable_functions.Nothing." in done.stderr
    )
    done = python("from azure.durable_functions import Nothing")
    assert "ImportError: cannot import name 'Nothing' from 'azure.durable_functions'" in done.stderr


def test_a_plain_app_uses_it_for_its_durable_decorators() -> None:
    holds(
        """
        import azure.functions as func
        import azure.durable_functions as df
        app = func.FunctionApp()

        @app.orchestration_trigger(context_name="context")
        def chain(context: df.DurableOrchestrationContext):
            return (yield context.call_activity("work", 4))

        @app.activity_trigger(input_name="x")
        def work(x): return x + 1

        from azure_durable_py.testing import run
        assert run(app, "chain").output == 5
        """
    )


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A directory in which another package has the name."""
    (tmp_path / "azure" / "durable_functions").mkdir(parents=True)
    (tmp_path / "azure" / "durable_functions" / "__init__.py").write_text("class Blueprint: ...")
    return tmp_path


def test_it_does_not_stand_in_for_a_package_that_is_installed(installed: Path) -> None:
    done = python("", installed)
    assert "azure.durable_functions, which is installed, from " in done.stderr
    assert "`pip uninstall azure-functions-durable`" in done.stderr


def test_it_does_not_stand_in_for_a_package_that_is_imported(installed: Path) -> None:
    done = python(f"import azure.durable_functions\n{INSTALL}", installed, install=False)
    assert "azure.durable_functions, which is imported already, from " in done.stderr


def test_a_plain_app_keeps_the_package_that_is_installed(installed: Path) -> None:
    code = """
    import azure.functions as func
    import azure_durable_py
    print(func.FunctionApp()._get_durable_blueprint().__class__.__module__)
    """
    assert python(code, installed, install=False).stdout.strip() == "azure.durable_functions"


def test_a_folder_that_a_package_left_behind_is_no_package(tmp_path: Path) -> None:
    (tmp_path / "azure" / "durable_functions" / "__pycache__").mkdir(parents=True)
    done = python("from azure.durable_functions import DFApp", tmp_path)
    assert done.returncode == 0, done.stderr
