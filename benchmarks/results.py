"""How results are shown: `RESULTS.md`, whole, and the block of figures in the README. Both follow from `results.json`.

Nothing is written anywhere else, and nothing by hand: a test compares the checked-in texts with the checked-in file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from benchmarks import charts, figures
from benchmarks.figures import Figure, Run, Source, curves

PAGE = Path(__file__).parent / "RESULTS.md"
README = Path(__file__).parent.parent / "README.md"
BEGIN = "<!-- figures: written by `python -m benchmarks --readme` -->"
END = "<!-- end of figures -->"

HEAD = """# Results of the benchmarks

Written by `make bench` and `make bench-peers` from `benchmarks/results.json`; not to be edited.
How they are measured, and how to read them: [docs/benchmarks.md](../docs/benchmarks.md).
"""
TITLES: dict[Source, str] = {"ours": "Ours, beside what storage allows", "peers": "Ours, beside its peers"}
OURS = "azure_durable_py on"
"""How the names of our systems begin."""


def record(run: Run, *, results: Path = figures.RESULTS, page: Path = PAGE) -> None:
    """Have a run replace the one before it from the same source: in the file, on the page and in the charts."""
    runs: dict[Source, Run] = {**figures.read(results), run.source: run}
    figures.write(runs, results)
    # Read again: what is shown is what is in the file, to the last digit.
    runs = figures.read(results)
    charts.draw(run.source, runs[run.source], page.parent / "charts")
    page.write_text(page_of(runs), encoding="utf-8")


# --- the page --------------------------------------------------------------------------------------------


def page_of(runs: Mapping[Source, Run]) -> str:
    """All of RESULTS.md."""
    parts = [HEAD]
    parts += [section(runs[source]) for source in TITLES if source in runs]
    return "\n".join(parts)


def section(run: Run) -> str:
    """What the page says of one run."""
    parts = [f"## {TITLES[run.source]}\n", _about(run)]
    if run.notes:
        parts.append("".join(f"- {note}\n" for note in run.notes))
    if run.source == "peers" and (summary := _summary(run)):
        parts.append(summary)
    for scenario, group in groupby(_in_order(run.figures), key=lambda figure: figure.scenario):
        parts.append(_scenario(run, scenario, list(group)))
    if growth := _growth(run):
        parts.append(growth)
    return "\n".join(parts)


def _about(run: Run) -> str:
    machine = run.machine
    versions = ", ".join(f"{name} {version}" for name, version in sorted(run.versions.items()))
    rows = [
        ("when", f"{run.began}, for {run.seconds / 60:.0f} min"),
        ("again", f"`{run.command}`"),
        ("code", f"commit `{run.commit}`"),
        ("machine", f"{machine.cpu}, {machine.cores} cores, {machine.memory:g} GiB; {machine.disk}; {machine.system}"),
        ("versions", f"Python {run.python}, {versions}"),
        ("rounds", f"{run.rounds}; a figure is the median of them"),
    ]
    return _table(("of this run", ""), rows)


def _in_order(all_figures: Iterable[Figure]) -> list[Figure]:
    """As they were measured, but all of a scenario together, and in it all of a unit, smallest size first."""
    listed = list(all_figures)
    scenarios = list(dict.fromkeys(figure.scenario for figure in listed))
    units = list(dict.fromkeys((figure.scenario, figure.unit) for figure in listed))
    return sorted(
        listed,
        key=lambda figure: (scenarios.index(figure.scenario), units.index((figure.scenario, figure.unit)), figure.size),
    )


def _scenario(run: Run, scenario: str, group: Sequence[Figure]) -> str:
    parts = [f"### {scenario}\n"]
    for unit, measured in groupby(group, key=lambda figure: figure.unit):
        listed = list(measured)
        latency = any(figure.p99 for figure in listed)
        compared = any(run.reference(figure) for figure in listed)
        header = ["size", "system", f"{unit} ({listed[0].better} is better)", "least and most"]
        header += ["p99"] * latency + ["compared with", "times as good"] * compared
        rows = [_row(run, figure, latency=latency, compared=compared) for figure in listed]
        parts.append(_table(header, rows))
    chart = f"charts/{charts.name_of(run.source, scenario)}"
    if charts.is_drawn(group):
        parts.append(f"![{scenario}, by size]({chart})\n")
    return "\n".join(parts)


def _growth(run: Run) -> str:
    """How the cost of each goes with size, where it was measured at three sizes or more."""
    rows = [
        [
            curve.label,
            f"{curve.figures[0].size:,} to {curve.figures[-1].size:,}",
            f"{curve.exponent:+.2f}",
            f"{curve.figures[-1].cost / curve.figures[0].cost:.2f}",
        ]
        for curve in curves(run.figures)
    ]
    if not rows:
        return ""
    header = ("what each costs", "sizes", "exponent", "times at the largest what it is at the smallest")
    chart = f"![Growth of the cost of each](charts/{charts.name_of(run.source, charts.GROWTH)})\n"
    return "\n".join(["### Growth\n", _table(header, rows), chart])


def _row(run: Run, figure: Figure, *, latency: bool, compared: bool) -> list[str]:
    row = [f"{figure.size:,}", figure.system, number(figure.median)]
    row.append(f"{number(figure.least)} to {number(figure.most)}" if len(figure.values) > 1 else "")
    if latency:
        row.append("" if figure.median_p99 is None else number(figure.median_p99))
    if compared:
        reference = run.reference(figure)
        row += ["", ""] if reference is None else [figure.against, f"{figure.ratio_to(reference):.2f}"]
    return row


def _summary(run: Run) -> str:
    """Of each quantity: the embedded hub beside the best of the others."""
    rows: list[list[str]] = []
    for ours in _in_order(run.figures):
        others = [figure for figure in run.figures if figure.is_twin_of(ours) and not figure.system.startswith(OURS)]
        if ours.system == f"{OURS} SQLite" and others:
            best = max(others, key=lambda other: other.ratio_to(ours))
            what = f"{ours.scenario}, {ours.unit}"
            rows.append(
                [
                    what,
                    f"{ours.size:,}",
                    number(ours.median),
                    number(best.median),
                    best.system,
                    f"{ours.ratio_to(best):.2f}",
                ]
            )
    if not rows:
        return ""
    return _table(("scenario", "size", f"{OURS} SQLite", "best peer", "which", "times as good"), rows)


# --- the README ------------------------------------------------------------------------------------------


def block_of(runs: Mapping[Source, Run]) -> str:
    """What stands between the two marks in the README: the peers' run, all systems beside each other."""
    run = runs.get("peers")
    if run is None:
        return "\n"
    systems = list(dict.fromkeys(figure.system for figure in run.figures))
    rows: list[list[str]] = []
    for (scenario, unit, size), same in groupby(_in_order(run.figures), key=lambda at: (at.scenario, at.unit, at.size)):
        medians = {figure.system: number(figure.median) for figure in same}
        rows.append([f"{scenario}, {unit}", f"{size:,}", *(medians.get(system, "") for system in systems)])
    machine = run.machine
    about = (
        f"Medians of {run.rounds} rounds on {machine.cores} cores of {machine.cpu} ({machine.disk}), {run.began[:10]}, "
        f"commit `{run.commit}`."
    )
    return f"\n{_table(('scenario', 'size', *systems), rows)}\n{about}\n"


def in_readme(text: str) -> str | None:
    """What stands between the two marks in a text; None where there are no marks."""
    if BEGIN not in text or END not in text:
        return None
    return text.partition(BEGIN)[2].partition(END)[0]


def with_block(text: str, block: str) -> str:
    """A text with that between its marks."""
    if in_readme(text) is None:
        raise ValueError(f"README.md has no place for the figures: a line `{BEGIN}`, and a line `{END}` after it.")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}{block}{END}{rest.partition(END)[2]}"


# --- both ------------------------------------------------------------------------------------------------


def number(value: float) -> str:
    """Three digits are what a benchmark is good for."""
    if abs(value) >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)
