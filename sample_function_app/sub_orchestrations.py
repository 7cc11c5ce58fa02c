"""Sub-orchestrations: orchestrators made of orchestrators, retried as a whole.

Each child is an instance of its own, with its own history; terminating the parent with
`recurse=True` ends the children too.
"""

from datetime import timedelta

import azure_durable_py as df

bp = df.Blueprint()
RETRY = df.RetryOptions(first_retry_interval_in_milliseconds=1000, max_number_of_attempts=2)


@bp.orchestration_trigger(context_name="context")
async def set_up_devices(context: df.DurableOrchestrationContext) -> dict[str, str]:
    """Set up all devices named in the input, side by side."""
    names: list[str] = context.get_input() or ["lamp", "lock", "oven"]
    tasks = [context.call_sub_orchestrator_with_retry(set_up_device, RETRY, name) for name in names]
    states = await context.task_all(tasks)
    return dict(zip(names, states, strict=True))


@bp.orchestration_trigger(context_name="context", input_type=str)
async def set_up_device(context: df.DurableOrchestrationContext) -> str:
    """Bring one device into service, step by step."""
    device: str = context.get_input()
    image = await context.call_activity(choose_image, device)
    await context.create_timer(timedelta(milliseconds=100))  # It restarts.
    return await context.call_activity(verify, image)


@bp.activity_trigger(input_name="device")
def choose_image(device: str) -> str:
    """The software for a device."""
    return f"{device}-1.2"


@bp.activity_trigger(input_name="image")
def verify(image: str) -> str:
    """Whether a device does what it should."""
    return f"{image} works"
