"""A shop with all kinds of orders, three minutes after its first: what most tests of looks, and the pictures, show."""

from __future__ import annotations

import json
from typing import Any

from tests.monitor.fake_host import FakeHost, at, inspection, row, step, value

NOW = 180.0
"""Seconds from the start of all that is made up to the moment at which one looks."""

DECLINED: dict[str, Any] = {
    "message": "Card declined: insufficient funds",
    "errorType": "shop.payments.CardDeclined",
    "stackTrace": (
        "Traceback (most recent call last):\n"
        '  File "/app/shop/activities.py", line 48, in charge\n'
        '    return gateway.charge(order["card"], order["total"])\n'
        '  File "/app/shop/payments.py", line 31, in charge\n'
        "    raise CardDeclined(answer.reason)\n"
        "shop.payments.CardDeclined: Card declined: insufficient funds\n"
    ),
    "innerFailure": None,
}
FAILED: dict[str, Any] = {
    "message": "Activity 'charge' failed after 3 attempts: Card declined: insufficient funds",
    "errorType": "azure_durable_py.errors.TaskFailedError",
    "stackTrace": (
        "Traceback (most recent call last):\n"
        '  File "/app/function_app.py", line 27, in orders\n'
        '    yield context.call_activity_with_retry("charge", retry, order)\n'
    ),
    "innerFailure": DECLINED,
}


def full_hub(says: FakeHost) -> None:
    """Fill a host with everything that there is to see."""
    says.instances = list(_instances())
    _running(says)
    _failed(says)
    _asking(says)
    _entities(says)
    says.schedules = [
        {"scheduleId": "nightly-report", "status": "active", "orchestrationName": "report", "recurrence": "0 0 3 * * *"}
        | {"nextRunAt": at(68_400), "lastRunAt": at(-18_000), "createdAt": at(-900_000), "pausedReason": None}
        | {"lastInstanceId": "nightly-report-0301", "runs": 12, "missed": 1, "skipped": 0},
        {"scheduleId": "restock", "status": "paused", "orchestrationName": "restock", "recurrence": "every 15 min"}
        | {"nextRunAt": None, "lastRunAt": at(-3_600), "createdAt": at(-900_000), "lastInstanceId": None}
        | {"pausedReason": "until the move is done", "runs": 96, "missed": 0, "skipped": 4},
    ]
    says.overview = {
        "takenAt": at(NOW),
        "stuck": ["order-1092"],
        "app": {
            "orchestrators": ["orders", "refunds", "report", "restock", "ship"],
            "activities": ["charge", "check_fraud", "price", "reserve_stock"],
            "entities": ["counter", "stock"],
        },
        "findings": [
            {
                "level": "warning",
                "text": "1 instance shows no sign of life.",
                "mend": "Look at what it waits for, and whether a worker of this hub runs.",
                "instanceId": "order-1092",
            }
        ],
    }


def _instances() -> Any:
    kinds = ["Completed", "Running", "Completed", "Completed", "Failed", "Completed", "Suspended", "Completed"]
    for number in range(136, -1, -1):
        status = "Failed" if number == 3 else "Running" if number == 0 else kinds[number * 5 % 8]
        if number > 130:
            status = "Pending" if number > 134 else "Running"
        name = "refunds" if number % 7 == 3 else "orders"
        began, took = number * 1.25, 1.5 + number * 37 % 11
        ended = began + took if status in ("Completed", "Failed") else None
        yield row(
            f"{'refund' if name == 'refunds' else 'order'}-{1000 + number}",
            status,
            name=name,
            createdTime=at(began),
            lastUpdatedTime=at(min(began + took, NOW - 2)),
            completedTime=None if ended is None else at(min(ended, NOW - 2)),
            parentInstanceId="day-0301" if number % 9 == 0 else None,
        )


def _wait(kind: str, name: str, since: float, **more: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "name": name,
        "since": at(since),
        "due": None,
        "taskId": int(since * 10),
        "target": None,
        "attempt": 1,
        "lastFailure": None,
        "detail": None,
        **more,
    }


