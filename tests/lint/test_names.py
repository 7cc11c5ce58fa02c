"""Names are followed as Python follows them, and what is not sure is not known."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from azure_durable_py.lint.project import Project
from azure_durable_py.lint.source import Source, parse_source
from tests.lint.writing import HEAD, places, write

KNOWN = [
    ("import time", "time.time", "time.time"),
    ("import time as t", "t.time", "time.time"),
    ("import os.path", "os.path.join", "os.path.join"),
    ("import os.path as p", "p.join", "os.path.join"),
    ("from datetime import datetime as d", "d.now", "datetime.datetime.now"),
    ("from datetime import datetime\nnow = datetime.now", "now", "datetime.datetime.now"),
    ("import uuid\na, b = uuid.uuid4, uuid.uuid1", "b", "uuid.uuid1"),
    ("", "open", "builtins.open"),
    ("", "'%s'.format", "builtins.str().format"),
    ("import requests", "requests.Session().get", "requests.Session().get"),
    ("import requests\ns = requests.Session()", "s.get", "requests.Session().get"),
    ("import requests\nwith requests.Session() as s: pass", "s.get", "requests.Session().get"),
    ("import requests\ns: requests.Session", "s.get", "requests.Session().get"),
    ("import requests\ns: 'requests.Session'", "s.get", "requests.Session().get"),
    ("import requests\ns: requests.Session | None = None", "s", None),
    ("try:\n    import ujson as json\nexcept ImportError:\n    import json", "json.loads", "ujson.loads"),
    ("try:\n    import requests\nexcept ImportError:\n    requests = None", "requests.get", "requests.get"),
    ("import time\ntime = 3", "time.time", None),
    ("for time in []: pass", "time.time", None),
    ("def open(): pass", "open", "main.open"),
    ("import requests\ndef make() -> requests.Session: ...", "make().get", "requests.Session().get"),
    ("def make(): ...", "make().get", None),
    ("class A:\n    def go(self): ...", "A().go", "main.A.go"),
    ("class B:\n    def go(self): ...\nclass A(B): pass", "A().go", "main.B.go"),
    ("import threading\nclass A(threading.Thread): pass", "A().start", "threading.Thread().start"),
    ("import time\nclass A:\n    clock = time.time", "A.clock", "time.time"),
    (
        "import requests\nclass A:\n    def __init__(self): self.s = requests.Session()",
        "A().s.get",
        "requests.Session().get",
    ),
    (
        "import requests\nclass A:\n    def __init__(self, s: requests.Session): self.s = s",
        "A().s.get",
        "requests.Session().get",
    ),
    ("class A(A): pass", "A().go", None),
    ("a = b\nb = a", "a", None),
    ("now = now()", "now", None),
    ("from missing import *", "open", "builtins.open"),
    ("import azure.durable_functions as df", "df.DFApp", "azure_durable_py.DFApp"),
    ("from azure import durable_functions as df", "df.Orchestrator.create", "azure_durable_py.Orchestrator.create"),
    (
        "from azure.durable_functions.models.RetryOptions import RetryOptions",
        "RetryOptions",
        "azure_durable_py.RetryOptions",
    ),
    (
        "from azure_durable_py.runtime.context import DurableOrchestrationContext as C\nc: C",
        "c",
        "azure_durable_py.DurableOrchestrationContext()",
    ),
    ("import azure_durable_py", "azure_durable_py.entity_context", "azure_durable_py.entity_context"),
    ("import azure_durable_py as df", "df.DurableFunctionsClient", "azure_durable_py.DurableOrchestrationClient"),
    ("from azure_durable_py.testing import run", "run", "azure_durable_py.testing.run"),
    ("import helpers", "helpers.now", "datetime.datetime.now"),
    ("from helpers import now as n", "n", "datetime.datetime.now"),
    ("from helpers import *", "now", "datetime.datetime.now"),
    ("from package import deep", "deep.value", "package.deep.value"),
    ("import package.deep", "package.deep.value", "package.deep.value"),
    ("import folder.words", "folder.words.key", "folder.words.key"),
    ("from folder.words import key", "key", "folder.words.key"),
    ("from package import forward", "forward", "time.time"),
    ("from round import a", "a", None),
    ("from .helpers import now", "now", "datetime.datetime.now"),
    ("from .nowhere import now", "now", None),
    ("from __app__.helpers import now", "now", "datetime.datetime.now"),
]
BESIDE = {
    "host.json": "{}",
    "helpers.py": "from datetime import datetime\nnow = datetime.now\n",
    "package/__init__.py": "from .deep import forward\n",
    "package/deep.py": "from time import time as forward\ndef value(): ...\n",
    "folder/words.py": "def key(): ...\n",
    "round.py": "from turn import a\n",
    "turn.py": "from round import a\n",
}


def name_in(directory: Path, head: str, expression: str) -> str | None:
    """The name of an expression at the end of a module."""
    source = parse_source(f"{head}\n{expression}\n", directory / "main.py")
    assert isinstance(source, Source)
    (module,) = Project([source]).modules
    last = source.tree.body[-1]
    assert isinstance(last, ast.Expr)
    return module.name(last.value)


@pytest.mark.parametrize(("head", "expression", "name"), KNOWN)
def test_a_name_is_followed(head: str, expression: str, name: str | None, tmp_path: Path):
    write(tmp_path, BESIDE)
    assert name_in(tmp_path, head, expression) == name


def test_the_packages_are_known_by_name_whatever_files_there_are(tmp_path: Path):
    write(tmp_path, {"host.json": "{}", "azure/durable_functions.py": "", "azure_durable_py/__init__.py": ""})
    for package in ("azure.durable_functions", "azure_durable_py"):
        assert name_in(tmp_path, f"import {package} as df", "df.DFApp") == "azure_durable_py.DFApp"


def name_within(body: str) -> str | None:
    """The name of the expression in the line that ends with `# here`."""
    source = parse_source(body, Path("/nowhere/main.py"))
    assert isinstance(source, Source)
    (module,) = Project([source]).modules
    line = next(number for number, text in enumerate(body.split("\n"), 1) if text.endswith("# here"))
    node = next(
        node.value for node in ast.walk(source.tree) if isinstance(node, (ast.Expr, ast.Return)) and node.lineno == line
    )
    assert node is not None
    return module.name(node)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("import time\ndef f(time):\n    time.time  # here", None),
        ("import time\ndef f():\n    time.time  # here", "time.time"),
        ("def f():\n    import time\n    def g():\n        time.time  # here", "time.time"),
        ("def f():\n    import time\ntime.time  # here", None),
        ("import time\nclass A:\n    time = 3\n    def f(self):\n        time.time  # here", "time.time"),
        ("import time\nclass A:\n    time = 3\n    time.time  # here", None),
        ("import time\ndef f():\n    global time\n    time = 3\n    time.time  # here", "time.time"),
        ("import time\ndef f():\n    return (lambda time: time.time)  # here", None),
        ("class A:\n    def f(self):\n        self.g  # here\n    def g(self): ...", "main.A.g"),
        ("class A:\n    @classmethod\n    def f(cls):\n        cls.g  # here\n    def g(self): ...", "main.A.g"),
        ("class A:\n    @staticmethod\n    def f(it):\n        it.g  # here\n    def g(self): ...", None),
        ("def f(*names: str):\n    names  # here", None),
        ("def f():\n    def g(): ...\n    g  # here", "main.f.<locals>.g"),
    ],
)
def test_a_name_is_looked_up_in_the_scopes_around_it(body: str, name: str | None):
    assert name_within(body) == name


def test_a_chain_of_any_length_is_no_error():
    assert name_within(f"import time\ntime{'.time' * 40}  # here") == f"time{'.time' * 40}"
    assert name_within(f"import time\ntime{'.time' * 900}  # here") is None


def test_a_long_line_of_ancestors_is_followed_to_its_end(tmp_path: Path):
    classes = ["class A0:\n    def now(self): return time.time()\n"]
    classes += [f"class A{number}(A{number - 1}): pass\n" for number in range(1, 1500)]
    body = "@app.orchestration_trigger(context_name='c')\ndef o(c):\n    A1499().now()\n"
    write(tmp_path, {"function_app.py": f"import time\n{HEAD}{''.join(classes)}{body}"})
    assert len(places(tmp_path)) == 1
