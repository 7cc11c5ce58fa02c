"""The results of one benchmark, as rows that read alike in a terminal and in JSON."""

from __future__ import annotations

from dataclasses import dataclass, field

Cell = str | int | float


@dataclass
class Table:
    """Rows with the same columns."""

    title: str
    rows: list[dict[str, Cell]] = field(default_factory=list)

    def add(self, **cells: Cell) -> None:
        """Add a row; column names read with spaces for underscores."""
        self.rows.append({name.replace("_", " "): value for name, value in cells.items()})

    def text(self) -> str:
        """The table for people."""
        header = list(self.rows[0])
        lines = [header, *([_shown(value) for value in row.values()] for row in self.rows)]
        widths = [max(len(line[at]) for line in lines) for at in range(len(header))]
        rows = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
        return "\n".join([self.title, "", *rows, ""])


def _shown(value: Cell) -> str:
    return (
        f"{value:.3g}"
        if isinstance(value, float) and value < 1000
        else f"{value:.0f}"
        if isinstance(value, float)
        else str(value)
    )
