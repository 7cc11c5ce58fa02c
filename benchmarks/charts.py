"""Charts of how a figure goes with size, as small SVG files that read on light and on dark ground."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, Run, Source

INK = "#808890"
"""Of text and lines: as far from white as from black."""
COLOURS = ("#2f81f7", "#e3742f", "#2da44e", "#bf5af2", "#c9a227", "#e5484d", "#12a5a5", "#8b6f47")


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
            if not is_drawn(group):
                continue
            drawing = new_drawing(figsize=(6.4, 3.2), layout="constrained")
            axes = drawing.subplots()
            lines = [figure for figure in group if figure.unit == group[0].unit]
            for at, system in enumerate(dict.fromkeys(figure.system for figure in lines)):
                points = sorted((figure for figure in lines if figure.system == system), key=lambda figure: figure.size)
                axes.plot(
                    [figure.size for figure in points],
                    [figure.median for figure in points],
                    label=system,
                    color=COLOURS[at % len(COLOURS)],
                    marker="o",
                    markersize=4,
                    linestyle="--" if system.startswith("bare") else "-",
                )
            axes.set_xscale("log")
            axes.set_ylim(bottom=0)
            axes.set_xlabel("size")
            axes.set_ylabel(group[0].unit)
            axes.grid(visible=True, color=INK, alpha=0.25)
            axes.legend(frameon=False, labelcolor=INK)
            drawing.savefig(directory / name_of(source, scenario), transparent=True, metadata={"Date": None})
