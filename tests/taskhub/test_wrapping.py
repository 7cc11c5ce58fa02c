"""What stands before a store: everything of the store comes through, and each wrapper does its one thing."""

from __future__ import annotations

import asyncio
import inspect
import logging
import random
from collections.abc import Callable
from typing import Any

import pytest

from azure_durable_py.clock import Ids
from azure_durable_py.errors import InvalidInstanceIdError, StorageUnavailableError
from azure_durable_py.taskhub import limits
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.outage import Outage
from azure_durable_py.taskhub.protocol import TaskHubStore
from azure_durable_py.taskhub.sqlite import SqliteStore
from azure_durable_py.taskhub.wrapping import Checked, OpenedWhenUsed, Repeating, StoreWrapper
from azure_durable_py.testing.virtual.time import run_virtual
from tests.counting import CountingStore

OF_A_STORE = {name: member for name, member in vars(TaskHubStore).items() if not name.startswith("_")}
CALLS = {name for name, member in OF_A_STORE.items() if inspect.iscoroutinefunction(member)}
UNLIMITED = {
    *("delete_hub", "instances_with_inbox", "claim_scan", "delete_message", "next_visible"),
    *("message_counts", "poison_counts", "untaken_counts", "open", "close", "load_keys"),
}
"""Calls that have no argument with a limit."""
NOT_REPEATED = {"open", "close", "delete_hub", "receive_messages", "extend_message"}


class Noting(StoreWrapper):
    """Notes what passes."""

    def __init__(self, inner: TaskHubStore) -> None:
        self.asked: list[str] = []
        self.passed: list[str] = []
        super().__init__(inner)

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        self.asked.append(name)

        async def noted(*args: Any, **kwargs: Any) -> Any:
            self.passed.append(name)
            return await call(*args, **kwargs)

        return noted


class Unanswered(StoreWrapper):
    """Answers no call."""

    def __init__(self, inner: TaskHubStore) -> None:
        self.calls = 0
        super().__init__(inner)

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        async def unanswered(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            raise StorageUnavailableError(f"{name} is not answered")

        return unanswered


def memory() -> SqliteStore:
    return SqliteStore(None, hub_name="Wrapped")


def arguments_of(call: Callable[..., Any]) -> list[Any]:
    """As many arguments as a call needs, of no use to it."""
    return ["x"] * len(inspect.signature(call).parameters)


def test_all_of_a_store_comes_through():
    inner = memory()
    wrapped = StoreWrapper(inner)
    for name in OF_A_STORE:
        if name not in ("open", "close"):
            assert getattr(wrapped, name) == getattr(inner, name), name


def test_every_call_but_opening_and_closing_is_asked_about_once():
    noting = Noting(memory())
    assert sorted(noting.asked) == sorted(CALLS - {"open", "close"})
    assert noting.passed == []


async def test_a_wrapped_store_opens_works_and_closes():
    noting = Noting(memory())
    await noting.open()
    message = await noting.put_message(noting.activity_queue, "x", delay=0.0)
    await noting.delete_message(message)
    await noting.close()
    assert noting.passed == ["put_message", "delete_message"]


# --- Checked -----------------------------------------------------------------------------------------------


def test_every_call_is_checked_or_has_no_limit():
    inner = Noting(memory())
    checked = Checked(inner)
    assert {name for name in CALLS if getattr(checked, name) != getattr(inner, name)} - {"open", "close"} == (
        CALLS - UNLIMITED
    )


async def test_what_is_refused_does_not_reach_the_store():
    noting = Noting(memory())
    hub = TaskHub(noting)
    await hub.open()
    for store in (hub.store, hub.reliable):
        with pytest.raises(InvalidInstanceIdError):
            await store.load_header("x" * (limits.MAX_INSTANCE_ID_CHARS + 1))
    assert await hub.store.load_header("x") is None
    await hub.close()
    assert noting.passed == ["load_header"]


async def test_a_refusal_is_raised_where_the_answer_is_awaited():
    call = Checked(memory()).load("")
    with pytest.raises(InvalidInstanceIdError):
        await call


# --- Repeating ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(CALLS - {"open", "close"}))
def test_a_call_is_made_eight_times_before_it_fails_if_that_does_no_harm(name: str):
    async def main() -> int:
        store = Unanswered(memory())
        call = getattr(Repeating(store, Outage(Ids(random.Random(1)))), name)
        with pytest.raises(StorageUnavailableError):
            await call(*arguments_of(OF_A_STORE[name])[1:])
        return store.calls

    assert run_virtual(main()) == (1 if name in NOT_REPEATED else 8)


def test_pauses_double(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch):
    ids = Ids()
    monkeypatch.setattr(ids, "jitter", lambda seconds: seconds)

    async def main() -> float:
        begun = asyncio.get_running_loop().time()
        with pytest.raises(StorageUnavailableError):
            await Repeating(Unanswered(memory()), Outage(ids)).load("x")
        return asyncio.get_running_loop().time() - begun

    with caplog.at_level(logging.WARNING, "azure_durable_py.taskhub"):
        assert run_virtual(main()) == pytest.approx(0.1 + 0.2 + 0.4 + 0.8 + 1.6 + 3.2 + 6.4, abs=0.01)
    assert caplog.messages == ["Storage does not answer (load is not answered). What needs it waits."]


# --- OpenedWhenUsed ----------------------------------------------------------------------------------------


class Opened(StoreWrapper):
    """Counts how often it is opened."""

    opened = 0

    async def open(self) -> Any:
        self.opened += 1
        return await super().open()


async def test_a_store_that_nobody_opened_opens_itself_once():
    opened = Opened(memory())
    store = OpenedWhenUsed(opened)
    assert store.description
    assert opened.opened == 0
    await asyncio.gather(*(store.load_header(name) for name in "abc"))
    assert opened.opened == 1
    await store.close()
    assert await store.load_header("a") is None
    assert opened.opened == 2
    await store.close()


# --- CountingStore -----------------------------------------------------------------------------------------


async def test_a_call_that_is_refused_before_it_is_sent_costs_nothing():
    counting = CountingStore(memory())
    hub = TaskHub(counting)
    await hub.open()
    with pytest.raises(InvalidInstanceIdError):
        await hub.store.load("")
    await hub.store.load("x")
    await hub.close()
    assert (counting.calls["load"], counting.table_operations, counting.queue_operations) == (1, 1, 0)
