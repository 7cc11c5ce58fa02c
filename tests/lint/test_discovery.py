"""Orchestrators are known in every form in which they may be declared; activities and clients are left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from azure_durable_py.lint.project import Project
from azure_durable_py.lint.source import Source, parse_source
from tests.lint.writing import HEAD, places, write

BAD = "    return time.time()\n"


@pytest.mark.parametrize(
    ("head", "decorators"),
    [
        ("import azure_durable_py as df\napp = df.DFApp()", "@app.orchestration_trigger(context_name='c')"),
        ("from azure_durable_py import Blueprint as B\nx = B()", "@x.orchestration_trigger('c', 'name')"),
        ("import azure.durable_functions as df\nx = df.DFApp()", "@x.orchestration_trigger('c')"),
        ("import azure.functions as func\na = func.FunctionApp()", "@a.orchestration_trigger(context_name='c')"),
        ("from elsewhere import bp", "@bp.function_name('O')\n@bp.orchestration_trigger(context_name='c')"),
        ("from elsewhere import bp", "@traced\n@bp.orchestration_trigger(context_name='c')"),
    ],
)
@pytest.mark.parametrize("form", ["def o(c):", "async def o(c):", "def o(c):\n    yield"])
def test_a_decorator_makes_an_orchestrator(head: str, decorators: str, form: str, tmp_path: Path):
    write(tmp_path, {"function_app.py": f"import time\n{head}\n{decorators}\n{form}\n{BAD}"})
    assert len(places(tmp_path)) == 1


def test_a_function_within_a_function_may_be_an_orchestrator(tmp_path: Path):
    code = """\
        import time
        import azure_durable_py as df

        def make():
            app = df.DFApp()

            @app.orchestration_trigger("c")
            def o(c):
                return time.time()
        """
    write(tmp_path, {"function_app.py": code})
    assert places(tmp_path) == ["function_app.py:9"]


@pytest.mark.parametrize(
    "declared",
    [
        "main = df.Orchestrator.create(o)",
        "app.orchestration_trigger(context_name='c', orchestration='Chain')(o)",
        "import azure.durable_functions\nmain = azure.durable_functions.Orchestrator.create(o)",
        "create = df.Orchestrator.create\nmain = create(o)",
    ],
)
def test_a_call_makes_an_orchestrator(declared: str, tmp_path: Path):
    write(tmp_path, {"function_app.py": f"import time\n{HEAD}def o(c):\n{BAD}\n{declared}\n"})
    assert places(tmp_path) == ["function_app.py:5"]


def test_an_orchestrator_may_be_made_of_a_function_of_another_module(tmp_path: Path):
    write(
        tmp_path,
        {
            "flows.py": f"import time\ndef o(c):\n{BAD}",
            "function_app.py": f"from flows import o\n{HEAD}app.orchestration_trigger(context_name='c')(o)\n",
        },
    )
    assert places(tmp_path) == ["flows.py:3"]


def test_a_function_json_makes_an_orchestrator_of_the_function_that_it_names(tmp_path: Path):
    write(
        tmp_path,
        {
            "host.json": "{}",
            "Chain/function.json": '{"scriptFile": "run.py", "entryPoint": "go", "bindings": ['
            '{"name": "context", "type": "orchestrationTrigger", "direction": "in"}]}',
            "Chain/run.py": f"import time\ndef go(context):\n{BAD}def main(context):\n{BAD}",
            "Work/function.json": '{"bindings": [{"name": "x", "type": "activityTrigger"}]}',
            "Work/__init__.py": f"import time\ndef main(x):\n{BAD}",
            "Broken/function.json": "{",
            "Broken/__init__.py": f"import time\ndef main(x):\n{BAD}",
        },
    )
    assert places(tmp_path) == ["Chain/run.py:3"]


def test_what_is_no_orchestrator_may_read_the_clock(tmp_path: Path):
    write(
        tmp_path,
        {
            "function_app.py": """\
                import time
                import azure_durable_py as df
                app = df.DFApp()

                @app.activity_trigger(input_name="x")
                def work(x):
                    return time.time()

                @app.route(route="go")
                @app.durable_client_input(client_name="client")
                async def go(req, client):
                    return time.time()

                @app.orchestration_trigger(context_name="c")
                def o(c):
                    yield c.call_activity(work, 1)
                    yield c.call_activity_with_retry("work", None, 1)

                def unused():
                    return time.time()
                """
        },
    )
    assert places(tmp_path) == []


def project_of(code: str, directory: Path) -> Project:
    """The project that a module makes up, all of whose files are known."""
    source = parse_source(code, directory / "function_app.py")
    assert isinstance(source, Source)
    return Project([source], [directory])


def test_an_app_knows_its_functions_by_the_names_for_callers(tmp_path: Path):
    project = project_of(
        f"""{HEAD}
NAME = "Constant"
@app.activity_trigger(input_name="x")
def plain(x): ...
@app.activity_trigger("x", "Given")
def a(x): ...
@app.activity_trigger(input_name="x", activity=NAME)
def b(x): ...
@app.function_name("Named")
@app.activity_trigger(input_name="x")
def c(x): ...
@app.entity_trigger(entity_name="Counter")
class Entity:
    def add(self): ...
    def _own(self): ...
@app.entity_trigger()
def Other(context): ...
@app.orchestration_trigger("c", orchestration="Flow")
def o(c): ...
""",
        tmp_path,
    )
    app = project.app_of(project.modules[0])
    assert set(app.activities) == {"plain", "Given", "Constant", "Named"}
    assert set(app.orchestrators) == {"Flow"}
    assert set(app.entities) == {"counter", "other"}
    assert [function.name for function in app.entities["counter"]] == ["Entity.add"]
    assert app.is_complete


def test_an_entity_has_the_operations_that_its_class_inherits(tmp_path: Path):
    write(tmp_path, {"base.py": "class Base:\n    def clear(self): ...\n    def add(self): ...\n"})
    project = project_of(
        f"""{HEAD}
from base import Base
class Middle(Base):
    def add(self): ...
@app.entity_trigger(entity_name="Counter")
class Counter(Middle, Missing):
    def get(self): ...
""",
        tmp_path,
    )
    found = project.app_of(project.modules[0]).entities["counter"]
    assert [(function.module.dotted, function.name) for function in found] == [
        ("function_app", "Counter.get"),
        ("function_app", "Middle.add"),
        ("base", "Base.clear"),
    ]


@pytest.mark.parametrize(
    "unknown",
    [
        "@app.activity_trigger(input_name='x', activity=compute())\ndef a(x): ...",
        "from library import bp\napp.register_functions(bp)",
        "for f in []: app.activity_trigger(input_name='x')(f)",
    ],
)
def test_an_app_is_not_wholly_known_where_a_name_is_computed_or_from_elsewhere(unknown: str, tmp_path: Path):
    project = project_of(f"{HEAD}{unknown}\n", tmp_path)
    assert not project.app_of(project.modules[0]).is_complete


def test_an_app_of_which_one_file_is_linted_is_not_wholly_known(tmp_path: Path):
    source = parse_source(HEAD, tmp_path / "function_app.py")
    assert isinstance(source, Source)
    project = Project([source])
    assert not project.app_of(project.modules[0]).is_complete
