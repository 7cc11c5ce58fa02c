"""Human interaction: ask people, one level after the other, until enough of them have decided.

Each level has a time to answer; when it passes, the question goes one level up. Large amounts
need the approval of two levels. Answer with the external event `Decision`:

    curl -X POST -H "Content-Type: application/json" -d '{"approved": true}' \
        localhost:7071/runtime/webhooks/durabletask/instances/ID/raiseEvent/Decision
"""

import logging
from dataclasses import dataclass
from datetime import timedelta

import azure_durable_py as df

bp = df.Blueprint()
logger = logging.getLogger(__name__)
LEVELS = ("team lead", "department head", "director")


@dataclass
class Expense:
    """Input: what somebody wants to spend, and how long each level has to answer."""

    what: str
    amount: float
    hours_to_answer: float = 24


@dataclass
class Question:
    """What an approver is asked."""

    to: str
    about: str


@bp.orchestration_trigger(context_name="context", input_type=Expense)
async def approve_expense(context: df.DurableOrchestrationContext) -> dict[str, object]:
    """Get an expense approved."""
    expense: Expense = context.get_input()
    needed = 1 if expense.amount < 1000 else 2
    approvers: list[str] = []
    for level in LEVELS:
        await context.call_activity(ask, Question(level, f"{expense.what} for {expense.amount:g}"))
        context.set_custom_status({"waitingFor": level, "approvedBy": approvers})

        decision = context.wait_for_external_event("Decision")
        deadline = context.create_timer(timedelta(hours=expense.hours_to_answer))
        first = await context.task_any([decision, deadline])
        if first is deadline:
            continue  # Nobody answered: the next level decides.
        deadline.cancel()

        if not decision.get_result()["approved"]:
            return {"approved": False, "by": [*approvers, level]}
        approvers = [*approvers, level]
        if len(approvers) == needed:
            return {"approved": True, "by": approvers}
    return {"approved": False, "by": approvers}


@bp.activity_trigger(input_name="question")
def ask(question: Question) -> None:
    """Tell an approver that there is something to decide. A real one sends mail or a chat message."""
    logger.info("To the %s: may we have %s?", question.to, question.about)
