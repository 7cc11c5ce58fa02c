"""Which version a sub-orchestration carries that is given none."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import (
    SubOrchestrationCompleted,
    SubOrchestrationCreated,
    SubOrchestrationFailed,
)
from azure_durable_py.retry_policy import RetryOptions
from azure_durable_py.settings import Settings
from tests.runtime.harness import Run, registry_of


def parent(context: Any) -> Any:
    first = yield context.call_sub_orchestrator("child")
    second = yield context.call_sub_orchestrator("child")
    return [first, second]


def explicit(context: Any) -> Any:
    yield context.call_sub_orchestrator("child", version=context.get_input())


def stubborn(context: Any) -> Any:
    return (yield context.call_sub_orchestrator_with_retry("child", RetryOptions(1000, 2)))


def deployed(version: str | None) -> Run:
    return Run(registry_of(parent, explicit, stubborn), settings=Settings(default_version=version))


def children(run: Run) -> list[SubOrchestrationCreated]:
    return [decision for decision in run.decisions if isinstance(decision, SubOrchestrationCreated)]


@pytest.mark.parametrize("version", [None, "1.0"])
def test_a_child_carries_the_default_version(version: str | None):
    run = deployed(version)
    run.start("parent")
    assert [child.version for child in children(run)] == [version]


@pytest.mark.parametrize("version", ["7", ""])
def test_a_version_that_is_given_counts(version: str):
    run = deployed("1.0")
    run.start("explicit", version)
    assert [child.version for child in children(run)] == [version]


def test_every_attempt_carries_the_default_version():
    run = deployed("1.0")
    run.start("stubborn")
    run.advance(SubOrchestrationFailed(run.now, 0, FailureDetails("no", "ValueError")))
    run.wait(timedelta(seconds=2))
    assert [child.version for child in children(run)] == ["1.0", "1.0"]


@pytest.mark.parametrize("now", [None, "2.0"])
@pytest.mark.parametrize("then", [None, "1.0"])
def test_on_replay_the_recorded_version_stays_and_new_children_carry_the_one_of_today(
    then: str | None, now: str | None
):
    run = deployed(then)
    run.start("parent")
    run.settings = Settings(default_version=now)
    run.live = run.load(run.history)
    assert run.live.decision(0) == children(run)[0]
    run.advance(SubOrchestrationCompleted(run.now, 0, '"a"'))
    assert [child.version for child in children(run)] == [then, now]
    run.advance(SubOrchestrationCompleted(run.now, 1, '"b"'))
    assert run.output == ["a", "b"]