STEPS: list[dict[str, Any]] = [
    step(0, "reserve_stock", 1, 9, input=value({"sku": "A-1", "count": 2}), result=value({"reserved": True})),
    step(1, "price", 1, 21),
    step(2, "https://tax.example/rate", 3, 17, kind="http"),
    step(3, "check_fraud", 21, 29, outcome="failed", failure=DECLINED),
    step(4, "check_fraud", 29, 44, kind="retry_delay", retryOf=3),
    step(5, "check_fraud", 44, 57, attempt=2, retryOf=3),
    step(6, "", 57, 87, kind="timer", due=at(87)),
    step(7, "note", 66, 66, kind="event", result=value({"by": "Grace", "text": "leave at the door"})),
    step(8, "add", 87, 93, kind="entity_call", target="@stock@north"),
    step(9, "ship", 93, None, kind="sub_orchestration", target="order-1000:ship"),
    step(10, "approval", 93, None, kind="event", due=at(3_693)),
    step(11, "charge", 95, 102, outcome="failed", failure=DECLINED, input=value({"card": "****4242", "total": 129.5})),
    step(12, "charge", 102, 112, kind="retry_delay", retryOf=11),
    step(13, "charge", 112, 120, outcome="failed", failure=DECLINED, attempt=2, retryOf=11),
    step(14, "charge", 120, 140, kind="retry_delay", retryOf=11),
    step(15, "charge", 140, None, attempt=3, retryOf=11, input=value({"card": "****4242", "total": 129.5})),
    step(16, "log", 141, 141, kind="entity_signal", target="@counter@attempts"),
]


def _running(says: FakeHost) -> None:
    says.details["order-1000"] = inspection(
        "order-1000",
        "Running",
        lastUpdatedTime=at(141),
        input=value(
            {
                "customer": "Ada Lovelace",
                "items": [{"sku": "A-1", "count": 2}, {"sku": "B-7", "count": 1}],
                "total": 129.5,
                "express": True,
                "note": None,
            }
        ),
        customStatus=value("waiting for approval"),
        version="2.1.0",
        tags={"region": "north", "tier": "gold"},
        parentInstanceId="day-0301",
        waits=[
            _wait("event", "approval", 93, due=at(3_693)),
            _wait("activity", "charge", 140, attempt=3, lastFailure=DECLINED),
            _wait("sub_orchestration", "ship", 93.5, target="order-1000:ship"),
        ],
        findings=[
            {
                "level": "warning",
                "text": "Activity 'charge' has failed twice: CardDeclined: Card declined: insufficient funds.",
                "mend": "It is tried for the third and last time. If that fails, the instance fails.",
            }
        ],
        inbox=[{"key": "m-7", "what": "event", "name": "note", "sender": "a client", "sentAt": at(178)}],
        outbox=[{"what": "signal", "name": "log", "target": "@counter@attempts", "since": at(141), "guard": "g"}],
        can={"raiseEvent": True, "suspend": True, "restart": True, "terminate": True, "purge": True},
    )
    says.steps["order-1000"] = STEPS
    says.events["order-1000"] = [
        {
            "index": 0,
            "type": "ExecutionStarted",
            "timestamp": at(0),
            "name": "orders",
            "input": value({"total": 129.5}),
        },
        {"index": 1, "type": "TaskScheduled", "timestamp": at(1), "name": "reserve_stock", "taskId": 0, "input": None},
        {"index": 2, "type": "TaskScheduled", "timestamp": at(1), "name": "price", "taskId": 1, "input": None},
        {"index": 3, "type": "TaskCompleted", "timestamp": at(9), "taskId": 0, "result": value({"reserved": True})},
    ]
    pack = {**row("order-1000:ship:pack", "Completed", name="pack"), "children": []}
    says.families["order-1000"] = {
        "ancestors": [{**row("day-0301", name="day"), "children": []}],
        "me": {**row("order-1000"), "children": [{**row("order-1000:ship", name="ship"), "children": [pack]}]},
        "leftOut": 0,
    }


