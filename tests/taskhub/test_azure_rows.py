"""How rows of the hub's table are named, and what a listing asks for."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure_durable_py.taskhub.azure import listing, rows
from azure_durable_py.taskhub.columns import DamagedHeaderError
from azure_durable_py.taskhub.naming import MARKER_PARTITION
from azure_durable_py.taskhub.protocol import InstanceQuery
from tests.taskhub.building import T0, header

IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)
CLOSE = st.text("a~4.1é日/", min_size=1, max_size=300)


@given(IDS | CLOSE, IDS | CLOSE)
def test_two_ids_never_share_a_partition(first: str, second: str):
    assert (rows.partition_key(first) == rows.partition_key(second)) == (first == second)


@given(IDS | CLOSE)
def test_partition_keys_are_safe_and_short(instance_id: str):
    key = rows.partition_key(instance_id)
    assert re.fullmatch(r"[A-Za-z0-9._@:~-]{1,440}", key)
    assert key != MARKER_PARTITION


@given(IDS | CLOSE, st.data())
def test_the_range_of_a_prefix_holds_every_id_that_begins_with_it(instance_id: str, data: st.DataObject):
    prefix = instance_id[: data.draw(st.integers(1, len(instance_id)))]
    low, high = rows.partition_range(prefix)
    assert low <= rows.partition_key(instance_id) < high


@given(IDS | CLOSE, CLOSE)
def test_the_range_of_a_short_prefix_holds_no_other_id(instance_id: str, prefix: str):
    short = prefix[:30]
    low, high = rows.partition_range(short)
    assert (low <= rows.partition_key(instance_id) < high) == instance_id.startswith(short)


@given(IDS | CLOSE)
def test_a_row_tells_its_instance_id(instance_id: str):
    assert rows.listed_of(rows.header_row(header(instance_id))).instance_id == instance_id


def test_a_row_that_is_no_header_is_called_damaged():
    for row in ({}, {"Kind": "thing"}, {"Kind": "entity"}, {**rows.header_row(header("x")), "CreatedTime": "today"}):
        found = {"PartitionKey": "x", "RowKey": "00-instance", "odata.etag": "e", **row}
        with pytest.raises(DamagedHeaderError, match=r"header of instance 'x' is damaged: .*created_time: expected"):
            rows.header_of("x", found)
        assert "created_time" in rows.listed_of(found).damaged


def test_a_listing_never_asks_for_bodies():
    for with_values in (True, False):
        names = listing.selection(InstanceQuery(with_values=with_values))
        assert not [name for name in names if name.startswith("B0")]
        assert ("Input" in names) is with_values


def test_a_filter_has_at_most_fifteen_comparisons():
    query = InstanceQuery(
        runtime_status=["a", "b", "c", "d", "e", "f", "g", "h"],
        created_from=T0,
        created_to=T0,
        updated_from=T0,
        updated_to=T0,
        instance_id_prefix="x",
        names=["n"] * 20,
        with_outbox=True,
    )
    assert len(re.findall(r" (?:eq|ge|le|lt) ", listing.filter_of(query))) <= 15
