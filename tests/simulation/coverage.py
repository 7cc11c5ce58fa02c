"""Tells what many runs together have met.

Owns two tables: which storage call, made by which function of the engine, met which fault; and the lines that the
engine can log, which tell its paths, with how often each was.
"""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

from rich.box import SIMPLE
from rich.table import Table

import azure_durable_py
from tests.simulation.faults import READS
from tests.simulation.weather import KINDS

FAULTS = (*KINDS, "outage")
ANSWERS = ("conflict", "message lost", "delivered again")
"""What storage answers in good order, and the engine must bear."""
_SHORT = {
    "crash_before": "crash before",
    "crash_after": "crash after",
    "lost_before": "lost before",
    "lost_after": "lost after",
}
_READS_NEVER = frozenset({"late"})


def fault_table(calls: Counter[tuple[str, str, str]]) -> Table:
    """Storage call x place in the engine x fault: how often, or a dot for never."""
    table = Table(box=SIMPLE, title="Storage calls, by the function that makes them, and what happened")
    table.add_column("call", no_wrap=True)
    table.add_column("place", no_wrap=True)
    table.add_column("calls", justify="right")
    for kind in (*FAULTS, *ANSWERS):
        table.add_column(_SHORT.get(kind, kind), justify="right", no_wrap=True)
    rows = sorted({(name, where) for name, where, _ in calls})
    for name, where in rows:
        total = sum(calls[name, where, kind] for kind in ("", *FAULTS))
        counts = [calls[name, where, kind] for kind in (*FAULTS, *ANSWERS)]
        table.add_row(name, where, _short(total), *(_short(count) if count else "·" for count in counts))
    return table


def hit(calls: Counter[tuple[str, str, str]]) -> tuple[int, int]:
    """How many combinations of call, place and fault were hit, of how many that there are."""
    rows = {(name, where) for name, where, _ in calls}
    possible = [
        (name, where, kind) for name, where in rows for kind in FAULTS if name not in READS or kind not in _READS_NEVER
    ]
    return sum(1 for combination in possible if calls[combination]), len(possible)


def path_table(paths: Counter[str]) -> Table:
    """Every line that worker and hub can log, and how often they did."""
    table = Table(box=SIMPLE, title="Paths of the engine, by what it logs on them")
    table.add_column("times", justify="right")
    table.add_column("line")
    known = _log_lines()
    for line in sorted(known | set(paths)):
        table.add_row(_short(paths[line]) if paths[line] else "·", line.partition("%(")[0][:150])
    return table


def _log_lines() -> set[str]:
    """What the engine can log from INFO on, read from its source."""
    root = Path(azure_durable_py.__file__).parent
    found: set[str] = set()
    for path in [*root.glob("worker/*.py"), *root.glob("taskhub/*.py"), *root.glob("client/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "logger"
                and node.func.attr in ("info", "warning", "error", "exception")
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ):
                found.add(f"{path.stem}: {node.args[0].value}")
    return found


def _short(count: int) -> str:
    return str(count) if count < 10_000 else f"{count // 1000}k"
