"""Where chance comes from: in blocks, and never the same twice."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from azure_durable_py.clock import Ids


def test_no_two_ids_are_the_same_whoever_draws_them():
    drawn = [Ids(), Ids()]
    with ThreadPoolExecutor(4) as threads:
        ids = list(threads.map(lambda number: drawn[number % 2].new(), range(20_000)))
    assert len(set(ids)) == len(ids)
    assert {len(each) for each in ids} == {32}


def test_the_system_is_asked_for_chance_once_for_many_ids(monkeypatch: pytest.MonkeyPatch):
    asked: list[int] = []
    system = os.urandom

    def urandom(size: int) -> bytes:
        asked.append(size)
        return system(size)

    monkeypatch.setattr(os, "urandom", urandom)
    ids = Ids()
    for _ in range(1_000):
        ids.new()
        ids.short()
    assert len(asked) <= 10


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_draws_none_of_the_ids_of_its_parent():
    Ids().new()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, " ".join(Ids().new() for _ in range(20)).encode())
        os._exit(0)
    os.close(writing)
    of_child = os.read(reading, 10_000).decode().split()
    os.close(reading)
    os.waitpid(child, 0)
    assert len(of_child) == 20
    assert not {Ids().new() for _ in range(20)}.intersection(of_child)
