"""Charts of how a figure goes with size, as small SVG files that read on light and on dark ground."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import BARE, Curve, Figure, Run, Source, curves

INK = "#808890"
"""Of text and lines: as far from white as from black."""
COLOURS = ("#2f81f7", "#e3742f", "#2da44e", "#bf5af2", "#c9a227", "#e5484d", "#12a5a5", "#8b6f47")


GROWTH = "growth of the cost of each"
"""The chart of all that is measured for each."""


def name_of(source: Source, scenario: str) -> str:
    """The file of a scenario's chart."""
    return f"{source}-{re.sub(r'[^a-z0-9]+', '-', scenario.lower()).strip('-')}.svg"


def is_drawn(group: Sequence[Figure]) -> bool:
    """Whether the figures of a scenario make a chart: its first unit at three sizes or more."""
    return len({figure.size for figure in group if figure.unit == group[0].unit}) >= 3


def draw(source: Source, run: Run, directory: Path) -> None:
    """Draw all charts of a run, in place of those of the run before it from the same source."""
    try:
        # By name: whoever checks the types of this has no need to install it.
        rc_context: Any = importlib.import_module("matplotlib").rc_context
        new_drawing: Any = importlib.import_module("matplotlib.figure").Figure
    except ModuleNotFoundError:
        print("Charts are left as they are: matplotlib is not installed (the group `bench` of pyproject.toml).")
        return
    directory.mkdir(exist_ok=True)
    for old in directory.glob(f"{source}-*.svg"):
        old.unlink()
    look = {
        "svg.fonttype": "none",  # Text stays text: small, and searched.
        "svg.hashsalt": "azure_durable_py",  # The same figures give the same file.
        "font.size": 9,
        **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
    }
    with rc_context(look):
        for scenario in dict.fromkeys(figure.scenario for figure in run.figures):
            group = [figure for figure in run.figures if figure.scenario == scenario]
            if is_drawn(group):
                shown = [figure for figure in group if figure.unit == group[0].unit]
                by_system = {
                    system: sorted((one for one in shown if one.system == system), key=lambda figure: figure.size)
                    for system in dict.fromkeys(figure.system for figure in shown)
                }
                lines = {system: [(one.size, one.median) for one in points] for system, points in by_system.items()}
                _draw(new_drawing, lines, group[0].unit, directory / name_of(source, scenario))
        if lines := {curve.label: _relative(curve) for curve in curves(run.figures)}:
            _draw(new_drawing, lines, "cost of each (smallest: 1)", directory / name_of(source, GROWTH))


def _relative(curve: Curve) -> list[tuple[float, float]]:
    return [(figure.size, figure.cost / curve.figures[0].cost) for figure in curve.figures]


def _draw(new_drawing: Any, lines: Mapping[str, Sequence[tuple[float, float]]], unit: str, path: Path) -> None:
    drawing = new_drawing(figsize=(6.4, 2.8 + 0.2 * len(lines)), layout="constrained")
    axes = drawing.subplots()
    for at, (name, points) in enumerate(lines.items()):
        axes.plot(
            [size for size, _ in points],
            [value for _, value in points],
            label=name,
            color=COLOURS[at % len(COLOURS)],
            marker="osD^"[at // len(COLOURS) % 4],
            markersize=4,
            linestyle="--" if name.startswith(BARE) else "-",
        )
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("size")
    axes.set_ylabel(unit)
    axes.grid(visible=True, color=INK, alpha=0.25)
    drawing.legend(frameon=False, labelcolor=INK, loc="outside lower left", fontsize=8)
    drawing.savefig(path, transparent=True, metadata={"Date": None})
