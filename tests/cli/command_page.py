"""Runs what docs/command-line.md shows. As a program it writes the output that the page shows anew."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.cli import shop

PAGE = Path(__file__).parent.parent.parent / "docs" / "command-line.md"
_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_VARIES = (
    (re.compile(r"\b[0-9a-f]{32}\b"), "..."),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z?( \([^)]*\))?"), "..."),
    (re.compile(r"\b(\d+ (s|min|h|d) ago|in \d+ (s|min|h|d)|now)\b"), "... ago"),
    (re.compile(r"\bafter \d+(\.\d+)? m?s\b"), "after ..."),
    (re.compile(r"\b\d+(\.\d+)? m?s\b"), "..."),
    (re.compile(r"\b\d+ (created|completed|failed)\b"), r"... \1"),
    (re.compile(r"(testhubname-instances +instances +)\d+"), r"\1..."),
    (re.compile(r"[^\s\"(]*/shop\b"), ".../shop"),
)
_POINTERS = re.compile(r"^[ ~^]*\^[ ~^]*\n", re.MULTILINE)
_SPINNER = re.compile(r"^[\u2800-\u28ff].*\n", re.MULTILINE)


def commands(block: str) -> list[str]:
    """The commands of a block."""
    return [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]


def run(command: str, app_dir: Path, programs: Path) -> str:
    """What a terminal shows of a command, without colours."""
    environ = {"PATH": f"{programs}:/usr/bin:/bin", "TZ": "UTC"}
    shown, _ = shop.on_terminal(
        "-c", command, cwd=app_dir, columns=110, environ=environ, program=("/bin/bash", "--norc")
    )
    return _bare(_SPINNER.sub("", shop.plain(shown).replace("\r", "")))


def _bare(shown: str) -> str:
    """Without the lines that point at a part of the code, which stacks have from Python 3.11 on."""
    return _POINTERS.sub("", shown.strip("\n") + "\n").strip("\n")


@contextmanager
def opened_shop() -> Generator[tuple[Path, Path], None, None]:
    """A shop and a directory with the program `azure-durable`, at a place whose name is always as long."""
    with tempfile.TemporaryDirectory() as place:
        app = shop.make_shop(Path(place) / "shop")
        shop.fill(app)
        (Path(place) / "bin").mkdir()
        yield app, install(Path(place) / "bin")


def install(directory: Path) -> Path:
    """Put the program `azure-durable` into a directory."""
    program = directory / "azure-durable"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m azure_durable_py "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return directory


def pattern(shown: str) -> re.Pattern[str]:
    """What a page shows, with `...` for anything; how columns are spaced does not matter."""
    lines = [re.sub(r"(\\ )+|─+", lambda _: r"[ ─]+", re.escape(line)) for line in _bare(shown).split("\n")]
    text = r"\n".join(lines).replace(r"\.\.\.[ ─]+ago", r"(?:.*[ ─]+ago|now)")
    return re.compile(text.replace(r"\.\.\.", ".*"), re.DOTALL if "\n...\n" in f"\n{shown}\n" else 0)


def blocks(text: str) -> list[str]:
    """The blocks of a page with commands and what they print."""
    return _BLOCK.findall(text)


def shown(block: str, command: str) -> str:
    """What a block says that a command prints."""
    rest = block.split(f"$ {command}\n", 1)[1]
    return re.split(r"^\$ ", rest, maxsplit=1, flags=re.MULTILINE)[0].strip("\n")


def written(text: str, app_dir: Path, programs: Path) -> str:
    """The page with what its commands print now."""

    def answered(found: re.Match[str]) -> str:
        lines: list[str] = []
        for command in commands(found[1]):
            output = run(command, app_dir, programs)
            for varies, instead in _VARIES:
                output = varies.sub(instead, output)
            lines += [f"$ {command}", *(line.rstrip() for line in output.split("\n") if output)]
        return "\n".join(["```console", *lines, "```"])

    return _BLOCK.sub(answered, text)


if __name__ == "__main__":
    with opened_shop() as (app, programs):
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), app, programs), encoding="utf-8")
