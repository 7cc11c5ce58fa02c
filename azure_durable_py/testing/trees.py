"""The history of an instance as a tree of text, as tests show it.

Owns how much of it is told: short values, UTC times, and of many instances those that matter most.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from azure_durable_py.escaping import escaped
from azure_durable_py.inspection.branch import Branch, read_branch
from azure_durable_py.inspection.timeline import read_timeline
from azure_durable_py.inspection.tree import Line, Tone, TreeForm, drawn, tree_of
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.wording import duration, one_line

DEPTH = 10
"""Levels of sub-orchestrations that are opened."""
_MOST_CHARS = 200


async def instance_tree(
    hub: TaskHub, instance_id: str, now: datetime, *, depth: int = DEPTH, most_steps: int | None = None
) -> str | None:
    """The history of an instance, with its sub-orchestrations; None: there is no such instance.

    :param now: the time, for what goes on.
    :param depth: how many levels of sub-orchestrations to open.
    :param most_steps: of each orchestration, the newest; None: all.
    """
    branch = await read_branch(lambda one: read_timeline(hub, one), instance_id, depth=depth)
    header = None if branch is None else await hub.store.load_header(instance_id)
    if branch is None or header is None:
        return None
    columns = header.columns
    return branch_tree(branch, now, columns.input, columns.custom_status, columns.output, most_steps=most_steps)


def branch_tree(
    branch: Branch,
    now: datetime,
    input: str | None,
    custom_status: str | None,
    output: str | None,
    *,
    most_steps: int | None = None,
) -> str:
    """A branch as text, with the values of the orchestration that it begins with; they are JSON texts."""

    def due(moment: datetime) -> str:
        return f"{_shown(moment)} (in {duration(moment - now, rough=True)})" if moment > now else _shown(moment)

    tree = tree_of(branch, TreeForm(now, _shown, due, "short", most_steps))
    has_failed = branch.timeline.failure is not None
    tree.below[:0] = _values(("input", input), ("custom status", None if custom_status == "null" else custom_status))
    tree.below.extend(_values(("output", None if has_failed else output)))
    return drawn(tree)


def _values(*named: tuple[str, str | None]) -> Iterator[Line]:
    for name, text in named:
        if text is not None:
            yield Line(((f"{name} {escaped(one_line(text, _MOST_CHARS))}", Tone.faint),))


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
