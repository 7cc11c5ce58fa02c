"""docs/command-line.md shows what the commands print, every exit code, and every command."""

from __future__ import annotations

import re

import pytest

from azure_durable_py.cli.exits import MEANINGS
from tests.cli import command_page
from tests.cli.command_page import PAGE, blocks, commands, opened_shop, pattern, run

TEXT = PAGE.read_text(encoding="utf-8")


@pytest.mark.timeout(400)
def test_the_page_shows_what_its_commands_print(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)
    compared = 0
    with opened_shop() as (app, programs):
        for block in blocks(TEXT):
            for command in commands(block):
                printed = run(command, app, programs)
                said = command_page.shown(block, command)
                assert pattern(said).fullmatch(printed), f"$ {command}\n{printed}\n--- the page says:\n{said}"
                compared += 1
    assert compared > 20


def test_the_page_tells_every_exit_code() -> None:
    rows = dict(re.findall(r"^\| (\d+) \| (.+) \|$", TEXT, re.MULTILINE))
    assert rows == {str(code.value): meaning for code, meaning in MEANINGS.items()}