def _failed(says: FakeHost) -> None:
    says.details["order-1003"] = inspection(
        "order-1003",
        "Failed",
        createdTime=at(3.75),
        lastUpdatedTime=at(38),
        completedTime=at(38),
        input=value({"customer": "Charles Babbage", "total": 740}),
        failure=FAILED,
        can={"rewind": True, "restart": True, "purge": True},
        findings=[
            {
                "level": "error",
                "text": "It failed, because activity 'charge' failed 3 times.",
                "mend": "Mend the cause, then rewind it: what succeeded is kept.",
            }
        ],
    )
    says.steps["order-1003"] = [
        step(0, "reserve_stock", 4, 7),
        step(1, "price", 4, 11),
        step(2, "charge", 11, 14, outcome="failed", failure=DECLINED),
        step(3, "charge", 14, 19, kind="retry_delay", retryOf=2),
        step(4, "charge", 19, 22, outcome="failed", failure=DECLINED, attempt=2, retryOf=2),
        step(5, "charge", 22, 34, kind="retry_delay", retryOf=2),
        step(6, "charge", 34, 37, outcome="failed", failure=DECLINED, attempt=3, retryOf=2),
    ]


def approval(name: str, tool: str, arguments: Any, **more: Any) -> dict[str, Any]:
    """A call of a tool that waits for a person."""
    return {
        "id": name,
        "tool": tool,
        "arguments": json.dumps(arguments),
        "argumentsCut": False,
        "event": f"approval:{name}",
        "requestedAt": at(60),
        "expiresAt": None,
        "problem": None,
        **more,
    }


def _asking(says: FakeHost) -> None:
    says.details["refund-agent-7"] = inspection(
        "refund-agent-7",
        name="refund_agent",
        lastUpdatedTime=at(60),
        input=value("Please refund order 1003, the parcel came broken."),
        customStatus={"size": 900, "large": True},
        approvals=[
            approval(
                "r-1003",
                "refund",
                {"order": "order-1003", "amount": 740.0, "currency": "EUR", "reason": "damaged in transit"},
                expiresAt=at(60 + 3 * 86_400),
            ),
            approval(
                "m-1003",
                "send_mail",
                {"to": "charles@example.com", "subject": "Your refund"},
                problem="An answer could not be used: approved: the field is missing",
            ),
        ],
        waits=[
            _wait("event", "approval:r-1003", 60, due=at(60 + 3 * 86_400)),
            _wait("event", "approval:m-1003", 60),
        ],
    )
    says.steps["refund-agent-7"] = [
        step(0, "model", 1, 9, input=value("Please refund order 1003."), result=value({"tool": "find_order"})),
        step(1, "find_order", 9, 14, result=value({"order": "order-1003"})),
        step(2, "model", 14, 60, result=value({"tools": ["refund", "send_mail"]})),
        step(3, "approval:r-1003", 60, None, kind="event", due=at(60 + 3 * 86_400)),
        step(4, "approval:m-1003", 60, None, kind="event"),
    ]


def _entities(says: FakeHost) -> None:
    for number in range(8):
        key = f"k{number}"
        says.entities.append(
            {"name": "counter", "key": key, "instanceId": f"@counter@{key}", "lastUpdatedTime": at(number * 20)}
            | {"lockedBy": "order-1000" if number == 2 else None, "backlog": number % 3, "damaged": None}
        )
    shown = inspection("@counter@k2", kind="entity", name="counter", lock="order-1000")
    waiting = [
        {"what": "signal", "name": "add", "sender": "order-1017"},
        {"what": "call", "name": "get", "sender": "order-1021"},
    ]
    says.entity_details["counter/k2"] = {
        **shown,
        "state": value({"value": 42, "changed_by": ["order-1000", "order-1017"]}),
        "backlog": 2,
        "backlogEntries": waiting,
    }
