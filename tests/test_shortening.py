"""Failures are cut to a budget as a whole, and what helps most is what is kept."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.codec import decode_failure, encode_event, encode_failure
from azure_durable_py.history.events import TaskFailed
from azure_durable_py.shortening import MAX_FAILURE_BYTES, failure_bytes, shorten
from azure_durable_py.times import UTC

# Short texts that are repeated: what is large in a failure is large by repetition, and so is found by luck never.
TEXTS = st.builds(
    lambda text, times: text * times,
    st.text(st.characters(exclude_categories=()), max_size=8),  # halves of characters and control characters, too
    st.sampled_from([0, 1, 1, 2, 300, 4_000, 30_000]),
)
LINKS = st.builds(
    FailureDetails,
    message=TEXTS,
    error_type=TEXTS,
    stack_trace=st.none() | TEXTS,
    base_types=st.lists(TEXTS, max_size=4).map(tuple) | TEXTS.map(lambda text: (text[:50],) * 500),
)


def chain(links: list[FailureDetails]) -> FailureDetails:
    whole: FailureDetails | None = None
    for link in reversed(links):
        whole = FailureDetails(link.message, link.error_type, link.stack_trace, whole, link.base_types)
    assert whole is not None
    return whole


def links_of(failure: FailureDetails | None) -> list[FailureDetails]:
    links: list[FailureDetails] = []
    while failure is not None:
        links.append(failure)
        failure = failure.inner_failure
    return links


NOW = datetime(2026, 1, 1, tzinfo=UTC)
FAILURES = st.lists(LINKS, min_size=1, max_size=6).map(chain)


@given(FAILURES)
@settings(deadline=None, max_examples=200)
def test_any_failure_fits_the_budget_and_comes_back_as_it_was_stored(failure: FailureDetails):
    short = shorten(failure)
    stored = json.dumps(encode_failure(short), ensure_ascii=False).encode()
    assert failure_bytes(short) <= MAX_FAILURE_BYTES
    assert decode_failure(json.loads(stored)) == short


@given(FAILURES)
@settings(deadline=None, max_examples=100)
def test_to_shorten_twice_is_to_shorten_once(failure: FailureDetails):
    assert shorten(shorten(failure)) == shorten(failure)


def raised(error: BaseException) -> FailureDetails:
    with pytest.raises(type(error)) as caught:
        raise error
    return FailureDetails.from_exception(caught.value)


def test_a_small_failure_is_not_touched():
    failure = raised(ValueError("no such street"))
    assert shorten(failure) == failure


def test_of_a_long_message_the_begin_is_kept_and_the_place_in_the_code_too():
    short = shorten(raised(ValueError("street missing: " + "x" * 60_000)))
    assert short.message.startswith("street missing: xxx")
    assert short.message.endswith(" ...")
    assert "test_shortening.py" in (short.stack_trace or "")
    assert len(short.message) > 10_000


def test_of_a_long_chain_the_outermost_message_and_the_innermost_cause_are_kept():
    failure = chain([FailureDetails(f"{n}: " + "m" * 5_000, f"E{n}", "s" * 9_000 + f"end {n}") for n in range(40)])
    links = links_of(shorten(failure))
    assert links[0].message.startswith("0: mmm")
    assert links[-1].message.startswith("39: mmm")
    assert (links[-1].stack_trace or "").endswith("end 39")
    assert len(links[-1].stack_trace or "") > len(links[1].stack_trace or "")
    # Types are short, and what orchestrators match by.
    assert len(links) > 15


def test_a_gap_in_the_chain_is_told():
    failure = chain([FailureDetails("m" * 900, f"E{n}", "s" * 900) for n in range(200)])
    links = links_of(shorten(failure))
    gap = [link for link in links if "left out" in (link.stack_trace or "")]
    assert len(gap) == 1
    assert f"... {200 - len(links)} causes" in (gap[0].stack_trace or "")


def test_a_chain_of_thousands_of_causes_is_cut():
    short = shorten(chain([FailureDetails("m", f"E{n}") for n in range(700)]))
    assert links_of(short)[-1].error_type == "E699"
    assert failure_bytes(short) <= MAX_FAILURE_BYTES


@pytest.mark.parametrize("text", ["\ud800 lone", "x" * 30_000 + "\udfff"])
def test_halves_of_characters_are_written_out(text: str):
    short = shorten(FailureDetails(text, "E", text))
    event = TaskFailed(NOW, 1, short)
    assert encode_event(event).encode()
