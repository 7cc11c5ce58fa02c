"""Human interaction: who decides, who does not, and what happens when the time is up."""

from datetime import timedelta

import pytest

from azure_durable_py.testing import DurableTestSyncEnvironment, OrchestratorPlayer
from sample_function_app.approval import Expense, approve_expense, ask

PENS, DESKS = Expense("pens", 20), Expense("desks", 2000)


def test_the_question_goes_one_level_up_when_nobody_answers_in_time() -> None:
    step = OrchestratorPlayer(approve_expense, PENS)
    step.complete(ask)
    step.fire_timer()
    [question] = step.pending
    assert question.input == {"to": "department head", "about": "pens for 20"}


@pytest.mark.parametrize(
    ("expense", "answers", "outcome"),
    [
        (PENS, [True], {"approved": True, "by": ["team lead"]}),
        (DESKS, [True, True], {"approved": True, "by": ["team lead", "department head"]}),
        (DESKS, [True, False], {"approved": False, "by": ["team lead", "department head"]}),
        (PENS, [], {"approved": False, "by": []}),
    ],
)
def test_the_answers_decide(
    durable_sync_env: DurableTestSyncEnvironment, expense: Expense, answers: list[bool], outcome: dict[str, object]
) -> None:
    request = durable_sync_env.start(approve_expense, expense)
    for answer in answers:
        durable_sync_env.skip(timedelta(hours=1))
        request.raise_event("Decision", {"approved": answer})
    assert request.result() == outcome


def test_everybody_has_a_day(durable_sync_env: DurableTestSyncEnvironment) -> None:
    request = durable_sync_env.start(approve_expense, PENS)
    request.wait_for_custom_status({"waitingFor": "department head", "approvedBy": []})
    request.raise_event("Decision", {"approved": True})
    assert request.result() == {"approved": True, "by": ["department head"]}
    deadlines = request.calls().of_kind("timer")
    assert [(each.outcome, each.due - each.scheduled_at) for each in deadlines if each.due is not None] == [
        ("completed", timedelta(days=1)),
        ("cancelled", timedelta(days=1)),
    ]


def test_an_answer_that_comes_while_no_process_runs_is_kept(durable_sync_env: DurableTestSyncEnvironment) -> None:
    request = durable_sync_env.start(approve_expense, PENS)
    durable_sync_env.crash()
    request.raise_event("Decision", {"approved": True})
    durable_sync_env.restart()
    assert request.result() == {"approved": True, "by": ["team lead"]}
