"""The benchmarks run; how fast they are is for people to read."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import chain, fan_out, instances, replay, takeover, virtual_time
from benchmarks.__main__ import BENCHMARKS
from benchmarks.place import Stores
from benchmarks.table import Table


@pytest.mark.parametrize("name", BENCHMARKS)
async def test_a_benchmark_gives_a_table(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chain, "LENGTH", 20)
    monkeypatch.setattr(takeover, "TIMES", 2)
    monkeypatch.setattr(virtual_time, "LARGEST", 20)
    for module in (fan_out, instances, replay):
        monkeypatch.setattr(module, "SIZES", (2, 4))
    table = await BENCHMARKS[name](Stores(tmp_path, azurite=None))
    assert table.rows
    assert table.text().startswith(table.title)


def test_a_table_lines_up_its_columns():
    table = Table("Sizes")
    table.add(store="sqlite", ms_each=1.23456, count=10)
    table.add(store="azurite", ms_each=12345.6, count=9)
    assert table.text().splitlines()[2:] == [
        "  store  ms each  count",
        " sqlite     1.23     10",
        "azurite    12346      9",
    ]
