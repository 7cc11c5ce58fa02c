"""The pytest plugin: its fixtures and options, and what it tells of the instances of a test that failed."""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any

import pytest

# What a run within this process imports first is gone after it: what there is to be only once is here before.
import azure_durable_py as df
from azure_durable_py.testing import DurableTestEnvironment, failure_reports

pytest_plugins = ["pytester"]

APP = """
from datetime import timedelta
import azure_durable_py as df

app = df.DFApp()

@app.orchestration_trigger(context_name="context")
async def trip(context: df.DurableOrchestrationContext):
    return await context.call_sub_orchestrator(leg, context.get_input(), f"{context.instance_id}-leg")

@app.orchestration_trigger(context_name="context")
async def leg(context: df.DurableOrchestrationContext):
    return await context.call_activity(book, context.get_input())

@app.activity_trigger(input_name="city")
def book(city: str) -> str:
    if city == "Atlantis":
        raise LookupError("it has sunk")
    return f"a room in {city}"

@app.orchestration_trigger(context_name="context")
async def ask(context: df.DurableOrchestrationContext):
    return await context.wait_for_external_event("Answer")
"""
SCENARIO = """
from azure_durable_py.testing import play, run
from function_app import app

def start_all(*ids, name="ask"):
    async def scenario(hub):
        for instance_id in ids:
            await hub.client.start_new(name, instance_id, "Rome")
            await hub.client.wait_for_start(instance_id)
    return scenario
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project with an app."""
    # That of the sample app is imported where its tests ran before.
    monkeypatch.delitem(sys.modules, "function_app", raising=False)
    # There pytest shortens nothing in its summary.
    for name in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)
    pytester.makepyfile(function_app=APP)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\npythonpath = .")
    return pytester


def ran(project: pytest.Pytester, *tests: str, options: tuple[str, ...] = ()) -> pytest.RunResult:
    project.makepyfile(test_it="\n\n".join(tests))
    # The plugin of hypothesis would import the whole of it anew for each summary.
    without = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    return project.runpytest_inprocess("-p", "pytest_azure_durable", *without, *options)


# --- failures ----------------------------------------------------------------------------------------


def test_a_test_that_failed_shows_the_history_of_its_instances(project: pytest.Pytester):
    result = ran(
        project, SCENARIO, "def test_trip():\n    assert run(app, 'trip', 'Atlantis', instance_id='t').output == 5"
    )
    result.stdout.fnmatch_lines(
        [
            "*- Durable instances -*",
            "trip Failed  t  2026-01-01 00:00:00",
            '├── input "Atlantis"',
            '├── ✗ sub-orchestration leg("Atlantis")  -> t-leg',
            '│   ├── ✗ activity book("Atlantis")',
            "│   │   └── LookupError: it has sunk",
            "│   └── failed: TaskFailedError: *it has sunk",
            "└── failed: TaskFailedError: *it has sunk",
        ],
        consecutive=True,
    )
    assert "leg Failed" not in result.stdout.str()


def test_a_test_that_failed_is_told_of_doubles_that_stood_in_for_nothing(project: pytest.Pytester):
    test = """
def test_trip(durable_sync_env):
    book = durable_sync_env.activity("book")
    book.when(lambda city: city == "rome").returns("a palace")
    book.when(lambda city: city == "Rome").returns("a room")
    durable_sync_env.orchestrator("ask").returns("yes")
    durable_sync_env.activity("book").when(lambda city: city == "Oslo")
    assert durable_sync_env.start("trip", "Rome").result() == "nothing"
"""
    result = ran(project, test)
    told = [line for line in result.outlines if line.startswith("Never stood in: ")]
    where = str(project.path / "test_it.py")
    assert told == [
        f"Never stood in: activity 'book' when test_trip.<locals>.<lambda> ({where}:3)",
        "Never stood in: orchestrator 'ask'",
    ]


def test_of_many_doubles_that_stood_in_for_nothing_some_are_told(project: pytest.Pytester):
    test = f"""
def test_trip(durable_sync_env):
    for city in range({failure_reports.MOST_DOUBLES + 2}):
        durable_sync_env.activity("book").when(lambda _: False).returns(city)
    assert durable_sync_env.start("trip", "Rome").result() == "nothing"
"""
    result = ran(project, test)
    assert sum(line.startswith("Never stood in: ") for line in result.outlines) == failure_reports.MOST_DOUBLES
    result.stdout.fnmatch_lines(["(2 more doubles that never stood in)"])


def test_a_test_that_passed_shows_nothing(project: pytest.Pytester):
    result = ran(project, SCENARIO, "def test_trip():\n    run(app, 'trip', 'Rome')", options=("-rA",))
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*Durable instances*")


