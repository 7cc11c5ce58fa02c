"""Keys of a hub as processes share them: made once, read again now and then, and at once when one is not known."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta

import pytest

from azure_durable_py.clock import Clock
from azure_durable_py.errors import ConcurrencyConflictError, StorageUnavailableError
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.keyring import MASTER, KeyName, Keyring
from azure_durable_py.taskhub.keys import FRESH_SECONDS, MISS_SECONDS
from azure_durable_py.taskhub.protocol import CorruptRowError, StoredKeys, TaskHubStore
from azure_durable_py.taskhub.wrapping import StoreWrapper
from azure_durable_py.times import UTC
from tests.conftest import StoreFactory
from tests.counting import CountingStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Watch(Clock):
    """Time that a test moves on."""

    passed = 0.0

    @classmethod
    def monotonic(cls) -> float:  # pyright: ignore[reportIncompatibleMethodOverride]
        return cls.passed


@pytest.fixture(autouse=True)
def watch(monkeypatch: pytest.MonkeyPatch) -> type[Watch]:
    monkeypatch.setattr(Watch, "passed", 1000.0)
    return Watch


MakeHub = Callable[..., Awaitable[TaskHub]]


@pytest.fixture
async def make_hub(store_factory: StoreFactory) -> AsyncIterator[MakeHub]:
    hubs: list[TaskHub] = []

    async def make(wrap: Callable[[TaskHubStore], TaskHubStore] = lambda store: store) -> TaskHub:
        hub = TaskHub(wrap(await store_factory()), Watch(lambda: NOW))
        await hub.open()
        hubs.append(hub)
        return hub

    yield make
    for hub in hubs:
        await hub.close()


async def test_keys_are_made_on_first_need_and_shared(make_hub: MakeHub):
    one, other = await make_hub(), await make_hub()
    with pytest.raises(RuntimeError, match="current"):
        _ = one.keys.known
    ring = await one.keys.current()
    assert await other.keys.current() == ring == one.keys.known
    # What was signed before there were keys stays good.
    assert ring.signer.secret == one.info.signing_key


async def test_who_makes_keys_at_once_agrees(make_hub: MakeHub):
    hubs = [await make_hub() for _ in range(4)]
    rings = await asyncio.gather(*(hub.keys.current() for hub in hubs))
    assert all(ring == rings[0] for ring in rings)
    assert await (await make_hub()).keys.current() == rings[0]


async def test_no_change_is_lost_when_many_are_made_at_once(make_hub: MakeHub):
    hubs = [await make_hub() for _ in range(4)]
    names = [f"fn{number}" for number in range(8)]
    await asyncio.gather(
        *(hubs[number % 4].keys.ensure_functions([name]) for number, name in enumerate(names)),
    )
    ring = await (await make_hub()).keys.current()
    assert {name.function for name in ring.keys if name.function} == set(names)


async def test_a_change_elsewhere_is_seen_in_time(make_hub: MakeHub, watch: type[Watch]):
    one, other = await make_hub(), await make_hub()
    before = await one.keys.current()
    after = await other.keys.change(lambda ring: ring.with_key(MASTER, "a" * 20, NOW))
    watch.passed += FRESH_SECONDS - 1
    assert await one.keys.current() == before
    watch.passed += 2
    assert await one.keys.current() == after


async def test_a_key_that_is_not_known_has_them_read_at_once_but_not_as_often_as_anybody_likes(
    make_hub: MakeHub, watch: type[Watch]
):
    counted: list[CountingStore] = []

    def counting(store: TaskHubStore) -> TaskHubStore:
        counted.append(CountingStore(store))
        return counted[-1]

    one, other = await make_hub(counting), await make_hub()
    await one.keys.current()
    after = await other.keys.change(lambda ring: ring.with_key(MASTER, "a" * 20, NOW))
    counted[0].reset()
    watch.passed += MISS_SECONDS / 2
    assert await one.keys.anew() != after
    assert counted[0].calls["load_keys"] == 0
    watch.passed += MISS_SECONDS
    assert set(await asyncio.gather(*(_master(one) for _ in range(20)))) == {"a" * 20}
    assert counted[0].calls["load_keys"] == 1


async def _master(hub: TaskHub) -> str:
    return (await hub.keys.anew()).key(MASTER).value


async def test_while_storage_is_silent_known_keys_count(
    make_hub: MakeHub, watch: type[Watch], caplog: pytest.LogCaptureFixture
):
    silent = Silent
    one, other = await make_hub(silent), await make_hub()
    before = await one.keys.current()
    after = await other.keys.change(lambda ring: ring.with_key(MASTER, "a" * 20, NOW))
    watch.passed += FRESH_SECONDS + 1
    store = one.store.inner
    assert isinstance(store, Silent)
    store.silent = True
    with caplog.at_level(logging.WARNING):
        assert await one.keys.current() == before
    assert "cannot be read again" in caplog.text
    store.silent = False
    watch.passed += 6
    assert await one.keys.current() == after


async def test_damaged_keys_are_told_of_and_known_ones_count(make_hub: MakeHub, watch: type[Watch]):
    one, other = await make_hub(), await make_hub()
    before = await one.keys.current()
    stored = await other.store.load_keys()
    assert stored is not None
    await other.store.save_keys(b"{}", stored.etag)
    watch.passed += FRESH_SECONDS + 1
    assert await one.keys.current() == before
    with pytest.raises(CorruptRowError, match="keys of the task hub"):
        await other.keys.current()


async def test_a_lost_answer_changes_nothing_twice(make_hub: MakeHub):
    one = await make_hub(Forgetful)
    await one.keys.current()
    made: list[Keyring] = []

    def rotate(ring: Keyring) -> Keyring:
        made.append(ring.with_new_signing_key(NOW, timedelta(days=7)))
        return made[-1]

    store = one.store.inner
    assert isinstance(store, Forgetful)
    store.loses = 1
    ring = await one.keys.change(rotate)
    assert len(made) == 1
    assert len(ring.signing) == 2
    assert await (await make_hub()).keys.current() == ring


async def test_functions_that_have_keys_cost_nothing(make_hub: MakeHub):
    counted: list[CountingStore] = []

    def counting(store: TaskHubStore) -> TaskHubStore:
        counted.append(CountingStore(store))
        return counted[-1]

    hub = await make_hub(counting)
    ring = await hub.keys.ensure_functions(["Order"])
    assert KeyName.parse("function/order/default") in ring.keys
    counted[0].reset()
    assert await hub.keys.ensure_functions(["order"]) is ring
    assert not counted[0].calls


class Silent(StoreWrapper):
    """A store that can be silenced."""

    silent = False

    def __init__(self, inner: TaskHubStore) -> None:
        super().__init__(inner)
        read = inner.load_keys

        async def load() -> StoredKeys | None:
            if self.silent:
                raise StorageUnavailableError("no answer")
            return await read()

        self.load_keys = load


class Forgetful(StoreWrapper):
    """A store whose answers to writing keys get lost."""

    loses = 0

    def __init__(self, inner: TaskHubStore) -> None:
        super().__init__(inner)
        write = inner.save_keys

        async def save(body: bytes, expected: str | None) -> str:
            try:
                etag = await write(body, expected)
            except ConcurrencyConflictError:
                assert not self.loses
                raise
            if self.loses:
                self.loses -= 1
                raise StorageUnavailableError("the answer is lost")
            return etag

        self.save_keys = save
