"""Function chaining: an activity after another, in either style, and a process that dies in between."""

import pytest

from azure_durable_py.testing import DurableTestSyncEnvironment, OrchestratorPlayer
from sample_function_app.hello_cities import hello_cities, hello_cities_generator, say_hello

GREETINGS = ["Hello Tokyo!", "Hello Seattle!", "Hello London!"]
either_style = pytest.mark.parametrize("orchestrator", [hello_cities, hello_cities_generator])


@either_style
def test_one_city_is_greeted_after_the_other(orchestrator) -> None:
    step = OrchestratorPlayer(orchestrator)
    for city in ("Tokyo", "Seattle", "London"):
        [call] = step.pending
        assert (call.name, call.input) == ("say_hello", city)
        step.complete(call, say_hello(city))
    assert step.output == GREETINGS


@either_style
def test_nobody_is_greeted_twice_when_the_process_dies_between_two_greetings(
    durable_sync_env: DurableTestSyncEnvironment, orchestrator
) -> None:
    greetings = durable_sync_env.activity(say_hello)
    durable_sync_env.crash_before(say_hello)
    assert durable_sync_env.start(orchestrator).result() == GREETINGS
    assert [city for city in greetings.inputs if city != "Tokyo"] == ["Seattle", "London"]


@either_style
def test_every_turn_is_the_same_when_it_is_replayed(durable_app, orchestrator) -> None:
    with DurableTestSyncEnvironment(durable_app, replay="every-turn") as env:
        assert env.start(orchestrator).result() == GREETINGS
