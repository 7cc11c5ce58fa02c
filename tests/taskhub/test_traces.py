"""The trace of an instance goes on in all that it sends."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from azure_durable_py.history.codec import encode_event
from azure_durable_py.history.events import (
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationSignaled,
    Event,
    EventSent,
    OperationArrived,
    SubOrchestrationCreated,
)
from azure_durable_py.taskhub.entity_state import MOST_TRACES, EntityState
from azure_durable_py.taskhub.hub import StartRequest, new_header
from azure_durable_py.taskhub.messages import InboxEvent, WorkItem
from azure_durable_py.taskhub.outgoing import (
    Deliver,
    ResumeChild,
    Sender,
    StartChild,
    from_message,
    outgoing_of,
    to_message,
)
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.trace_context import TraceContext
from tests.format.samples import AT, STATES, TRACE, WORK_ITEMS, arrival

UNTRACED = Sender("order-17", "Order", "e1", 2, 0)
TRACED = replace(UNTRACED, trace=TRACE)


def _trace(decision: Event, sender: Sender = TRACED) -> TraceContext | None:
    send = outgoing_of(sender, decision, AT)
    match send:
        case StartChild():
            return send.trace
        case ResumeChild():
            return send.start.trace
        case Deliver():
            return send.event.trace
        case _:
            raise AssertionError(send)


def test_what_an_orchestration_sends_comes_from_the_span_of_its_decision():
    child = SubOrchestrationCreated(AT, 3, "Ship", "order-17:3")
    assert _trace(child) == TRACE.task("e1", 2, 0, 3)
    assert _trace(EventSent(AT, 5, "till", "paid")) == TRACE.task("e1", 2, 0, 5)
    assert _trace(EntityOperationCalled(AT, 6, "@stock@tea", "take")) == TRACE.task("e1", 2, 0, 6)
    assert _trace(EntityOperationSignaled(AT, 7, "@stock@tea", "note")) == TRACE.task("e1", 2, 0, 7)


def test_a_child_that_a_rewound_parent_waits_for_still_comes_from_the_span_that_started_it():
    child = SubOrchestrationCreated(AT, 3, "Ship", "order-17:3", attempt=0)
    assert _trace(child, replace(TRACED, attempt=1)) == _trace(child)


def test_no_span_is_made_of_locks_nor_of_what_an_untraced_orchestration_sends():
    assert _trace(EntityLockRequested(AT, 9, "@stock@tea", "s")) is None
    assert _trace(EventSent(AT, 5, "till", "paid"), UNTRACED) is None
    assert _trace(SubOrchestrationCreated(AT, 3, "Ship", "order-17:3"), UNTRACED) is None


def test_a_child_that_is_written_out_in_full_keeps_its_trace():
    send = outgoing_of(TRACED, SubOrchestrationCreated(AT, 3, "Ship", "order-17:3"), AT)
    assert isinstance(send, StartChild)
    assert from_message(to_message(send)) == send


def test_the_start_of_an_instance_is_in_its_header_and_costs_the_untraced_nothing():
    request = StartRequest("order-17", "e1", "Order", AT)
    plain = InstanceState.decode(new_header(request, "t1")[0].body)
    traced = InstanceState.decode(new_header(replace(request, trace=TRACE), "t1")[0].body)
    assert (plain.trace, traced.trace) == (None, TRACE)
    assert replace(traced, trace=None).encode() == plain.encode()
    assert Sender.of("order-17", "Order", traced.copy()).trace == TRACE


def test_a_trace_that_breaks_the_rules_costs_nothing_else():
    body = arrival("signal-traced").encode().replace(TRACE.encode().encode(), b"00-junk")
    assert InboxEvent.decode(body) == replace(arrival("signal-traced"), trace=None)
    item = WORK_ITEMS["traced"]
    assert WorkItem.decode(item.encode().replace(TRACE.encode(), "junk")) == replace(item, trace=None)


def test_an_entity_remembers_the_spans_of_what_it_keeps_as_far_as_the_header_has_room():
    entity = EntityState()
    texts = [encode_event(OperationArrived(AT + timedelta(seconds=n), "note", "1")) for n in range(MOST_TRACES + 2)]
    for text in texts:
        entity.keep_trace(text, TRACE)
    entity = EntityState.of(replace(STATES["entity"], entity=entity.to_json()))
    assert [entity.take_trace(text) for text in texts] == [TRACE] * MOST_TRACES + [None] * 2
    assert entity.to_json() == {}
