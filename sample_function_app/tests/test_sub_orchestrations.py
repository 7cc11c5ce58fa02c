"""Sub-orchestrations: children side by side, one that fails and is tried again, and one that takes long."""

from datetime import timedelta

import azure_durable_py as df
from azure_durable_py.testing import DurableTestSyncEnvironment, OrchestratorPlayer
from sample_function_app.sub_orchestrations import choose_image, set_up_device, set_up_devices, verify

DEVICES = ["fan", "fridge"]
STATES = {"fan": "fan-1.2 works", "fridge": "fridge-1.2 works"}


def test_a_child_is_played_alone() -> None:
    step = OrchestratorPlayer(set_up_device, "fan")
    step.complete(choose_image, "fan-2.0")
    step.fire_timer()
    step.complete(verify, "fan-2.0 works")
    assert step.output == "fan-2.0 works"


def test_the_parent_is_tested_without_its_children(durable_sync_env: DurableTestSyncEnvironment) -> None:
    children = durable_sync_env.orchestrator(set_up_device).calls(slow)
    setup = durable_sync_env.start(set_up_devices, DEVICES)
    assert setup.result() == {"fan": "fan is slow", "fridge": "fridge is slow"}
    assert children.inputs == DEVICES
    assert durable_sync_env.now - setup.status().created_time < timedelta(days=1, minutes=1)


async def slow(context: df.DurableOrchestrationContext) -> str:
    """A child that takes a day."""
    await context.create_timer(timedelta(days=1))
    return f"{context.get_input()} is slow"


def test_a_child_that_fails_is_tried_again_as_a_whole(durable_sync_env: DurableTestSyncEnvironment) -> None:
    images = durable_sync_env.activity(choose_image)
    durable_sync_env.activity(verify).raises(RuntimeError("no answer"), times=1)
    assert durable_sync_env.start(set_up_devices, ["fan"]).result() == {"fan": "fan-1.2 works"}
    assert images.inputs == ["fan", "fan"]


def test_a_process_that_dies_in_a_child_leaves_parent_and_child_as_they_were(
    durable_sync_env: DurableTestSyncEnvironment,
) -> None:
    durable_sync_env.crash_before(verify)
    assert durable_sync_env.start(set_up_devices, DEVICES).result() == STATES
