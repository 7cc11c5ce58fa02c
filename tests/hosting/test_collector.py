"""The collector of garbage runs less often in a process that works on a hub, and when that grows; unless the app has a
say in it."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from azure_durable_py.hosting.collector import (
    ALLOCATIONS,
    DEFAULTS,
    GROWTH_BYTES,
    LOOK_SECONDS,
    Collector,
    resident_bytes,
)
from azure_durable_py.testing import run_virtual

BEGAN = 100_000_000


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(min(DEFAULTS), 10, 10)
    yield
    gc.set_threshold(*before)


def at_work(resident: Callable[[], int | None], looks: int = 0) -> None:
    """Have a collector at work for so many looks at the size of the process."""

    async def main() -> None:
        collector = Collector(resident)
        collector.start()
        await asyncio.sleep(LOOK_SECONDS * (looks + 0.5))
        await collector.stop()
        await collector.stop()

    run_virtual(main())


def collections_at(sizes: list[int], monkeypatch: pytest.MonkeyPatch, freed: int = 0) -> list[int]:
    """At which of these sizes of the process garbage was looked for, each time freeing so much."""
    found: list[int] = []
    left = iter([BEGAN, *sizes])
    size, has_looked = 0, False

    def resident() -> int:
        nonlocal size, has_looked
        if has_looked:
            has_looked = False
            return size - freed
        size = next(left)
        return size

    def collect() -> None:
        nonlocal has_looked
        has_looked = True
        found.append(size)

    with monkeypatch.context() as patch:
        patch.setattr(gc, "collect", collect)
        at_work(resident, len(sizes))
    return found


@pytest.mark.parametrize("default", sorted(DEFAULTS))
def test_what_python_begins_with_is_raised(default: int) -> None:
    gc.set_threshold(default, 10, 10)
    at_work(lambda: BEGAN)
    assert gc.get_threshold()[0] == ALLOCATIONS


def test_this_interpreter_begins_with_one_of_them() -> None:
    told = subprocess.check_output([sys.executable, "-c", "import gc; print(gc.get_threshold()[0])"], text=True)
    assert int(told) in DEFAULTS


@pytest.mark.parametrize("chosen", [0, 500, 70_000])
def test_what_the_app_has_chosen_is_left_alone(chosen: int, monkeypatch: pytest.MonkeyPatch) -> None:
    gc.set_threshold(chosen, 10, 10)
    assert collections_at([BEGAN + 2 * GROWTH_BYTES], monkeypatch) == []
    assert gc.get_threshold()[0] == chosen


def test_where_nobody_tells_how_large_the_process_is_everything_stays_as_it_is() -> None:
    before = gc.get_threshold()
    at_work(lambda: None)
    assert gc.get_threshold() == before


def test_a_process_that_grows_is_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    large = BEGAN + GROWTH_BYTES + 1
    assert collections_at([BEGAN + GROWTH_BYTES, large, large + 5], monkeypatch) == [large]


def test_what_a_look_freed_may_grow_again_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    large = BEGAN + GROWTH_BYTES + 1
    assert collections_at([large, large - 5, large + 5], monkeypatch, freed=GROWTH_BYTES) == [large, large + 5]


def test_a_large_process_is_looked_through_when_it_has_grown_by_half(monkeypatch: pytest.MonkeyPatch) -> None:
    first = 10 * BEGAN
    sizes = [first, first + 2 * GROWTH_BYTES, first + first // 2 + 1]
    assert collections_at(sizes, monkeypatch) == [first, sizes[-1]]


def test_one_that_shrinks_is_looked_through_when_it_grows_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    first, low = 10 * BEGAN, 2 * BEGAN
    sizes = [first, low, low + GROWTH_BYTES + 1]
    assert collections_at(sizes, monkeypatch) == [first, sizes[-1]]


def test_a_second_engine_of_a_process_watches_it_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    at_work(lambda: BEGAN)
    large = BEGAN + GROWTH_BYTES + 1
    assert collections_at([large], monkeypatch) == [large]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the size of a process without more")
def test_linux_tells_how_large_the_process_is() -> None:
    before = resident_bytes()
    assert before is not None
    block = bytearray(b"x" * 64_000_000)
    after = resident_bytes()
    assert after is not None
    assert after - before > 40_000_000
    del block