def test_what_is_not_over_is_shown_first_and_of_many_only_some(project: pytest.Pytester):
    ids = [f"done-{number}" for number in range(10)]
    test = f"""
def test_many():
    async def scenario(hub):
        await start_all(*{ids}, name="leg")(hub)
        await hub.at_rest()
        await start_all("open")(hub)
    play(app, scenario)
    assert False
"""
    result = ran(project, SCENARIO, test)
    shown = [line for line in result.outlines if "  2026-01-01 " in line]
    assert [line.split()[:3] for line in shown[:2]] == [["ask", "Running", "open"], ["leg", "Completed", "done-0"]]
    assert len(shown) == failure_reports.MOST_INSTANCES
    result.stdout.fnmatch_lines(["└── … event Answer  since 0 s", "(1 more instance)"])


def test_a_run_that_is_stuck_says_what_it_waits_for_and_nothing_of_the_engine(project: pytest.Pytester):
    test = "def test_stuck():\n    run(app, 'ask', instance_id='question')"
    result = ran(project, SCENARIO, test)
    result.stdout.fnmatch_lines(
        [
            ">   *run(app, 'ask', instance_id='question')",
            "E *StuckError: *",
            "E *Instance 'question' (ask) waits for external event 'Answer'*",
            "",
            "test_it.py:*: StuckError",
            "*Durable instances*",
            "ask Running  question  *",
            "└── … event Answer  since *",
        ],
        consecutive=True,
    )


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("durable_sync_env.start('ask').result()", "StuckError"),
        ("durable_sync_env.start('leg', 'Atlantis').result()", "OrchestrationFailedError"),
        ("OrchestratorPlayer('leg', app=app).fire_timer()", "StepError"),
    ],
)
def test_an_error_of_the_kit_ends_where_the_test_calls_it(project: pytest.Pytester, line: str, error: str):
    test = f"""
from azure_durable_py.testing import OrchestratorPlayer

def test_it(durable_sync_env):
    {line}
"""
    result = ran(project, SCENARIO, test)
    result.stdout.fnmatch_lines([f">   *{line}", f"E  *{error}: *"], consecutive=True)
    result.stdout.fnmatch_lines([f"test_it.py:*: {error}"])
    result.stdout.no_fnmatch_line("[!E]*/azure_durable_py/testing/*")
    whole = ran(project, SCENARIO, test, options=("--full-trace",))
    whole.stdout.fnmatch_lines(["*/azure_durable_py/testing/*"])


def test_of_many_hubs_those_used_last_are_shown(project: pytest.Pytester):
    test = """
def test_hubs():
    for number in range(5):
        run(app, "leg", "Rome", instance_id=f"hub-{number}")
    assert False
"""
    result = ran(project, SCENARIO, test)
    assert [line.split()[2] for line in result.outlines if line.startswith("leg ")] == ["hub-2", "hub-3", "hub-4"]


def test_tests_of_unittest_show_them_as_well(project: pytest.Pytester):
    test = """
import unittest

class TripTest(unittest.TestCase):
    def test_trip(self):
        self.assertEqual(run(app, "leg", "Rome", instance_id="t").output, "a tent")
"""
    ran(project, SCENARIO, test).stdout.fnmatch_lines(
        ["*Durable instances*", "leg Completed  t  *", '└── output "a room in Rome"']
    )


def test_workers_of_xdist_send_them(project: pytest.Pytester):
    test = """
import pytest

@pytest.mark.parametrize("city", ["Rome", "Oslo"])
def test_trip(city):
    assert run(app, "leg", city, instance_id=city).output == "a tent"
"""
    project.makepyfile(test_it=SCENARIO + test)
    result = project.runpytest_subprocess("-p", "pytest_azure_durable", "-p", "no:cacheprovider", "-n", "2")
    result.assert_outcomes(failed=2)
    assert sorted(line.split()[2] for line in result.outlines if line.startswith("leg ")) == ["Oslo", "Rome"]


async def test_an_engine_that_is_kept_busy_by_code_of_the_app_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(failure_reports, "PATIENCE_SECONDS", 0.01)
    watch = failure_reports.HubWatch()
    try:
        async with DurableTestEnvironment(df.DFApp()) as env:
            env.hub.ask = never
            assert "cannot be told of: TimeoutError: code of the app keeps the engine" in watch.text()
    finally:
        watch.end()


def never(work: Coroutine[Any, Any, str]) -> Future[str]:
    work.close()
    return Future()


# --- runs that have nothing to do with it ------------------------------------------------------------


