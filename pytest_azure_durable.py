"""The pytest plugin of azure_durable_py: what a failed test is told of the instances that it ran.

It stands beside the package and imports it only when a test does: a run of pytest that has nothing to do with
durable functions is to know nothing of it, and a plain `FunctionApp` is to find it as its host would.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from azure_durable_py.testing.failure_reports import HubWatch

_KIT = "azure_durable_py.testing.virtual_hub"
_watch_key: pytest.StashKey[HubWatch] = pytest.StashKey()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Keep the task hubs of a test until it is reported on."""
    if _KIT in sys.modules:
        _watched(item)
    try:
        return (yield)
    finally:
        watch = item.stash.get(_watch_key, None)
        if watch is not None:
            del item.stash[_watch_key]
            watch.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell of the instances of a test that failed."""
    report = yield
    watch = item.stash.get(_watch_key, None)
    if watch is not None and report.failed and (text := watch.text()):
        report.sections.append(("Durable instances", text))
    return report


def _watched(item: pytest.Item) -> None:
    if _watch_key not in item.stash:
        from azure_durable_py.testing.failure_reports import HubWatch

        item.stash[_watch_key] = HubWatch()
