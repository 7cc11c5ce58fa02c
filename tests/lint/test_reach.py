"""What an orchestrator calls in the project is looked at as a part of it, and told with the way there."""

from __future__ import annotations

from pathlib import Path

import pytest

from azure_durable_py.lint import lint_paths, lint_source
from azure_durable_py.lint.project import Project
from azure_durable_py.lint.source import Source, parse_source
from tests.lint.writing import HEAD, places, write

ORCHESTRATOR = f"{HEAD}@app.orchestration_trigger(context_name='c')\ndef o(c):\n"
NOW = "import time\ndef now():\n    return time.time()\n"


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("from helpers import now", "now()"),
        ("import helpers as h", "h.now()"),
        ("from helpers import now as n", "sorted([], key=n)"),
        ("import helpers", "list(map(helpers.now, []))"),
        ("import helpers", "[helpers.now() for _ in []]"),
        ("import helpers", "(lambda: helpers.now())()"),
        ("from helpers import now", "df.RetryPolicy(handle=now)"),
        ("from again import again", "again()"),
        ("from helpers import now\nclass Clock:\n    def __call__(self): return now()\nclock = Clock()", "clock()"),
        ("from helpers import now\nSTEPS = {'now': now, 'other': None}", "STEPS['now']()"),
        ("import helpers\nSTEPS = [helpers.now]", "STEPS[0]()"),
        ("from helpers import now", "{'now': now}\n    steps = {'now': now}\n    steps.get('now')()"),
    ],
)
def test_a_helper_is_found_across_modules(head: str, body: str, tmp_path: Path):
    write(
        tmp_path,
        {
            "function_app.py": f"{head}\n{ORCHESTRATOR}    {body}\n",
            "helpers.py": NOW,
            "again.py": "from helpers import now\nagain = now\n",
        },
    )
    assert places(tmp_path) == ["helpers.py:3"]


def test_a_finding_in_a_helper_says_who_calls_it(tmp_path: Path):
    write(
        tmp_path,
        {
            "function_app.py": f"from helpers import outer\n{ORCHESTRATOR}    outer()\n",
            "helpers.py": "import time\ndef outer():\n    return inner()\ndef inner():\n    return time.time()\n",
        },
    )
    (found,) = lint_paths([tmp_path])
    assert found.function == "inner"
    assert found.via == "called by orchestrator 'o' through outer at function_app.py:6"
    assert found.text.endswith(f"({found.via})")


def test_helpers_may_call_each_other_in_a_circle(tmp_path: Path):
    helpers = "import time\ndef a():\n    b()\ndef b():\n    a()\n    time.time()\n"
    write(
        tmp_path,
        {"function_app.py": f"from helpers import a\n{ORCHESTRATOR}    a()\n    o(c)\n", "helpers.py": helpers},
    )
    assert places(tmp_path) == ["helpers.py:6"]


def test_methods_properties_and_what_makes_an_instance_are_followed(tmp_path: Path):
    write(
        tmp_path,
        {
            "function_app.py": f"from plans import Plan\n{ORCHESTRATOR}    a = Plan()\n    a.go()\n    a.total\n",
            "plans.py": """\
                import time

                class Base:
                    def go(self):
                        self.step()

                    def step(self):
                        time.time()

                    def unused(self):
                        time.time()

                class Plan(Base):
                    def __init__(self):
                        time.time()

                    @property
                    def total(self):
                        return time.time()

                    @property
                    def more(self):
                        return time.time()
                """,
        },
    )
    assert places(tmp_path) == ["plans.py:8", "plans.py:15", "plans.py:19"]


def test_nested_functions_and_generators_are_parts_of_the_orchestrator(tmp_path: Path):
    code = f"""import time
{HEAD}
@app.orchestration_trigger(context_name='c')
def o(c):
    def inner():
        return time.time()
    yield from part(c)
    return inner

def part(c):
    yield c.call_activity("x")
    time.time()
"""
    write(tmp_path, {"function_app.py": code})
    assert places(tmp_path) == ["function_app.py:8", "function_app.py:14"]


def test_what_the_engine_calls_is_nobodys_helper(tmp_path: Path):
    activity = "@app.activity_trigger(input_name='x')\ndef work(x):\n    return time.time()\n"
    write(
        tmp_path, {"function_app.py": f"import time\n{ORCHESTRATOR}    work(1)\n    print(map(work, []))\n{activity}"}
    )
    assert places(tmp_path) == []


def test_what_decorators_put_around_an_orchestrator_is_a_part_of_it(tmp_path: Path):
    helpers = """\
        import time
        from functools import wraps

        def traced(function):
            time.time()
            @wraps(function)
            def wrapper(*given):
                time.time()
                return function(*given)
            return wrapper

        def named(name):
            def decorate(function):
                def wrapper(*given):
                    time.time()
                    return function(*given)
                return wrapper
            return decorate
        """
    code = f"from helpers import *\n{HEAD}@app.orchestration_trigger('c')\n@traced\n@named('x')\ndef o(c): ...\n"
    write(tmp_path, {"function_app.py": code, "helpers.py": helpers})
    assert places(tmp_path) == ["helpers.py:8", "helpers.py:15"]


def test_a_helper_of_two_is_told_once(tmp_path: Path):
    second = "@app.orchestration_trigger(context_name='c')\ndef p(c):\n    now()\n"
    write(tmp_path, {"function_app.py": f"{NOW}{ORCHESTRATOR}    now()\n{second}"})
    assert places(tmp_path) == ["function_app.py:3"]


def test_a_helper_knows_the_context_that_it_is_given(tmp_path: Path):
    code = f"""{HEAD}
class Steps:
    def __init__(self, where): self.where = where
    def run(self): return self.where.call_activity

@app.orchestration_trigger(context_name='c')
def o(c):
    helper(1, c)
    other(ctx=c)
    Steps(c)
    STEPS[0](c)

def step(its): ...

STEPS = [step]

def helper(number, it):
    it.call_activity("a")

def other(*, ctx):
    ctx.call_activity("a")

def annotated(a, it: df.DurableOrchestrationContext): ...
"""
    source = parse_source(code, tmp_path / "function_app.py")
    assert isinstance(source, Source)
    contexts = {function.name: function.context_name for function in Project([source]).functions}
    assert contexts == {"o": "c", "helper": "it", "other": "ctx", "Steps.__init__": "where", "step": "its"}


def test_of_a_single_text_the_modules_beside_it_are_read_and_not_told_of(tmp_path: Path):
    write(tmp_path, {"helpers.py": f"{NOW}clock = time.time\n"})
    text = f"from helpers import now, clock\n{ORCHESTRATOR}    now()\n    clock()\n"
    found = lint_source(text, tmp_path / "function_app.py")
    assert [(finding.path.name, finding.line) for finding in found] == [("function_app.py", 7)]


def test_two_apps_with_modules_of_one_name_are_kept_apart(tmp_path: Path):
    app = f"from helpers import now\n{ORCHESTRATOR}    now()\n"
    write(
        tmp_path,
        {
            "one/function_app.py": app,
            "one/helpers.py": "def now(): ...\n",
            "two/function_app.py": app,
            "two/helpers.py": NOW,
        },
    )
    assert places(tmp_path) == ["two/helpers.py:3"]