def test_a_run_without_durable_functions_does_not_import_the_package(pytester: pytest.Pytester):
    pytester.makepyfile(
        """
        import sys

        def test_plain(pytestconfig):
            assert pytestconfig.pluginmanager.has_plugin("pytest_azure_durable")
            assert [name for name in sys.modules if name.startswith("azure")] == []
        """
    )
    pytester.runpytest_subprocess("-p", "pytest_azure_durable", "-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_a_plain_function_app_finds_the_package_as_its_host_would(pytester: pytest.Pytester):
    pytester.makepyfile(
        """
        import azure.functions as func
        import azure_durable_py

        app = func.FunctionApp()

        @app.orchestration_trigger(context_name="context")
        def hello(context):
            return "Hello!"

        def test_hello():
            from azure_durable_py.testing import run

            assert run(app, "hello").output == "Hello!"
        """
    )
    pytester.runpytest_subprocess("-p", "pytest_azure_durable", "-p", "no:cacheprovider").assert_outcomes(passed=1)


# --- fixtures ----------------------------------------------------------------------------------------

ASYNC_TEST = """
async def test_trip(durable_env):
    handle = await durable_env.start("trip", "Rome")
    assert await handle.result() == "a room in Rome"
"""
SYNC_TEST = """
def test_trip(durable_sync_env):
    assert durable_sync_env.start("trip", "Rome").result() == "a room in Rome"
"""


def test_a_test_gets_the_app_of_its_project_in_an_environment(project: pytest.Pytester):
    ran(project, SYNC_TEST).assert_outcomes(passed=1)


def test_an_async_test_does_as_well_in_either_mode_of_pytest_asyncio(project: pytest.Pytester):
    ran(project, ASYNC_TEST, options=("-o", "asyncio_mode=auto")).assert_outcomes(passed=1)
    ran(project, f"import pytest\n\n@pytest.mark.asyncio{ASYNC_TEST}").assert_outcomes(passed=1)


def test_an_async_test_of_anyio_does_as_well(project: pytest.Pytester):
    backend = "import pytest\n\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'"
    ran(
        project, f"{backend}\n\n@pytest.mark.anyio{ASYNC_TEST}", options=("-p", "no:asyncio", "-p", "anyio")
    ).assert_outcomes(passed=1)


def test_markers_give_the_environment_its_arguments_and_the_nearest_counts(project: pytest.Pytester):
    test = """
import pytest
from datetime import datetime, timezone

pytestmark = pytest.mark.durable(seed=1, epoch=datetime(2030, 1, 1, tzinfo=timezone.utc))
ids = set()

def test_module(durable_sync_env):
    assert durable_sync_env.now.year == 2030
    ids.add(durable_sync_env.start("leg").instance_id)

@pytest.mark.durable(seed=2)
def test_own(durable_sync_env):
    assert durable_sync_env.now.year == 2030
    ids.add(durable_sync_env.start("leg").instance_id)
    assert len(ids) == 2
"""
    ran(project, test).assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("marker", "told"),
    [
        ("sed=3", "@pytest.mark.durable has no 'sed'. It has: settings, seed, *"),
        ("3", "*takes arguments by name, not (3,)*"),
    ],
)
def test_a_marker_that_means_nothing_is_an_error(project: pytest.Pytester, marker: str, told: str):
    result = ran(project, f"import pytest\n\n@pytest.mark.durable({marker}){SYNC_TEST}")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(told)


def test_a_failed_test_shows_the_instances_of_its_environment_while_that_runs(project: pytest.Pytester):
    test = """
async def test_question(durable_env):
    await durable_env.start("ask", "what?", instance_id="question")
    assert False

async def test_own():
    from azure_durable_py.testing import DurableTestEnvironment
    from function_app import app

    async with DurableTestEnvironment(app) as env:
        await env.start("ask", "why?", instance_id="another")
        assert False
"""
    result = ran(project, test, options=("-o", "asyncio_mode=auto"))
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "ask Running  question  2026-01-01 00:00:00  since 0 s",
            '├── input "what?"',
            "└── … event Answer  since 0 s",
            "*",
            "ask Running  another  2026-01-01 00:00:00  since 0 s",
            '├── input "why?"',
            "└── … event Answer  since 0 s",
        ]
    )


def test_an_environment_that_several_tests_share_is_shown_by_each_that_fails(project: pytest.Pytester):
    test = """
import pytest
from azure_durable_py.testing import DurableTestSyncEnvironment
from function_app import app

@pytest.fixture(scope="module")
def shared():
    with DurableTestSyncEnvironment(app) as env:
        yield env

def test_first(shared):
    shared.start("ask", instance_id="first")

def test_second(shared):
    assert shared.handle("first").result(1) == "an answer"
"""
    result = ran(project, test)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*Durable instances*", "ask Running  first  *"])


def test_a_fixture_of_the_project_gives_another_app(project: pytest.Pytester):
    project.makeconftest(
        """
        import azure_durable_py as df
        import pytest

        @pytest.fixture
        def durable_app():
            app = df.DFApp()
            app.orchestration_trigger(context_name="context")(trip)
            return app

        def trip(context):
            return "a room in Rome"
        """
    )
    ran(project, SYNC_TEST).assert_outcomes(passed=1)


