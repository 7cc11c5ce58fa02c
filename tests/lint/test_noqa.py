"""Comments let findings pass as those of flake8 do."""

from __future__ import annotations

import pytest

from azure_durable_py.lint import lint_source
from tests.lint.writing import HEAD

ORCHESTRATOR = f"import time\n{HEAD}@app.orchestration_trigger(context_name='c')\ndef o(c):\n"


def count(line: str, before: str = "") -> int:
    """How many findings are told of a line in an orchestrator."""
    return len(lint_source(f"{before}{ORCHESTRATOR}    {line}\n"))


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa",
        "#noqa",
        "# NOQA",
        "# noqa: DF001",
        "# noqa:DF001",
        "# noqa : df001",
        "# noqa: DF0",
        "# noqa: E501,DF001",
        "# noqa: E501, DF001",
        "# noqa: DF001 - the clock is only logged",
        "# noqa DF001",
        "# type: ignore # noqa: DF001",
    ],
)
def test_a_comment_lets_its_line_pass(comment: str):
    assert count(f"time.time()  {comment}") == 0


@pytest.mark.parametrize(
    "comment", ["# noqa: E501", "# noqa: DF999", "# noqa: DF0011", "# noqa:", "# no qa", "# noqa: see below"]
)
def test_a_comment_for_something_else_does_not(comment: str):
    assert count(f"time.time()  {comment}") == 1


def test_a_text_is_no_comment():
    assert count("time.time(), '# noqa'") == 1


def test_a_comment_counts_for_the_statement_and_not_for_its_neighbours():
    assert count("(\n        time.time(),\n        2,\n    )  # noqa: DF001") == 0
    assert count("(  # noqa: DF001\n        time.time(),\n    )") == 0
    assert count("'''\n    ''', time.time()  # noqa: DF001") == 0
    assert count("if time.time():  # noqa: DF001\n        time.time()") == 1
    assert count("# noqa: DF001\n    time.time()") == 1
    assert count("time.time()\n    # noqa: DF001") == 1


@pytest.mark.parametrize(
    "comment", ["# flake8: noqa", "# flake8: noqa: DF001", "# azure-durable: noqa", "#azure-durable:noqa:E1,DF001"]
)
def test_a_comment_lets_the_file_pass(comment: str):
    assert count("time.time()", before=f"{comment}\n") == 0


@pytest.mark.parametrize("comment", ["# flake8: noqa: E501", "# azure-durable: noqa:", "x = 1  # see flake8: noqa"])
def test_a_comment_for_something_else_does_not_let_the_file_pass(comment: str):
    assert count("time.time()", before=f"{comment}\n") == 1


def test_comments_may_be_looked_past():
    text = f"{ORCHESTRATOR}    time.time()  # noqa\n"
    assert len(lint_source(text, noqa=False)) == 1
