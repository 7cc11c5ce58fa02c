"""Async HTTP API: answer at once when the work is quick, else say where to ask for the result.

`POST /api/reports` with `{"title": "Sales", "seconds": 20}` answers 200 with the report if it is ready within
two seconds, else 202 with a `Location` to poll, which answers 202 until it answers 200.
"""

from dataclasses import dataclass
from datetime import timedelta

import azure.functions as func

import azure_durable_py as df

bp = df.Blueprint()


@dataclass
class ReportRequest:
    """Input: what the report is about, and how long it takes to write each of its three chapters."""

    title: str
    seconds: float = 0


@bp.route(route="reports", methods=["POST"])
@bp.durable_client_input(client_name="client")
async def order_report(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Start a report and wait a moment for it."""
    try:
        order = req.get_json()
    except ValueError:
        return func.HttpResponse('The body must be JSON like {"title": "Sales"}.\n', status_code=400)
    instance_id = await client.start_new(write_report, client_input=order)
    return await client.wait_for_completion_or_create_check_status_response(
        req, instance_id, timeout_in_milliseconds=2000, retry_interval_in_milliseconds=200
    )


@bp.orchestration_trigger(context_name="context", input_type=ReportRequest)
async def write_report(context: df.DurableOrchestrationContext) -> dict[str, object]:
    """Write a report chapter by chapter; its custom status tells which one."""
    request: ReportRequest = context.get_input()
    chapters = []
    for number in (1, 2, 3):
        context.set_custom_status(f"chapter {number} of 3")
        if request.seconds:
            await context.create_timer(timedelta(seconds=request.seconds))
        chapters.append(await context.call_activity(write_chapter, f"{request.title}, chapter {number}"))
    return {"title": request.title, "chapters": chapters}


@bp.activity_trigger(input_name="heading")
async def write_chapter(heading: str) -> str:
    """One chapter."""
    return f"{heading}: all is well."
