"""Which rows a header names: whatever it says of them, and in whichever of its parts."""

from __future__ import annotations

import pytest

from azure_durable_py.taskhub.entity_state import EntityState
from azure_durable_py.taskhub.naming import chunk_keys, is_staged, staged_for
from azure_durable_py.taskhub.protocol import CorruptRowError
from azure_durable_py.taskhub.references import named_rows
from azure_durable_py.taskhub.state import InstanceState
from tests.format.samples import AT, COLUMNS, KEYS, LARGE, STATES


def test_a_header_names_its_pages_payloads_and_garbage():
    named = named_rows(COLUMNS["orchestration"], STATES["orchestration"])
    state = STATES["orchestration"]
    wanted = [*chunk_keys(LARGE.key, 1), *chunk_keys(state.pages[0].key, 2), *state.garbage]
    assert named == {*wanted, *chunk_keys(state.sender_pages[0].key, 1)}


def test_a_start_that_was_moved_out_of_the_header_and_a_backlog_are_named():
    assert named_rows(COLUMNS["entity"], STATES["large-start"]) == {"30-payload-turn3-0000-0000"}
    assert named_rows(COLUMNS["entity"], STATES["entity"]) == {"60-backlog-turn5-0000"}


def test_what_cannot_be_read_may_name_anything():
    entity = EntityState(tail=["?"]).to_json()
    with pytest.raises(CorruptRowError):
        named_rows(COLUMNS["entity"], InstanceState("e", AT, entity=entity))


def test_a_staged_row_tells_what_it_was_put_for():
    [event], [start], [turn] = (KEYS[f"payload of {what}"] for what in ("an inbox event", "a start", "a turn"))
    assert f"10-inbox-{staged_for(event)}" == KEYS["inbox row"]
    assert staged_for(start) == "e1"
    assert (staged_for(turn), is_staged(turn), is_staged(start)) == (None, False, True)
