"""`orchestrator_generator_wrapper`: an orchestrator driven by the results of stand-in tasks."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any
from unittest.mock import Mock, PropertyMock

import pytest

import azure_durable_py as df
from azure_durable_py.testing import orchestrator_generator_wrapper

app = df.DFApp()


@app.orchestration_trigger(context_name="context")
def chain(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    first = yield context.call_activity("say_hello", "Tokyo")
    try:
        second = yield context.call_activity("say_hello", "nobody")
    except ValueError as error:
        second = str(error)
    return [first, second]


def task_of(result: Any = None, error: Exception | None = None) -> Mock:
    task = Mock()
    type(task).result = PropertyMock(return_value=result, side_effect=error)
    return task


def test_an_orchestrator_is_stepped_through_its_tasks_to_its_result() -> None:
    tasks = [task_of("Hello Tokyo!"), task_of(error=ValueError("there is nobody"))]
    context = Mock(df.DurableOrchestrationContext)
    context.call_activity = Mock(side_effect=tasks)
    builder: Any = chain
    orchestrator = builder.build().get_user_function().orchestrator_function

    values = list(orchestrator_generator_wrapper(orchestrator(context)))

    assert values == [*tasks, ["Hello Tokyo!", "there is nobody"]]
    assert [call.args for call in context.call_activity.call_args_list] == [
        ("say_hello", "Tokyo"),
        ("say_hello", "nobody"),
    ]


def test_an_orchestrator_without_tasks_gives_its_result_alone() -> None:
    def plain() -> Generator[Any, Any, int]:
        return 5
        yield

    assert list(orchestrator_generator_wrapper(plain())) == [5]


def test_what_the_orchestrator_raises_comes_out_after_the_tasks_before() -> None:
    failed = task_of(error=ValueError("boom"))

    def fails() -> Generator[Any, Any, Any]:
        yield failed

    values = orchestrator_generator_wrapper(fails())
    assert next(values) is failed
    with pytest.raises(ValueError, match="boom"):
        next(values)
