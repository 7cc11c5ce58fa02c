"""How a branch is printed: as a tree on a terminal, as rows elsewhere, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from azure_durable_py.cli.moments import shown_locally
from azure_durable_py.cli.output import Cell, Output, status_cell
from azure_durable_py.cli.shapes import as_json
from azure_durable_py.inspection.branch import Branch
from azure_durable_py.inspection.steps import Step, kind_word
from azure_durable_py.inspection.tree import Line, Tone, TreeForm, left_out, tree_of, value_text
from azure_durable_py.times import UTC
from azure_durable_py.wording import summary

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

_STYLES = {
    Tone.plain: "",
    Tone.faint: "dim",
    Tone.title: "bold",
    Tone.open: "cyan",
    Tone.good: "green",
    Tone.bad: "bold red",
    Tone.reason: "red",
    Tone.again: "yellow",
}


def branch_json(branch: Branch, *, values: bool) -> dict[str, Any]:
    """A branch as JSON: the timeline, with `child` in the steps that started one."""
    shown: dict[str, Any] = as_json(replace(branch.timeline, steps=()))
    shown["durationSeconds"] = _seconds(branch.timeline.began, branch.timeline.ended)
    shown["steps"] = [
        _step_json(branch, place, step, values=values) for place, step in enumerate(branch.timeline.steps)
    ]
    if branch.closed:
        shown["childrenLeftOut"] = branch.closed
    return shown


def _step_json(branch: Branch, place: int, step: Step, *, values: bool) -> dict[str, Any]:
    shown: dict[str, Any] = as_json(step)
    shown["durationSeconds"] = _seconds(step.began, step.ended)
    if not values:
        del shown["input"], shown["result"]
    child = branch.children.get(place)
    return shown | ({} if child is None else {"child": branch_json(child, values=values)})


def _seconds(began: datetime, ended: datetime | None) -> float | None:
    return None if ended is None else (ended - began).total_seconds()


# --- printing ----------------------------------------------------------------------------------------


def print_branch(out: Output, branch: Branch, *, values: bool) -> None:
    """Print a tree on a terminal, elsewhere a row for each step with its level."""
    if out.on_terminal:
        out.rendered(_tree(out, branch, values=values))
        return
    columns = ["LEVEL", "KIND", "NAME", "OUTCOME", "BEGAN", "SECONDS", "ATTEMPT", "TARGET", "FAILURE"]
    out.table([*columns, *(["INPUT", "RESULT"] if values else [])], list(_rows(branch, 0, values=values)))


def _rows(branch: Branch, level: int, *, values: bool) -> Iterator[tuple[Cell, ...]]:
    timeline = branch.timeline
    told = timeline.problem or (summary(timeline.failure) if timeline.failure else None)
    length = None if timeline.ended is None else timeline.ended - timeline.began
    yield (
        *(level, "orchestration", timeline.name, timeline.runtime_status, timeline.began, length, 1),
        *(timeline.instance_id, told, *((None, None) if values else ())),
    )
    for place, step in enumerate(branch.timeline.steps):
        child = branch.children.get(place)
        yield (
            *(level + 1, kind_word(step.kind.value), step.name, step.outcome.value, step.began, _length(step)),
            *(step.attempt, step.target, summary(step.failure) if step.failure else step.detail),
            *((value_text(step.input), value_text(step.result)) if values else ()),
        )
        if child is not None:
            yield from _rows(child, level + 2, values=values)
    for rest in left_out(branch):
        yield (level + 1, "left out", rest, *(None,) * (8 if values else 6))


def _tree(out: Output, branch: Branch, *, values: bool) -> Tree:
    from rich.tree import Tree

    form = TreeForm(
        now=datetime.now(UTC),
        began=lambda moment: shown_locally(moment, in_utc=out.in_utc),
        due=out.shown,
        values="all" if values else "none",
    )
    line = tree_of(branch, form)
    tree = Tree(_text(line), guide_style="dim")
    _grow(tree, line)
    return tree


def _grow(tree: Tree, line: Line) -> None:
    for below in line.below:
        _grow(tree.add(_text(below)), below)


def _text(line: Line) -> Text:
    from rich.text import Text

    made = Text()
    for text, tone in line.parts:
        made.append(text, style=status_cell(text).style if tone is Tone.status else _STYLES[tone])
    return made


def _length(step: Step) -> timedelta | None:
    return None if step.ended is None else step.ended - step.began