@pytest.mark.parametrize("name", ["shop.main:app", "shop.main"])
def test_the_configuration_names_another_app(project: pytest.Pytester, name: str):
    project.path.joinpath("function_app.py").rename(project.mkpydir("shop") / "main.py")
    ran(project, SYNC_TEST, options=("-o", f"durable_app={name}")).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("shop", "*There is no module 'shop' in *"),
        ("function_app:shop", "*Module 'function_app' has no 'shop': no app is named so. Name it in*"),
        ("function_app:timedelta", "*Module 'function_app' has a type as 'timedelta'*"),
        ("datetime", "*Module 'datetime' holds no apps, where one is to be. Name it in*"),
    ],
)
def test_an_app_that_is_not_there_is_an_error_that_names_the_mend(project: pytest.Pytester, name: str, told: str):
    result = ran(project, SYNC_TEST, options=("-o", f"durable_app={name}"))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*RegistrationError: " + told.removeprefix("*")])


def test_what_the_module_of_the_app_misses_is_told_as_it_is(project: pytest.Pytester):
    project.makepyfile(function_app="import no_such_library")
    ran(project, SYNC_TEST).stdout.fnmatch_lines(["*ModuleNotFoundError: No module named 'no_such_library'"])


# --- options -----------------------------------------------------------------------------------------

CARELESS = """
from datetime import timedelta
from itertools import count
import pytest
import azure_durable_py as df
from azure_durable_py.testing import DurableTestSyncEnvironment, OrchestratorPlayer, run

runs = count()
app = df.DFApp()

@pytest.fixture
def durable_app():
    return app

@app.orchestration_trigger(context_name="context")
def careless(context):
    yield context.create_timer(timedelta(days=next(runs)))
    return "done"

def test_run():
    assert run(app, "careless").output == "done"

def test_environment():
    with DurableTestSyncEnvironment(app) as env:
        assert env.start("careless").result() == "done"

def test_player():
    step = OrchestratorPlayer(careless)
    step.fire_timer()
    assert step.output == "done"

def test_fixture(durable_sync_env):
    assert durable_sync_env.start("careless").result() == "done"
"""


@pytest.mark.parametrize("option", [("--durable-replay=every-turn",), ("-o", "durable_replay=every-turn")])
def test_every_turn_is_replayed_in_all_environments_where_that_is_asked_for(
    project: pytest.Pytester, option: tuple[str, ...]
):
    ran(project, CARELESS).assert_outcomes(passed=4)
    result = ran(project, CARELESS, options=option)
    result.assert_outcomes(failed=4)
    assert result.stdout.str().count("NonDeterminismError") >= 4


def test_a_marker_has_every_turn_replayed_in_the_environment_of_its_test(project: pytest.Pytester):
    marked = CARELESS.replace("def test_fixture", "@pytest.mark.durable(replay='every-turn')\ndef test_fixture")
    ran(project, marked).assert_outcomes(passed=3, failed=1)


def test_a_way_to_replay_that_there_is_not_is_an_error(project: pytest.Pytester):
    result = ran(project, SYNC_TEST, options=("-o", "durable_replay=always"))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*durable_replay is 'always'; it is to be when-needed or every-turn."])


def test_a_test_that_cannot_await_is_told_of_the_other_environment(project: pytest.Pytester):
    result = ran(project, "def test_it(durable_env):\n    durable_env.start('leg', 'Rome').result()")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*durable_env is for tests that are `async def`*there is durable_sync_env*"])


def test_a_fixture_of_a_test_that_cannot_await_may_use_it(project: pytest.Pytester):
    project.makeconftest("import pytest\n@pytest.fixture\ndef my_env(durable_env):\n    return durable_env")
    ran(project, "def test_it(my_env):\n    assert my_env.now").assert_outcomes(passed=1)


def test_an_unknown_way_to_replay_is_refused_in_a_marker(project: pytest.Pytester):
    marked = "import pytest\n@pytest.mark.durable(replay='everyturn')\ndef test_it(durable_sync_env):\n    pass"
    result = ran(project, marked)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*replay is 'everyturn'; it is to be one of: when-needed, every-turn*"])


def test_a_failed_test_shows_what_it_played(project: pytest.Pytester):
    result = ran(
        project,
        "from azure_durable_py.testing import OrchestratorPlayer\nfrom function_app import leg, book",
        "def test_it():\n    step = OrchestratorPlayer(leg, 'Rome', instance_id='mine')\n"
        "    step.complete(book, 'a tent')\n    assert step.output == 'a room'",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["* Durable instances *", "leg Completed*mine*", "*book*", '*output "a tent"*'])
