"""Which files are read, and what is said of those that cannot be."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from azure_durable_py.lint import lint_paths
from azure_durable_py.lint.source import MAX_BYTES
from tests.lint.writing import HEAD, places, write

APP = f"import time\n{HEAD}@app.orchestration_trigger(context_name='c')\ndef o(c):\n    time.time()\n"


def messages(directory: Path) -> list[str]:
    """Code and message of all that is found below a directory."""
    return [f"{found.code} {found.line}:{found.column} {found.message}" for found in lint_paths([directory])]


@pytest.mark.parametrize(
    "place", [".venv/x", "node_modules/x", "__pycache__", "build/lib", ".hidden", ".python_packages/lib/site-packages"]
)
def test_what_is_nobodys_own_code_is_left_out(place: str, tmp_path: Path):
    write(tmp_path, {f"{place}/function_app.py": APP, "own/function_app.py": APP, "own/notes.txt": APP})
    assert places(tmp_path) == ["own/function_app.py:6"]


def test_a_virtual_environment_of_any_name_is_left_out(tmp_path: Path):
    write(tmp_path, {"tools/pyvenv.cfg": "", "tools/lib/function_app.py": APP})
    assert places(tmp_path) == []


def test_a_file_that_is_named_is_linted_wherever_it_is(tmp_path: Path):
    write(tmp_path, {"build/app": APP})
    assert [found.line for found in lint_paths([tmp_path / "build" / "app", tmp_path / "build" / "app"])] == [6]


def test_nothing_at_a_path_is_an_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        lint_paths([tmp_path / "nowhere"])


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_links_in_a_circle_end(tmp_path: Path):
    write(tmp_path, {"app/function_app.py": APP})
    (tmp_path / "app" / "round").symlink_to(tmp_path / "app")
    (tmp_path / "app" / "dangling.py").symlink_to(tmp_path / "nowhere.py")
    found = lint_paths([tmp_path])
    assert [finding.code for finding in found] == ["DF000", "DF001"]
    assert "No such file" in found[0].message


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes with a path in a directory there")
def test_a_pipe_in_a_directory_is_not_waited_for(tmp_path: Path):
    write(tmp_path, {"function_app.py": APP})
    os.mkfifo(tmp_path / "pipe.py")
    assert places(tmp_path) == ["function_app.py:6"]


def test_what_is_nested_too_deeply_is_told_beside_what_is_found(tmp_path: Path):
    write(tmp_path, {"function_app.py": f"{APP}    for x in {' | '.join(['{1}'] * 1500)}: c.call_activity('a', x)\n"})
    found = messages(tmp_path)
    assert "DF000 5:1 o is nested too deeply to be looked at as a whole" in found
    assert "DF001 6:5 time.time reads the clock of the machine" in found


def test_a_file_that_python_cannot_parse_is_a_finding_at_the_place(tmp_path: Path):
    write(tmp_path, {"function_app.py": "x = 1\ndef (:\n"})
    (said,) = messages(tmp_path)
    assert re.match(r"DF000 2:5 Python 3\.\d+ cannot parse this: ", said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"x = '\xff'\n", "cannot be decoded"),
        (b"# coding: no-such-encoding\n", "cannot be decoded"),
        (b"x = 1\x00\n", "cannot parse"),
        (b"(" * 5000, "cannot parse"),
        (b"-" * 100_000 + b"1", "cannot parse"),
        (b"#" * (MAX_BYTES + 1), "larger than 4 MiB"),
    ],
)
def test_whatever_is_in_a_file_it_is_a_finding_and_no_error(content: bytes, said: str, tmp_path: Path):
    (tmp_path / "function_app.py").write_bytes(content)
    (found,) = lint_paths([tmp_path])
    assert found.code == "DF000"
    assert said in found.message


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="needs rights that are refused")
def test_a_file_that_may_not_be_read_is_a_finding(tmp_path: Path):
    write(tmp_path, {"function_app.py": APP})
    (tmp_path / "function_app.py").chmod(0)
    assert [found.code for found in lint_paths([tmp_path])] == ["DF000"]


@pytest.mark.parametrize(
    ("encoding", "end"),
    [("utf-8-sig", "\n"), ("utf-8", "\r\n"), ("utf-8", "\r"), ("latin-1", "\n"), ("latin-1", "\r\n")],
)
def test_columns_are_characters_in_any_encoding(encoding: str, end: str, tmp_path: Path):
    lines = [
        f"# coding: {encoding}",
        "import time, azure_durable_py as df",
        "@df.DFApp().orchestration_trigger(context_name='c')",
        "def o(c):",
        "    'äöü\x0c', time.time()",
    ]
    (tmp_path / "function_app.py").write_bytes(end.join(lines).encode(encoding))
    (found,) = lint_paths([tmp_path])
    assert (found.line, found.column, found.end_line, found.end_column) == (5, 13, 5, 22)


def test_code_is_never_run(tmp_path: Path):
    write(tmp_path, {"function_app.py": f"raise SystemExit(3)\n{APP}"})
    assert places(tmp_path) == ["function_app.py:7"]
