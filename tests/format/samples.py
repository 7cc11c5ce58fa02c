"""One sample of everything that is stored: orchestrations and entities with everything in them, and every message."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.codec import encode_event
from azure_durable_py.history.events import (
    ContinuedAsNew,
    EntityCaller,
    EntityLockGranted,
    EntityLockReleased,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    EntityOperationSignaled,
    Event,
    EventRaised,
    EventSent,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    LockReleaseArrived,
    LockRequestArrived,
    OperationArrived,
    OrchestratorStarted,
    ParentInstance,
    PayloadRef,
    SubOrchestrationCompleted,
    SubOrchestrationCreated,
    SubOrchestrationFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from azure_durable_py.taskhub.entity_state import EntityState, LockHolder, Summary, trace_key
from azure_durable_py.taskhub.idset import IdSet
from azure_durable_py.taskhub.keyring import Key, KeyName, Keyring, Revocation, SigningKey
from azure_durable_py.taskhub.messages import Cause, Doorbell, InboxEvent, Target, WorkItem
from azure_durable_py.taskhub.naming import (
    BEHIND_ALL,
    HEADER_KEY,
    INBOX_PREFIX,
    MARKER_KEY,
    MARKER_PARTITION,
    QueueNames,
    backlog_key,
    chunk_keys,
    inbox_key,
    page_key,
    payload_key,
    poison_queue,
    quarantine_keys,
    quarantine_name,
    reason_key,
    senders_key,
    staged_message,
    staged_start,
    table_name,
    work_writer,
)
from azure_durable_py.taskhub.outgoing import Deliver, ResumeChild, Send, StartChild, StartNew, to_message
from azure_durable_py.taskhub.payloads import encode_ref
from azure_durable_py.taskhub.protocol import Columns, Kind
from azure_durable_py.taskhub.state import (
    ActivityGroup,
    Alarm,
    Arming,
    ClientMemory,
    InstanceState,
    Mark,
    PageRef,
    SenderPage,
    SendGroup,
)
from azure_durable_py.taskhub.tail import Tail
from azure_durable_py.times import UTC
from azure_durable_py.trace_context import TraceContext

AT = datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=UTC)
LATER = AT + timedelta(days=1)
FAILURE = FailureDetails(
    "no",
    "ValueError",
    "at line 1",
    FailureDetails("deeper", "KeyError"),
    ("Exception",),
    retryable=False,
    retry_after=timedelta(seconds=2.5),
)
PARENT = ParentInstance("order-16", "e0", 1, 0, 7, "Orders", AT)
CALLER = EntityCaller("order-17", "e1", 2, 0, 9)
LARGE = PayloadRef(payload_key("turn1", 0), 20_000, 1)
SECTION = "order-17:e1:3"
TRACE = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", sampled=True, state="vendor=1")


# --- events ------------------------------------------------------------------------------------------

HISTORY: tuple[Event, ...] = (
    OrchestratorStarted(AT),
    ExecutionStarted(AT, "Order", '{"item":"tea"}', "1.0", PARENT, {"shop": "north"}),
    TaskScheduled(AT, 0, "charge", "17.5"),
    TaskCompleted(AT, 0, LARGE),
    TaskScheduled(AT, 1, "pack"),
    TaskFailed(AT, 1, FAILURE),
    TimerCreated(AT, 2, LATER, "retry"),
    TimerFired(AT, 2, LATER),
    SubOrchestrationCreated(AT, 3, "Ship", "order-17:3", "1", "2.0"),
    SubOrchestrationCompleted(AT, 3, '"sent"'),
    SubOrchestrationFailed(AT, 4, FAILURE),
    EventSent(AT, 5, "till", "paid", "17.5"),
    EventRaised(AT, "approved", "true"),
    EntityOperationCalled(AT, 6, "@stock@tea", "take", "1", SECTION),
    EntityOperationSignaled(AT, 7, "@stock@tea", "note", "1", LATER),
    EntityOperationCompleted(AT, 6, "41"),
    EntityOperationFailed(AT, 8, FAILURE),
    EntityLockRequested(AT, 9, "@stock@tea", SECTION),
    EntityLockGranted(AT, 9, "@stock@tea", SECTION),
    EntityLockReleased(AT, 10, "@stock@tea", SECTION),
    ExecutionSuspended(AT, "holiday"),
    ExecutionResumed(AT, "work"),
    ExecutionTerminated(AT, "closed", recurse=True),
    ContinuedAsNew(AT, "2", "3.0", (EventRaised(AT, "approved", "false"),)),
    ExecutionCompleted(AT, "Failed", None, FAILURE),
    OrchestratorStarted(AT),
    ExecutionRewound(AT, "the bank is open again", 1, 22),
    OrchestratorStarted(AT),
    SubOrchestrationCreated(AT, 11, "Ship", "order-17:11", "1", "2.0", 1),
)

ARRIVALS: dict[str, tuple[Event, bool]] = {
    "event-raised": (EventRaised(AT, "approved", "true"), False),
    "event-raised-large": (EventRaised(AT, "approved", LARGE), False),
    "terminated": (ExecutionTerminated(AT, "closed", recurse=True), True),
    "suspended": (ExecutionSuspended(AT, "holiday"), True),
    "resumed": (ExecutionResumed(AT), True),
    "task-completed": (TaskCompleted(AT, 3, "17.5"), False),
    "task-failed": (TaskFailed(AT, 3, FAILURE), False),
    "child-completed": (SubOrchestrationCompleted(AT, 3, '"sent"'), False),
    "child-failed": (SubOrchestrationFailed(AT, 3, FAILURE), False),
    "operation": (OperationArrived(AT, "take", "1", CALLER, section=SECTION), False),
    "signal": (OperationArrived(AT, "note", "1", signal_time=LATER), False),
    "operation-completed": (EntityOperationCompleted(AT, 6, "41"), False),
    "operation-failed": (EntityOperationFailed(AT, 6, FAILURE), False),
    "lock-request": (LockRequestArrived(AT, SECTION, CALLER), False),
    "lock-granted": (EntityLockGranted(AT, 9, "@stock@tea", SECTION), False),
    "lock-release": (LockReleaseArrived(AT, SECTION), False),
    "signal-traced": (OperationArrived(AT, "note", "1"), False),
}


TRACED = {"signal-traced"}


def arrival(name: str) -> InboxEvent:
    """An inbox event."""
    event, control = ARRIVALS[name]
    trace = TRACE if name in TRACED else None
    return InboxEvent(event, "order-16:e0", (2 << 32) | 3, AT, Target("e1", 2, 0), control, trace)


# --- what is sent ------------------------------------------------------------------------------------

SENDS: dict[str, Send] = {
    "start-child": StartChild(1, "order-17:3", "Ship", LARGE, "2.0", PARENT),
    "resume-child": ResumeChild(
        StartChild((2 << 32) | 1, "order-17:3", "Ship", LARGE, "2.0", replace(PARENT, attempt=1)), 0
    ),
    "start-new": StartNew(2, "audit-1", "e9", "Audit", "1", None, AT, LATER),
    "deliver": Deliver(3, "till", arrival("event-raised")),
}


# --- queue messages ----------------------------------------------------------------------------------

DOORBELLS: dict[str, Doorbell] = {
    "started": Doorbell("order-17", "d1", Cause.started, "new"),
    "told": Doorbell("order-17", "d2", Cause.told, "EventRaised"),
    "timer": Doorbell("order-17", "d3", Cause.timer, "due 2026-03-05T05:06:07.890123Z"),
    "repair": Doorbell("order-17", "d4", Cause.repair, "no sign of life"),
    "put-back": Doorbell("order-17", "d5", Cause.told, "", again=3, tag="x1", poisoned=1),
}
WORK_ITEMS: dict[str, WorkItem] = {
    "small": WorkItem("w1", "order-17", "e1", 2, 0, 3, "charge", "17.5", AT, 1),
    "large": WorkItem("w2", "order-17", "e1", 2, 0, 4, "charge", LARGE, AT, 0, 2, "x2", 1),
    "traced": WorkItem("w3", "order-17", "e1", 2, 0, 3, "charge", "17.5", AT, trace=TRACE),
}


# --- headers -----------------------------------------------------------------------------------------

ENTITY = EntityState(
    last_operation=AT,
    holder=LockHolder(SECTION, "order-17", "e1", AT),
    waiters={"order-18:e4:1": "order-18"},
    front=[encode_event(LockRequestArrived(AT, "order-18:e4:1", EntityCaller("order-18", "e4", 0, 0, 1)))],
    pages=[PageRef(backlog_key("turn5"), 1, 5)],
    tail=[encode_event(OperationArrived(AT, "take", "1", CALLER))],
    scheduled={4: encode_event(OperationArrived(AT, "note", "1", signal_time=LATER))},
)
_KEPT = encode_event(OperationArrived(AT, "note", "1"))
TRACED_ENTITY = EntityState(last_operation=AT, tail=[_KEPT], traces={trace_key(_KEPT): TRACE})
TRACED_STARTS: tuple[Send, ...] = (
    StartChild(1, "order-17:3", "Ship", "1", "2.0", PARENT, TRACE),
    StartNew(2, "audit-1", "e9", "Audit", "1", None, AT, trace=TRACE),
)
STATES: dict[str, InstanceState] = {
    "orchestration": InstanceState(
        execution_id="e1",
        turn_time=AT,
        generation=2,
        attempt=1,
        parent=PARENT,
        start_at=LATER,
        pending=[encode_event(EventRaised(AT, "approved", "true"))],
        activities=[ActivityGroup("d1", AT, IdSet([0, 1, 2, 5])), ActivityGroup("", AT, IdSet([4]))],
        sends=[SendGroup(AT, IdSet([6]))],
        messages=[to_message(send) for send in SENDS.values()],
        queue_guard="d2",
        queued_at=AT,
        arming=Arming("d3", LATER),
        alarm=Alarm("d4", LATER, ("message id", "pop receipt")),
        marks={"d1": Mark((1, "x1", 2), AT, 1)},
        senders={"order-16:e0": (2 << 32) | 3},
        sender_pages=[SenderPage(senders_key("turn4"), 1, AT, AT)],
        latest_sent=AT,
        clients={"client:c1": ClientMemory(IdSet([0, 1, 2, 7]), AT)},
        abandoned=IdSet([5]),
        timers={8: AT, 9: LATER},
        children=IdSet([3, 10]),
        pages=[PageRef(page_key(2, "turn3", 0), 2, 100, (f"{LARGE.key}-0000",))],
        tail=Tail(map(encode_event, (TaskCompleted(AT, 1, "1"), TimerCreated(AT, 8, AT)))),
        locks=[("@stock@tea", SECTION)],
        garbage=[f"{page_key(1, 'turn2', 0)}-0000"],
    ),
    "large-start": InstanceState("e1", AT, pending=PayloadRef(payload_key("turn3", 0), 70_000, 1)),
    "entity": InstanceState("e2", AT, sequence=12, timers={4: LATER}, entity=ENTITY.to_json()),
    "waiting": InstanceState("e1", AT, awaited={"Approval": AT}),
    "traced": InstanceState("e1", AT, trace=TRACE, messages=[to_message(send) for send in TRACED_STARTS]),
    "entity-traced": InstanceState("e2", AT, entity=TRACED_ENTITY.to_json()),
}
COLUMNS: dict[str, Columns] = {
    "orchestration": Columns(
        kind=Kind.orchestration,
        name="Order",
        runtime_status="Running",
        created_time=AT,
        last_updated_time=AT,
        execution_id="e1",
        turn_id="turn3",
        generation=2,
        completed_time=LATER,
        custom_status='"packing"',
        input='{"item":"tea"}',
        output_payload=encode_ref(LARGE),
        version="1.0",
        tags='{"shop":"north"}',
        parent_instance_id="order-16",
        wake_time=LATER,
        has_outbox=True,
    ),
    "entity": Columns(
        kind=Kind.entity,
        name="tea",
        runtime_status="Running",
        created_time=AT,
        last_updated_time=AT,
        execution_id="e2",
        turn_id="turn5",
        custom_status=Summary.of(ENTITY).encode(),
        output="41",
    ),
}


# --- keys and names ----------------------------------------------------------------------------------

_ARRIVED = inbox_key(AT, "order-16:e0", 3)
KEYS: dict[str, str | list[str]] = {
    "marker (PartitionKey)": MARKER_PARTITION,
    "marker (RowKey)": MARKER_KEY,
    "header": HEADER_KEY,
    "inbox row": INBOX_PREFIX + _ARRIVED,
    "inbox row of a control event": INBOX_PREFIX + inbox_key(AT, "client:c1", 0, control=True),
    "behind all inbox keys": BEHIND_ALL,
    "page of a history": chunk_keys(page_key(2, "turn3", 0), 2),
    "payload of a turn": chunk_keys(payload_key("turn1", 0), 1),
    "payload of an inbox event": chunk_keys(payload_key(staged_message(_ARRIVED), 0), 1),
    "payload of a start": chunk_keys(payload_key(staged_start("e1"), 0), 1),
    "payload of a work item": chunk_keys(payload_key(work_writer("w1"), 0), 1),
    "what is set aside": quarantine_keys(quarantine_name(_ARRIVED), 2),
    "why it is set aside": reason_key(quarantine_name("an odd/name")),
    "page of senders": chunk_keys(senders_key("turn4"), 1),
    "page of a backlog": chunk_keys(backlog_key("turn5"), 1),
    "table": table_name("MyHub"),
    "queues": list(QueueNames("MyHub", 1).all),
    "queues, three of instances": list(QueueNames("MyHub", 3).all),
    "queue of order-17 among them": QueueNames("MyHub", 3).of_instance("order-17"),
    "poison queues": [poison_queue(queue) for queue in QueueNames("MyHub", 1).all],
}

# --- the keys of a hub -------------------------------------------------------------------------------

KEYRING = Keyring(
    keys={
        KeyName.parse("master"): Key("the-master-key-of-a-sample-hub", AT),
        KeyName.parse("host/default"): Key("a-host-key-of-a-sample-hub", AT),
        KeyName.parse("system/durabletask_extension"): Key("the-system-key-of-a-sample-hub", AT),
        KeyName.parse("function/order/default"): Key("a-function-key-of-a-sample-hub", LATER),
    },
    signing=(
        SigningKey("5a6b7c8d", bytes(range(32, 64)), LATER),
        SigningKey("hub", bytes(range(32)), AT, LATER + timedelta(days=7)),
    ),
    revoked={"order-17": Revocation(AT, LATER)},
)
