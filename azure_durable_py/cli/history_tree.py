"""The steps of an orchestration with those of its sub-orchestrations below them, and how they are printed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from azure_durable_py.cli.instance_page import kind_word
from azure_durable_py.cli.moments import shown_locally
from azure_durable_py.cli.output import Cell, Output, status_cell
from azure_durable_py.cli.shapes import as_json
from azure_durable_py.cli.views import InstanceView
from azure_durable_py.escaping import escaped, escaped_lines
from azure_durable_py.history.events import PayloadRef, Value
from azure_durable_py.inspection.timeline import Step, StepKind, StepOutcome, Timeline
from azure_durable_py.times import UTC
from azure_durable_py.wording import duration, summary

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

_MOST_CHILDREN = 200
"""Sub-orchestrations that are opened in all."""
_STYLES = {
    StepOutcome.open: ("…", "cyan"),
    StepOutcome.completed: ("✓", "green"),
    StepOutcome.failed: ("✗", "bold red"),
    StepOutcome.void: ("↺", "dim"),
    StepOutcome.cancelled: ("-", "dim"),
}
_POINTS = frozenset({StepKind.event_sent, StepKind.entity_signal, StepKind.control})
"""Steps without a length."""


@dataclass(slots=True)
class Branch:
    """A timeline, and by the place of a step the timeline of the sub-orchestration that it started.

    `closed` counts sub-orchestrations that were not opened because there are too many.
    """

    timeline: Timeline
    children: dict[int, Branch] = field(default_factory=lambda: {})
    closed: int = 0


async def read_branch(view: InstanceView, instance_id: str, *, depth: int, limit: int | None = None) -> Branch | None:
    """The timeline of an instance with those below it; None: there is no such instance.

    :param depth: how many levels to open.
    :param limit: steps of each timeline at most.
    """
    return await _read(view, instance_id, depth, limit, [_MOST_CHILDREN], frozenset())


async def _read(
    view: InstanceView, instance_id: str, depth: int, limit: int | None, left: list[int], above: frozenset[str]
) -> Branch | None:
    timeline = await view.timeline(instance_id, limit=limit)
    if timeline is None:
        return None
    branch = Branch(timeline)
    above |= {instance_id}
    # After a rewind a step with the same sub-orchestration comes again: that is the one to show it under.
    last = {step.target: place for place, step in enumerate(timeline.steps)}
    for place, step in enumerate(timeline.steps):
        if step.kind is not StepKind.sub_orchestration or step.target is None or not depth:
            continue
        # An id may have been used anew, even for an instance that is above.
        if step.target in above or last[step.target] != place:
            continue
        if not left[0]:
            branch.closed += 1
            continue
        left[0] -= 1
        child = await _read(view, step.target, depth - 1, limit, left, above)
        if child is not None:
            branch.children[place] = child
    return branch


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
            *((_value_text(step.input), _value_text(step.result)) if values else ()),
        )
        if child is not None:
            yield from _rows(child, level + 2, values=values)
    for rest in _left_out(branch):
        yield (level + 1, "left out", rest, *(None,) * (8 if values else 6))


def _tree(out: Output, branch: Branch, *, values: bool) -> Tree:
    from rich.tree import Tree

    tree = Tree(_title(out, branch.timeline), guide_style="dim")
    _grow(out, tree, branch, values=values)
    return tree


def _grow(out: Output, tree: Tree, branch: Branch, *, values: bool) -> None:
    if branch.timeline.problem is not None:
        tree.add(_text(f"The history cannot be read: {branch.timeline.problem}", "bold red"))
    for place, step in enumerate(branch.timeline.steps):
        child = branch.children.get(place)
        node = tree.add(_step_line(out, step))
        if step.failure is not None and child is None:
            node.add(_text(summary(step.failure), "red"))
        if values:
            _add_values(node, step)
        if child is not None:
            _grow(out, node, child, values=values)
    for told in _left_out(branch):
        tree.add(_text(told, "dim"))
    if branch.timeline.failure is not None:
        tree.add(_text(f"failed: {summary(branch.timeline.failure)}", "bold red"))


def _title(out: Output, timeline: Timeline) -> Text:
    status = status_cell(timeline.runtime_status)
    line = _text(f"{timeline.name} ", "bold")
    line.append(escaped(status.text), style=status.style)
    generation = f", generation {timeline.generation}" if timeline.generation else ""
    began = shown_locally(timeline.began, in_utc=out.in_utc)
    line.append(f"  {escaped(timeline.instance_id)}  {began}  {_shown_length(timeline.began, timeline.ended)}", "dim")
    line.append(generation, "dim")
    return line


def _step_line(out: Output, step: Step) -> Text:
    sign, style = _STYLES[step.outcome]
    line = _text(f"{sign} ", style)
    line.append(f"{kind_word(step.kind.value)} ", style="dim")
    line.append(escaped(step.name))
    if step.attempt > 1:
        line.append(f" (attempt {step.attempt})", style="yellow")
    if step.kind not in _POINTS and step.outcome is not StepOutcome.cancelled:
        line.append(f"  {_shown_length(step.began, step.ended)}", style="cyan" if step.ended is None else "")
    for told in (
        None if step.due is None or step.ended is not None else f"due {out.shown(step.due)}",
        None if step.target is None else f"-> {step.target}",
        step.detail,
        "made void by a rewind" if step.outcome is StepOutcome.void else None,
        "cancelled" if step.outcome is StepOutcome.cancelled else None,
    ):
        if told:
            line.append(f"  {escaped(told)}", style="dim")
    return line


def _add_values(node: Tree, step: Step) -> None:
    for name, value in (("input", step.input), ("result", step.result)):
        text = _value_text(value)
        if text is not None:
            node.add(_text(f"{name} {text}", "dim"))
    if step.failure is not None and step.failure.stack_trace:
        node.add(_plain_text(escaped_lines(step.failure.stack_trace.rstrip()), "dim"))


def _left_out(branch: Branch) -> Iterator[str]:
    if branch.timeline.left_out:
        yield f"{branch.timeline.left_out} more steps"
    if branch.closed:
        yield f"{branch.closed} sub-orchestrations not opened"


def _length(step: Step) -> timedelta | None:
    return None if step.ended is None else step.ended - step.began


def _shown_length(began: datetime, ended: datetime | None) -> str:
    if ended is None:
        return f"since {duration(datetime.now(UTC) - began, rough=True)}"
    return duration(ended - began)


def _value_text(value: Value) -> str | None:
    return f"(large: {value.size} characters)" if isinstance(value, PayloadRef) else value


def _text(text: str, style: str = "") -> Text:
    return _plain_text(escaped(text), style)


def _plain_text(text: str, style: str) -> Text:
    from rich.text import Text

    return Text(text, style=style)
