"""The pytest plugin of azure_durable_py: fixtures, and what a failed test is told of the instances that it ran.

It stands beside the package and imports it only when a test does: a run of pytest that has nothing to do with
durable functions is to know nothing of it, and a plain `FunctionApp` is to find it as its host would.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from azure_durable_py.testing import DurableTestEnvironment, DurableTestSyncEnvironment
    from azure_durable_py.testing.apps import App
    from azure_durable_py.testing.failure_reports import HubWatch

_KIT = "azure_durable_py.testing.virtual.hub"
_MARKER = "durable(**options): arguments of DurableTestEnvironment for the fixtures durable_env and durable_sync_env."
_EVERY_TURN = "every-turn"
_watches: dict[pytest.Item, HubWatch] = {}
"""By test that is under way, what keeps its hubs."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("azure_durable", "durable functions")
    group.addoption(
        "--durable-replay",
        choices=("when-needed", _EVERY_TURN),
        help="every-turn: in every test environment, run each turn of an orchestrator again from its history at once.",
    )
    parser.addini("durable_replay", "The same as --durable-replay.", default="when-needed")
    parser.addini(
        "durable_app",
        "The app of the fixture durable_app: a module, or module:attribute; imported from the root directory.",
        default="function_app",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Say what holds for the whole run."""
    config.addinivalue_line("markers", _MARKER)
    wanted = config.getoption("--durable-replay") or config.getini("durable_replay")
    if wanted not in ("when-needed", _EVERY_TURN):
        raise pytest.UsageError(f"durable_replay is {wanted!r}; it is to be when-needed or every-turn.")
    if wanted == _EVERY_TURN:
        from azure_durable_py.testing.run_wide import every_turn

        config.add_cleanup(every_turn())


# --- fixtures ----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def durable_app(pytestconfig: pytest.Config) -> App:
    """The function app that is tested: that of `function_app.py`, or what the ini option `durable_app` names.

    A test folder may have a fixture of this name in its place.
    """
    from azure_durable_py.testing.app_loading import load_named_app

    return load_named_app(str(pytestconfig.getini("durable_app")), pytestconfig.rootpath)


@pytest.fixture
def durable_env(durable_app: App, request: pytest.FixtureRequest) -> Generator[DurableTestEnvironment]:
    """The app in a `DurableTestEnvironment`, for tests that are `async def`.

    `@pytest.mark.durable(seed=3, ...)` gives it arguments.
    """
    from azure_durable_py.testing import DurableTestEnvironment

    _check_is_async(request)
    _watched(request.node)
    env = DurableTestEnvironment(durable_app, **_options(request, DurableTestEnvironment))
    env.enter_and_wait()
    try:
        yield env
    finally:
        env.exit_and_wait()


@pytest.fixture
def durable_sync_env(durable_app: App, request: pytest.FixtureRequest) -> Generator[DurableTestSyncEnvironment]:
    """The app in a `DurableTestSyncEnvironment`, for tests that are `def`.

    `@pytest.mark.durable(seed=3, ...)` gives it arguments.
    """
    from azure_durable_py.testing import DurableTestSyncEnvironment

    _watched(request.node)
    with DurableTestSyncEnvironment(durable_app, **_options(request, DurableTestSyncEnvironment)) as env:
        yield env


def _check_is_async(request: pytest.FixtureRequest) -> None:
    """Refuse a test that could not await what it is given."""
    import inspect

    test = getattr(request, "function", None)
    test = getattr(getattr(test, "hypothesis", None), "inner_test", test)
    if test is None or "durable_env" not in inspect.signature(test).parameters:
        return  # Another fixture asks for it.
    if not (inspect.iscoroutinefunction(test) or inspect.iscoroutinefunction(inspect.unwrap(test))):
        pytest.fail(
            "durable_env is for tests that are `async def`: its calls are awaited. "
            "For this one there is durable_sync_env.",
            pytrace=False,
        )


def _options(request: pytest.FixtureRequest, kind: type[Any]) -> dict[str, Any]:
    """The arguments that the markers of a test give; the nearest marker counts."""
    import inspect

    given: dict[str, Any] = {}
    for marker in request.node.iter_markers("durable"):
        given = {**marker.kwargs, **given}
        if marker.args:
            pytest.fail(f"@pytest.mark.durable takes arguments by name, not {marker.args!r}: seed=3.", pytrace=False)
    known = list(inspect.signature(kind).parameters)[1:]
    for name in given:
        if name not in known:
            pytest.fail(f"@pytest.mark.durable has no {name!r}. It has: {', '.join(known)}.", pytrace=False)
    return given


# --- failures ----------------------------------------------------------------------------------------


# Hook wrappers of the old kind: every pytest knows them, and one that cannot load a plugin runs no test at all.


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, None]:
    """Keep the task hubs of a test until it is reported on."""
    if _KIT in sys.modules:
        _watched(item)
    try:
        yield
    finally:
        watch = _watches.pop(item, None)
        if watch is not None:
            watch.end()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """Tell of the instances of a test that failed."""
    if call.excinfo is not None and _KIT in sys.modules and not item.config.getoption("fulltrace"):
        from azure_durable_py.testing.failure_reports import leave_engine_out

        leave_engine_out(call.excinfo.value)
    outcome = yield
    report, watch = outcome.get_result(), _watches.get(item)
    if watch is not None and report.failed and (text := watch.text()):
        report.sections.append(("Durable instances", text))


def _watched(item: pytest.Item) -> None:
    if item not in _watches:
        from azure_durable_py.testing.failure_reports import HubWatch

        _watches[item] = HubWatch()
