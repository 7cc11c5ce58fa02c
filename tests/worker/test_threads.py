"""Threads for sync functions: one for each call under way, and no more than were needed at once."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

from azure_durable_py.worker.activities import threads as module
from azure_durable_py.worker.activities.runner import run_in_thread
from azure_durable_py.worker.activities.threads import Threads


class Seen:
    """Calls that note the threads in which they run, and end when they are told to."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)

    def __call__(self) -> None:
        self.threads.append(threading.current_thread())
        self.begun.release()
        self.may_end.acquire()

    def wait_for(self, count: int) -> None:
        for _ in range(count):
            assert self.begun.acquire(timeout=30)


def idle(threads: Threads, count: int) -> None:
    """Wait until so many threads are idle."""
    done = threading.Event()
    while threads.idle < count:
        done.wait(0.001)


def test_no_call_waits_for_another():
    threads, seen = Threads(), Seen()
    for number in range(5):
        threads.run(seen, f"call {number}")
    seen.wait_for(5)
    assert len(set(seen.threads)) == 5
    assert {thread.name for thread in seen.threads} == {f"call {number}" for number in range(5)}
    seen.may_end.release(5)


def test_a_thread_that_has_done_its_call_takes_the_next():
    threads, seen = Threads(), Seen()
    seen.may_end.release(20)
    for number in range(20):
        threads.run(seen, f"call {number}")
        seen.wait_for(1)
        idle(threads, 1)
    assert len(set(seen.threads)) == 1


def test_a_thread_that_is_idle_for_long_ends(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.01)
    threads, seen = Threads(), Seen()
    seen.may_end.release(2)
    threads.run(seen, "first")
    seen.wait_for(1)
    seen.threads[0].join(timeout=30)
    assert not seen.threads[0].is_alive()
    assert threads.idle == 0
    threads.run(seen, "second")
    seen.wait_for(1)
    assert seen.threads[1] is not seen.threads[0]


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_does_not_wait_for_the_threads_of_its_parent():
    threads, seen = Threads(), Seen()
    seen.may_end.release(2)
    threads.run(seen, "of the parent")
    idle(threads, 1)
    child = os.fork()
    if child == 0:
        here = Seen()
        here.may_end.release()
        threads.run(here, "of the child")
        os._exit(0 if here.begun.acquire(timeout=30) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


async def test_what_a_call_returns_or_raises_comes_back_whatever_it_is():
    def raises() -> None:
        raise SystemExit(3)

    assert await run_in_thread(lambda: 5, "a number") == 5
    with pytest.raises(SystemExit):
        await run_in_thread(raises, "an end")
    assert await asyncio.gather(*(run_in_thread(lambda n=n: n, f"{n}") for n in range(50))) == list(range(50))
