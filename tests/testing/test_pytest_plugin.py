"""The pytest plugin: what it tells of the instances of a test that failed."""

from __future__ import annotations

import pytest

# What a run within this process imports first is gone after it: what there is to be only once is here before.
from azure_durable_py.testing import failure_reports

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
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project with an app."""
    pytester.makepyfile(function_app=APP)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\npythonpath = .")
    return pytester


def ran(project: pytest.Pytester, *tests: str, options: tuple[str, ...] = ()) -> pytest.RunResult:
    project.makepyfile(test_it="\n\n".join(tests))
    return project.runpytest_inprocess("-p", "pytest_azure_durable", "-p", "no:cacheprovider", *options)


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
