"""A branch as lines of a tree: what each says, and how they are drawn as text."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import PayloadRef
from azure_durable_py.inspection.branch import Branch
from azure_durable_py.inspection.steps import Step, StepKind, StepOutcome
from azure_durable_py.inspection.timeline import Timeline
from azure_durable_py.inspection.tree import Tone, TreeForm, drawn, tree_of

BEGAN = datetime(2026, 1, 1, tzinfo=timezone.utc)
FORM = TreeForm(BEGAN + timedelta(hours=1), lambda moment: f"{moment:%H:%M}", lambda moment: f"at {moment:%H:%M}")
FAILURE = FailureDetails("too heavy", "shop.PostError", 'File "a.py", line 1\nPostError: too heavy\n')


def step(kind: StepKind, name: str, outcome: StepOutcome = StepOutcome.completed, **given: object) -> Step:
    ended = None if outcome is StepOutcome.open else BEGAN + timedelta(minutes=1)
    made = Step(kind, name, 0, BEGAN, ended, outcome)
    return replace(made, **given)  # type: ignore[arg-type]


def timeline(*steps: Step, **given: object) -> Timeline:
    made = Timeline("trip", "book_trip", "Running", 0, BEGAN, None, 9, steps)
    return replace(made, **given)  # type: ignore[arg-type]


def test_each_step_is_a_line_and_a_failure_stands_below_it():
    steps = (
        step(StepKind.activity, "book", input='"Rome"', result='"a room"'),
        step(StepKind.activity, "send", StepOutcome.failed, failure=FAILURE, attempt=2),
        step(StepKind.timer, "timer", StepOutcome.open, due=BEGAN + timedelta(hours=5)),
        step(StepKind.entity_signal, "add", target="@counter@a"),
        step(StepKind.timer, "timer", StepOutcome.cancelled),
        step(StepKind.activity, "book", StepOutcome.void),
        step(StepKind.event, "Decision", StepOutcome.open),
    )
    assert drawn(tree_of(Branch(timeline(*steps)), FORM)).splitlines() == [
        "book_trip Running  trip  00:00  since 1 h",
        "├── ✓ activity book  1 min",
        "├── ✗ activity send (attempt 2)  1 min",
        "│   └── PostError: too heavy",
        "├── … timer  since 1 h  due at 05:00",
        "├── ✓ entity signal add  -> @counter@a",
        "├── - timer  cancelled",
        "├── ↺ activity book  1 min  made void by a rewind",
        "└── … event Decision  since 1 h",
    ]


def test_a_sub_orchestration_that_is_opened_has_its_steps_below_its_step():
    inner = Branch(timeline(step(StepKind.activity, "send"), name="ship", failure=FAILURE))
    outer = timeline(
        step(StepKind.sub_orchestration, "ship", StepOutcome.failed, target="ship-1", failure=FAILURE),
        step(StepKind.activity, "thank"),
    )
    assert drawn(tree_of(Branch(outer, {0: inner}, closed=2), FORM)).splitlines()[1:] == [
        "├── ✗ sub-orchestration ship  1 min  -> ship-1",
        "│   ├── ✓ activity send  1 min",
        "│   └── failed: PostError: too heavy",
        "├── ✓ activity thank  1 min",
        "└── 2 sub-orchestrations not opened",
    ]


def test_short_values_stand_in_the_line_of_their_step():
    form = replace(FORM, values="short")
    steps = (
        step(StepKind.activity, "book", input='"Rome"', result='"' + "x" * 100 + '"'),
        step(StepKind.activity, "book", input="null", result=PayloadRef("key", 70_000, 2)),
        step(StepKind.http, "GET https://shop.test/", input='{"method":"GET"}', result='{"statusCode":200}'),
        step(StepKind.event, "Decision", input="true", ended=BEGAN),
    )
    assert drawn(tree_of(Branch(timeline(*steps)), form)).splitlines()[1:] == [
        f'├── ✓ activity book("Rome") -> "{"x" * 79} ...  1 min',
        "├── ✓ activity book -> (large: 70000 characters)  1 min",
        '├── ✓ HTTP call GET https://shop.test/ -> {"statusCode":200}  1 min',
        "└── ✓ event Decision(true)",
    ]


def test_whole_values_and_stack_traces_have_lines_of_their_own():
    form = replace(FORM, values="all")
    failed = step(StepKind.activity, "send", StepOutcome.failed, failure=FAILURE, input="1\r2")
    assert drawn(tree_of(Branch(timeline(failed)), form)).splitlines()[1:] == [
        "└── ✗ activity send  1 min",
        "    ├── PostError: too heavy",
        "    ├── input 1\\r2",
        '    └── File "a.py", line 1',
        "        PostError: too heavy",
    ]


def test_of_many_steps_the_newest_are_shown():
    steps = [step(StepKind.activity, f"step {number}") for number in range(5)]
    form = replace(FORM, most_steps=2)
    assert drawn(tree_of(Branch(timeline(*steps, left_out=7)), form)).splitlines()[1:] == [
        "├── (3 steps before)",
        "├── ✓ activity step 3  1 min",
        "├── ✓ activity step 4  1 min",
        "└── 7 more steps",
    ]


def test_each_part_of_a_line_has_its_tone():
    line = tree_of(Branch(timeline(generation=3, runtime_status="Failed", problem="a row is gone")), FORM)
    assert [tone for _, tone in line.parts] == [Tone.title, Tone.status, Tone.faint]
    assert line.text.endswith("since 1 h, generation 3")
    assert [below.parts for below in line.below] == [(("The history cannot be read: a row is gone", Tone.bad),)]
