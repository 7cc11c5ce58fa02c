"""Sync tools run in threads: as many as there are calls, and none is in the way of the exit."""

from __future__ import annotations

import threading

import pytest

from azure_durable_py.pydantic_ai.threads import ToolThreads


def test_no_call_waits_for_another():
    threads, together = ToolThreads(), threading.Barrier(60, timeout=30)
    futures = [threads.submit(together.wait) for _ in range(60)]
    assert sorted(future.result(30) for future in futures) == list(range(60))


def test_what_a_call_raises_is_told_to_who_waits():
    threads = ToolThreads()
    with pytest.raises(ZeroDivisionError):
        threads.submit(lambda: 1 / 0).result(30)
    assert threads.submit(lambda: threading.current_thread().daemon).result(30)
