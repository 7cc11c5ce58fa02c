"""What a command prints: tables and details for people, lines of tabs for programs, JSON on request.

Owns the three forms. On a terminal there are columns, colour (never with NO_COLOR) and times relative to now. Elsewhere
each row is a line, its columns are separated by tabs, nothing is shortened, and times are UTC in ISO 8601. With
`--json` stdout holds one JSON document and nothing else. Nothing that others wrote reaches a terminal unescaped.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import click

from azure_durable_py.cli.moments import shown_exactly, shown_locally, shown_relatively
from azure_durable_py.escaping import escaped, escaped_json, escaped_lines
from azure_durable_py.times import UTC, to_iso
from azure_durable_py.wording import duration

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_Callback = TypeVar("_Callback", bound="Callable[..., Any]")


@dataclass(frozen=True, slots=True)
class Styled:
    """A text with a style of rich, which only terminals show."""

    text: str
    style: str


Cell: TypeAlias = "str | int | float | datetime | timedelta | Styled | None"
"""What a table or a list of details holds. Texts may be anybody's."""

_STATUS_STYLES = {
    "Running": "cyan",
    "Pending": "blue",
    "Suspended": "yellow",
    "Completed": "green",
    "Failed": "bold red",
    "Terminated": "magenta",
    "Canceled": "magenta",
    "Damaged": "bold red",
    "error": "bold red",
    "warning": "yellow",
    "info": "cyan",
}


def status_cell(status: str | None) -> Styled:
    """A runtime status, or the level of a finding, in its colour."""
    return Styled(status or "-", _STATUS_STYLES.get(status or "", ""))


_MOMENT = re.compile(r"\b(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)Z\b", re.ASCII)


class Output:
    """Prints for one command.

    :param as_json: whether JSON is asked for.
    :param in_utc: whether people want UTC as well.
    """

    def __init__(self, *, as_json: bool = False, in_utc: bool = False) -> None:
        self.as_json = as_json
        self.in_utc = in_utc
        self.on_terminal = sys.stdout.isatty() and not as_json
        self._console: Console | None = None

    # --- the three forms -------------------------------------------------------------------------

    def json(self, value: Any) -> None:
        """Print the document that `--json` asks for."""
        write_line(sys.stdout, escaped_json(json.dumps(value, indent=2, ensure_ascii=not _is_unicode())))

    def json_line(self, value: Any) -> None:
        """Print one of several documents, in a line of its own."""
        write_line(sys.stdout, escaped_json(json.dumps(value, ensure_ascii=not _is_unicode())))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, empty: str = "") -> None:
        """Print rows.

        :param columns: their titles.
        :param empty: what to tell (on stderr) when there are no rows.
        """
        kept = list(rows)
        if not kept and empty:
            self.note(empty)
        if self.on_terminal:
            if kept:
                self.rendered(self.rich_table(columns, kept))
            return
        write_line(sys.stdout, "\t".join(map(escaped, columns)))
        for row in kept:
            self.row(row)

    def row(self, cells: Sequence[Cell]) -> None:
        """Print one row as a line, as programs get it."""
        write_line(sys.stdout, "\t".join(self.plain(cell) for cell in cells))

    def flush(self) -> None:
        """Have who reads see now what was printed."""
        sys.stdout.flush()

    def details(self, pairs: Iterable[tuple[str, Cell]], *, title: str = "") -> None:
        """Print names and their values, one a line; those that are None are left out."""
        kept = [(name, value) for name, value in pairs if value is not None]
        if title:
            self.heading(title)
        if not self.on_terminal:
            for name, value in kept:
                write_line(sys.stdout, f"{name}\t{self.plain(value)}")
            return
        from rich.table import Table

        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        for name, value in kept:
            grid.add_row(name, self._rich_text(value, exact=True))
        self.rendered(grid)

    def heading(self, title: str) -> None:
        """Print what the next part is about."""
        if not self.on_terminal:
            write_line(sys.stdout, "")
            write_line(sys.stdout, title)
            return
        from rich.text import Text

        self.rendered(Text(f"\n{title}", style="bold"))

    def line(self, text: str) -> None:
        """Print a sentence. It may quote what others wrote."""
        write_line(sys.stdout, escaped(text))

    def styled(self, text: str, style: str) -> None:
        """Print a sentence in a style of rich, which only terminals show."""
        if not self.on_terminal:
            self.line(text)
            return
        from rich.text import Text

        self.rendered(Text(escaped(text), style=style))

    def block(self, text: str) -> None:
        """Print a text of several lines, such as a stack trace."""
        write_line(sys.stdout, escaped_lines(text.rstrip("\n")))

    def note(self, text: str) -> None:
        """Tell something on stderr, where it is in nobody's way."""
        write_line(sys.stderr, escaped(text))

    # --- parts of them ---------------------------------------------------------------------------

    def plain(self, cell: Cell) -> str:
        """A value as programs get it: one field without tabs and line breaks."""
        match cell:
            case None:
                return "-"
            case Styled(text=text):
                return escaped(text)
            case datetime():
                return shown_exactly(cell)
            case timedelta():
                return f"{cell.total_seconds():.3f}"
            case _:
                return escaped(str(cell)) or "-"

    def shown(self, cell: Cell, *, exact: bool = False) -> str:
        """A value as people get it on a terminal, without its style.

        :param exact: a time not only relative to now.
        """
        match cell:
            case datetime():
                relative = shown_relatively(cell, datetime.now(UTC))
                return f"{shown_locally(cell, in_utc=self.in_utc)} ({relative})" if exact else relative
            case timedelta():
                return duration(cell)
            case _:
                return self.plain(cell)

    def with_times(self, text: str) -> str:
        """A sentence, on a terminal with the moments in it as people get them there."""

        def shown(found: re.Match[str]) -> str:
            moment = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
            return self.shown(moment, exact=True)

        return _MOMENT.sub(shown, text) if self.on_terminal else text

    def rich_table(self, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> RenderableType:
        """Rows as a terminal shows them. Long values are folded, never cut off."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(self._rich_text(cell) for cell in row))
        return table

    def rendered(self, part: RenderableType) -> None:
        """Print something of rich. Its texts must have been escaped."""
        self.console.print(part)

    @property
    def console(self) -> Console:
        """Rich's own way to the terminal."""
        if self._console is None:
            from rich.console import Console

            self._console = Console(highlight=False, markup=False, emoji=False)
        return self._console

    def _rich_text(self, cell: Cell, *, exact: bool = False) -> RenderableType:
        from rich.text import Text

        return Text(self.shown(cell, exact=exact), style=cell.style if isinstance(cell, Styled) else "")


def with_output(callback: _Callback) -> _Callback:
    """Give a command the options `--json` and `--utc`; its function gets `out`, an `Output`."""

    def call(**given: Any) -> Any:
        out = Output(as_json=given.pop("as_json"), in_utc=given.pop("in_utc"))
        return callback(out=out, **given)

    decorated: Any = update_wrapper(call, callback)
    decorated = click.option("--utc", "in_utc", is_flag=True, help="Show times in UTC on a terminal too.")(decorated)
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(decorated)


def write_line(stream: Any, text: str) -> None:
    """Write a line, whatever the encoding of the stream can hold."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.encode(encoding, "backslashreplace").decode(encoding)
    click.echo(text, file=stream)


def encoded_time(moment: datetime | None) -> str | None:
    """A moment in JSON, or none."""
    return None if moment is None else to_iso(moment)


def _is_unicode() -> bool:
    return (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")
