"""A branch as a tree of lines, for people: what each line says, and how the tree is drawn as text.

Owns the words, their order and their tones. Whoever has colours draws the lines himself: each tone has one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Literal

from azure_durable_py.escaping import escaped, escaped_lines
from azure_durable_py.history.events import PayloadRef, Value
from azure_durable_py.inspection.branch import Branch
from azure_durable_py.inspection.steps import Step, StepKind, StepOutcome, kind_word
from azure_durable_py.inspection.timeline import Timeline
from azure_durable_py.wording import counted, duration, one_line, summary

_SHORT = 80
"""Characters of a value that stands in the line of its step."""
_POINTS = frozenset({StepKind.event_sent, StepKind.entity_signal, StepKind.control})
"""Steps without a length."""
_MOMENT = timedelta(milliseconds=0.5)
"""A length up to this is not told."""


class Tone(Enum):
    """What a part of a line is to a reader."""

    plain = "plain"
    faint = "faint"
    title = "title"
    status = "status"
    open = "open"
    good = "good"
    bad = "bad"
    reason = "reason"
    again = "again"


@dataclass(frozen=True, slots=True)
class Line:
    """A line, in parts of one tone each, and the lines below it. Its texts are safe to be shown on a terminal."""

    parts: tuple[tuple[str, Tone], ...]
    below: list[Line] = field(default_factory=lambda: [])

    @property
    def text(self) -> str:
        """The line without its tones."""
        return "".join(text for text, _ in self.parts)


@dataclass(frozen=True, slots=True)
class TreeForm:
    """How much a tree says, and how.

    `now` is what lengths of things that go on are reckoned from. `began` says when an orchestration began, `due` when
    a timer fires. `values`: "none"; "short": the beginning of inputs and results in the line of their step; "all": in
    lines of their own, with stack traces. `most_steps` is how many steps of each orchestration are shown, the newest.
    """

    now: datetime
    began: Callable[[datetime], str]
    due: Callable[[datetime], str]
    values: Literal["none", "short", "all"] = "none"
    most_steps: int | None = None


def tree_of(branch: Branch, form: TreeForm) -> Line:
    """The lines of a branch."""
    title = Line(tuple(_title(branch.timeline, form)))
    title.below.extend(_below(branch, form))
    return title


def drawn(line: Line) -> str:
    """A tree as text: a line each, joined by lines of drawing characters."""
    return "\n".join(_drawn(line, "", ""))


def _drawn(line: Line, first: str, others: str) -> Iterator[str]:
    beginning, *more = line.text.split("\n")
    yield f"{first}{beginning}"
    margin = f"{others}│   " if line.below else others
    yield from (f"{margin}{each}" for each in more)
    for at, below in enumerate(line.below):
        is_last = at == len(line.below) - 1
        yield from _drawn(below, f"{others}{'└── ' if is_last else '├── '}", f"{others}{'    ' if is_last else '│   '}")


def left_out(branch: Branch) -> Iterator[str]:
    """What there is more than a branch shows."""
    if branch.timeline.left_out:
        yield f"{branch.timeline.left_out} more steps"
    if branch.closed:
        yield f"{branch.closed} sub-orchestrations not opened"


def value_text(value: Value) -> str | None:
    """A value as a person gets it; of one that is stored apart, how large it is."""
    return f"(large: {value.size} characters)" if isinstance(value, PayloadRef) else value


# --- one orchestration -------------------------------------------------------------------------------


def _title(timeline: Timeline, form: TreeForm) -> Iterator[tuple[str, Tone]]:
    yield f"{escaped(timeline.name)} ", Tone.title
    yield escaped(timeline.runtime_status), Tone.status
    length = _length(timeline.began, timeline.ended, form)
    told = "  ".join(filter(None, (escaped(timeline.instance_id), form.began(timeline.began), length)))
    yield f"  {told}{f', generation {timeline.generation}' if timeline.generation else ''}", Tone.faint


def _below(branch: Branch, form: TreeForm) -> Iterator[Line]:
    timeline = branch.timeline
    if timeline.problem is not None:
        yield _line(f"The history cannot be read: {timeline.problem}", Tone.bad)
    hidden = 0 if form.most_steps is None else max(0, len(timeline.steps) - form.most_steps)
    if hidden:
        yield _line(f"({counted(hidden, 'step')} before)", Tone.faint)
    for place, step in enumerate(timeline.steps):
        if place >= hidden:
            yield _of_step(step, branch.children.get(place), form)
    for told in left_out(branch):
        yield _line(told, Tone.faint)
    if timeline.failure is not None:
        yield _line(f"failed: {summary(timeline.failure)}", Tone.bad)


# --- one step ----------------------------------------------------------------------------------------

_SIGNS = {
    StepOutcome.open: ("…", Tone.open),
    StepOutcome.completed: ("✓", Tone.good),
    StepOutcome.failed: ("✗", Tone.bad),
    StepOutcome.void: ("↺", Tone.faint),
    StepOutcome.cancelled: ("-", Tone.faint),
}


def _of_step(step: Step, child: Branch | None, form: TreeForm) -> Line:
    line = Line(tuple(_step_parts(step, form)))
    if step.failure is not None and child is None:
        line.below.append(_line(summary(step.failure), Tone.reason))
    if form.values == "all":
        line.below.extend(_values(step))
    if child is not None:
        line.below.extend(_below(child, form))
    return line


def _step_parts(step: Step, form: TreeForm) -> Iterator[tuple[str, Tone]]:
    sign, tone = _SIGNS[step.outcome]
    yield f"{sign} ", tone
    word = kind_word(step.kind.value)
    if word != step.name:
        yield f"{word} ", Tone.faint
    yield escaped(step.name), Tone.plain
    if form.values == "short" and step.kind is not StepKind.http and (given := _short(step.input)):
        yield f"({given})", Tone.faint
    if step.attempt > 1:
        yield f" (attempt {step.attempt})", Tone.again
    if form.values == "short" and (result := _short(step.result)):
        yield f" -> {result}", Tone.plain
    if length := _length_of_step(step, form):
        yield f"  {length}", Tone.open if step.ended is None else Tone.plain
    for told in (
        None if step.due is None or step.ended is not None else f"due {form.due(step.due)}",
        None if step.target is None else f"-> {step.target}",
        step.detail,
        "made void by a rewind" if step.outcome is StepOutcome.void else None,
        "cancelled" if step.outcome is StepOutcome.cancelled else None,
    ):
        if told:
            yield f"  {escaped(told)}", Tone.faint


def _values(step: Step) -> Iterator[Line]:
    for name, value in (("input", step.input), ("result", step.result)):
        text = value_text(value)
        if text is not None:
            yield _line(f"{name} {text}", Tone.faint)
    if step.failure is not None and step.failure.stack_trace:
        yield Line(((escaped_lines(step.failure.stack_trace.rstrip()), Tone.faint),))


def _short(value: Value) -> str | None:
    text = value_text(value)
    return None if text in (None, "null") else escaped(one_line(text, _SHORT))


def _length_of_step(step: Step, form: TreeForm) -> str | None:
    if step.kind in _POINTS or step.outcome is StepOutcome.cancelled:
        return None
    return _length(step.began, step.ended, form)


def _length(began: datetime, ended: datetime | None, form: TreeForm) -> str | None:
    if ended is None:
        return f"since {duration(form.now - began, rough=True)}"
    return duration(ended - began) if ended - began > _MOMENT else None


def _line(text: str, tone: Tone) -> Line:
    return Line(((escaped(text), tone),))
