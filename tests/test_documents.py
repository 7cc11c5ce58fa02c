"""The documents speak of what is there: files, commands, options, public names and lines of the log."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

import azure_durable_py
import azure_durable_py.testing
from azure_durable_py import agents, lint, telemetry
from azure_durable_py.cli.commands import cli

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "azure_durable_py"
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *ROOT.glob("*.md")])
IDS = [page.relative_to(ROOT).as_posix() for page in PAGES]
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
each_page = pytest.mark.parametrize("page", PAGES, ids=IDS)


# --- pages -----------------------------------------------------------------------------------------------


def test_every_page_is_in_the_table_of_contents():
    entries = [
        line.strip()
        for tree in re.findall(r"^```\{toctree\}\n(.*?)^```", TEXTS[DOCS / "index.md"], re.MULTILINE | re.DOTALL)
        for line in tree.splitlines()
        if line.strip() and not line.startswith(":")
    ]
    assert sorted(entries) == sorted(page.stem for page in DOCS.glob("*.md") if page.stem != "index")


def test_every_page_is_in_the_table_of_what_to_read():
    linked = set(re.findall(r"^\|[^|]*\| \[[^]]+\]\(([\w-]+)\.md\) \|$", TEXTS[DOCS / "index.md"], re.MULTILINE))
    assert linked == {page.stem for page in DOCS.glob("*.md") if page.stem != "index"}


def test_every_public_name_is_in_the_reference():
    described = re.findall(
        r"^\.\. auto(?:class|data|exception|function):: (\w+)$", TEXTS[DOCS / "reference.md"], re.MULTILINE
    )
    rooms = (azure_durable_py, agents, azure_durable_py.testing, lint, telemetry)
    public = [name for room in rooms for name in room.__all__]
    # These cannot be imported without what agents are written with.
    public += [name for room in ("openai_agents", "pydantic_ai") for name in _names_of(PACKAGE / room / "__init__.py")]
    assert sorted(described) == sorted(public)


def _names_of(module: Path) -> list[str]:
    """The public names of a module, as it lists them."""
    [listed] = [
        node.value
        for node in ast.parse(module.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__"
    ]
    return list(ast.literal_eval(listed))


def test_a_word_of_the_glossary_is_explained_once():
    words = re.findall(r"^\| ([a-z][^|]*) \| ", TEXTS[DOCS / "glossary.md"], re.MULTILINE)
    words = [word for word in words if word != "word"]
    assert len(words) > 50
    assert sorted(words) == sorted(set(words))


@each_page
def test_links_lead_to_files(page: Path):
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", TEXTS[page])
    missing = [name for name in targets if "://" not in name and not (page.parent / name).exists()]
    assert missing == []


# --- files and names -------------------------------------------------------------------------------------

_FOLDERS = r"azure_durable_py|tests|docs|benchmarks|deploy|infra|sample_function_app|\.ci|\.github"
_PATH = re.compile(rf"(?<![\w/.-])(?:{_FOLDERS})/[\w./*-]*[\w*]")
_MODULE = re.compile(r"(?<![\w.])(?:tests|benchmarks|azure_durable_py)(?:\.(?!md\b)\w+)+")


def _without_output(text: str) -> str:
    """A page without what commands print, where `...` stands for anything."""
    return re.sub(r"^```console\n(.*?)^```", lambda found: _commands(found[1]), text, flags=re.MULTILINE | re.DOTALL)


def _commands(block: str) -> str:
    return "\n".join(line for line in block.splitlines() if line.startswith("$ "))


@each_page
def test_files_that_a_page_names_exist(page: Path):
    named = set(_PATH.findall(_without_output(TEXTS[page])))
    assert [name for name in sorted(named) if not list(ROOT.glob(name))] == []


@each_page
def test_modules_that_a_page_names_exist(page: Path):
    named = set(_MODULE.findall(_without_output(TEXTS[page])))
    assert [name for name in sorted(named) if not _is_name(name)] == []


LOGGERS = {
    name for path in PACKAGE.rglob("*.py") for name in re.findall(r'getLogger\("([\w.]+)"\)', path.read_text("utf-8"))
}


def _is_name(dotted: str) -> bool:
    """Whether it is a module, something that a module has, or a logger."""
    module, _, name = dotted.rpartition(".")
    if LOGGERS & {dotted, module}:
        return True
    try:
        if importlib.util.find_spec(dotted) is not None:
            return True
    except ModuleNotFoundError:
        pass
    spec = importlib.util.find_spec(module)
    return (
        spec is not None
        and spec.origin is not None
        and re.search(rf"\b{name}\b", Path(spec.origin).read_text()) is not None
    )


def test_places_in_code_that_contributing_names_exist():
    rows = re.findall(r"^\| `([\w./]+)` \| ([^|]+) \| ", TEXTS[ROOT / "CONTRIBUTING.md"], re.MULTILINE)
    assert len(rows) > 20
    missing = [
        f"{file}: {name}"
        for file, names in rows
        for name in re.findall(r"`(\w+)`", names)
        if re.search(rf"\b{name}\b", (ROOT / file).read_text(encoding="utf-8")) is None
    ]
    assert missing == []


# --- commands --------------------------------------------------------------------------------------------

_MAKE = re.compile(r"(?:^|[`$&] ?|[A-Z]+=\S+ |\n)make ((?:[a-z]+)(?: [A-Z_]+=(?:'[^']*'|\S*[^\s`\]]))*)")


@each_page
def test_make_has_what_a_page_has_it_make(page: Path):
    for command in set(_MAKE.findall(_without_output(TEXTS[page]))):
        target, *settings = command.split(" ", 1)
        asked = subprocess.run(
            ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert asked.returncode == 0, f"make {target}: {asked.stderr}"
        for name in re.findall(r"(?:^| )([A-Z_]+)=", " ".join(settings)):
            assert f"$({name})" in MAKEFILE, f"make {command}: there is no {name}"


@each_page
def test_options_that_a_page_names_exist(page: Path):
    for words, rest in re.findall(
        r"azure-durable (?=[a-z])((?:[a-z]+(?:-[a-z]+)*(?: |\b))+)([^`\n|]*)", _without_output(TEXTS[page])
    ):
        command, known = _command(words)
        options = {
            option for parameter in known.params if isinstance(parameter, click.Option) for option in parameter.opts
        }
        unknown = set(re.findall(r"(?<!\S)--?[a-z]+(?:-[a-z]+)*", rest)) - options
        assert not unknown, f"`azure-durable {command}` has no {', '.join(unknown)}"
    for module, rest in re.findall(r"python -m (tests\.\w+|benchmarks)(?![\w.])([^`\n]*)", TEXTS[page]):
        source = (ROOT / module.replace(".", "/") / "__main__.py").read_text(encoding="utf-8")
        for option in re.findall(r"(?<!\S)(--[a-z]+)", rest):
            assert f'"{option}"' in source, f"`python -m {module}` has no {option}"


def _command(words: str) -> tuple[str, click.Command]:
    """The command that words begin with, and its name; what comes after it are its arguments."""
    found: click.Command = cli
    name = ""
    for word in words.split():
        if not isinstance(found, click.Group):
            break
        inner = found.get_command(click.Context(found), word)
        assert inner is not None, f"there is no `azure-durable {name}{word}`"
        found, name = inner, f"{name}{word} "
    return name.strip(), found


def test_the_workflows_make_what_there_is():
    for workflow in (ROOT / ".github" / "workflows").glob("*.yml"):
        for target in re.findall(r"run: make (\w+)", workflow.read_text(encoding="utf-8")):
            assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), f"{workflow.name}: make {target}"


# --- the log ---------------------------------------------------------------------------------------------

_LEVELS = {"warning": "WARNING", "error": "ERROR", "exception": "ERROR", "critical": "CRITICAL"}
_QUIET = {"info", "debug", "isEnabledFor"}
_LEVEL_OF_ITS_OWN = {"log"}
ADVICE = ("WARNING", "host.json: ...")
"""What is said about host.json under a Functions host: sentences made in `hostjson.py`, which say what to do."""


class Line(NamedTuple):
    """A line of the log as a page shows it: with `...` for what differs, up to the end of its first line."""

    level: str
    text: str


def _shown(format_: str) -> str:
    first = re.sub(r"%[-.\d]*[a-z]", "...", format_.partition("\n")[0])
    return re.sub(r"\.{4,}", "...", first).strip()


def _lines(path: Path) -> Iterator[Line]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="logger"), attr=name), args=[first, *_]):
                if name in _QUIET | _LEVEL_OF_ITS_OWN:
                    continue
                text = constants.get(first.id) if isinstance(first, ast.Name) else getattr(first, "value", None)
                where = f"{path.relative_to(ROOT)}:{node.lineno}"
                if text is None and path.name == "expansion.py":
                    yield Line(*ADVICE)
                    continue
                assert isinstance(text, str), f"{where}: the format of a line of the log is a literal or a constant"
                yield Line(_LEVELS[name], _shown(text))
            case _:
                pass


def test_every_warning_and_error_of_the_log_is_explained_and_no_other():
    logged = {line for path in PACKAGE.rglob("*.py") for line in _lines(path)}
    rows = re.findall(
        r"^\| (WARNING|ERROR|CRITICAL) \| `([^`]+)` \| (.+) \|$", TEXTS[DOCS / "operating.md"], re.MULTILINE
    )
    explained = [Line(level, text) for level, text, _ in rows]
    assert len(logged) > 50
    assert sorted(logged - set(explained)) == [], "explain these in docs/operating.md"
    assert sorted(set(explained) - logged) == [], "nobody logs these any more"
    assert len(explained) == len(set(explained)), "a line is explained twice"


def test_whoever_logs_does_so_by_the_name_that_is_looked_for():
    strays = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in PACKAGE.rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(r"= logging\.getLogger\(|logging\.(warning|error|exception)\(|warnings\.warn\(", line)
        and not line.startswith("logger = ")
    ]
    assert strays == []
