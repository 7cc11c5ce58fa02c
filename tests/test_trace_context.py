"""What is carried through a hub of a trace: read as W3C Trace Context says, refused where it breaks the rules."""

from __future__ import annotations

import pytest

from azure_durable_py.trace_context import MAX_STATE_CHARS, TraceContext

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
CONTEXT = TraceContext(TRACE, SPAN)


def test_a_traceparent_is_read_and_written():
    assert TraceContext.of_texts(PARENT) == CONTEXT
    assert CONTEXT.headers() == {"traceparent": PARENT}
    assert TraceContext.of_texts(f"00-{TRACE}-{SPAN}-00") == TraceContext(TRACE, SPAN, sampled=False)


def test_headers_are_found_whatever_the_case_of_their_names():
    found = TraceContext.of_headers({"TraceParent": PARENT, "Content-Type": "text/plain", "TRACESTATE": "a=1,b=2"})
    assert found == TraceContext(TRACE, SPAN, state="a=1,b=2")
    assert found.headers() == {"traceparent": PARENT, "tracestate": "a=1,b=2"}


def test_a_version_to_come_is_read_as_far_as_it_is_known():
    assert TraceContext.of_texts(f"42-{TRACE}-{SPAN}-09-what-comes-later") == CONTEXT


@pytest.mark.parametrize(
    "header",
    [
        None,
        17,
        "",
        "nonsense",
        PARENT.upper(),
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"01-{TRACE}-{SPAN}-01-{'x' * 1_000_000}",
    ],
    ids=lambda header: repr(header)[:20],
)
def test_a_traceparent_that_breaks_the_rules_is_none(header: object):
    assert TraceContext.of_texts(header, "a=1") is None
    assert TraceContext.of_headers({"traceparent": header}) is None


@pytest.mark.parametrize(
    "state",
    [None, "", "a=" + "x" * MAX_STATE_CHARS, ",".join(f"k{n}=1" for n in range(33)), "a=é", "a=1\nb=2", 17],
    ids=["none", "empty", "long", "many", "no ascii", "two lines", "a number"],
)
def test_a_tracestate_that_breaks_the_rules_is_left_out(state: object):
    assert TraceContext.of_texts(PARENT, state) == CONTEXT


@pytest.mark.parametrize("state", ["", "a=1", "a=x y,b=2"])
@pytest.mark.parametrize("sampled", [True, False])
def test_what_is_stored_is_read(state: str, sampled: bool):
    context = TraceContext(TRACE, SPAN, sampled, state)
    assert TraceContext.decode(context.encode()) == context


@pytest.mark.parametrize("stored", [None, 0, [PARENT], {"traceparent": PARENT}, "00-", "x" * 10_000_000])
def test_what_is_stored_and_is_none_harms_nothing(stored: object):
    assert TraceContext.decode(stored) is None


def test_ids_of_spans_are_the_same_wherever_they_are_made_and_never_shared():
    context = TraceContext(TRACE, SPAN, sampled=False, state="a=1")
    derived = [
        context.orchestration("e1", 0, 0),
        context.orchestration("e1", 0, 1),
        context.orchestration("e1", 1, 0),
        context.orchestration("e2", 0, 0),
        context.task("e1", 0, 0, 0),
        context.task("e1", 0, 0, 1),
        context.task("e1", 0, 1, 0),
        context.task("e1", 1, 0, 0),
    ]
    assert len({each.span_id for each in [context, *derived]}) == 9
    assert {(each.trace_id, each.sampled, each.state) for each in derived} == {(TRACE, False, "a=1")}
    assert derived[0] == context.orchestration("e1", 0, 0)
    # By the spans of a trace that is not ours, no two of which may share one.
    assert derived[0].span_id != TraceContext("1" * 32, SPAN).orchestration("e1", 0, 0).span_id
