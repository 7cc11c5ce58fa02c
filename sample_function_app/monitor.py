"""Monitor: look at something again and again until it is as wished, or the time is up.

This one waits for a web address to answer. Between two looks the orchestration is a few rows in
storage: no process has to stay up for it.
"""

import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import timedelta

import azure_durable_py as df

bp = df.Blueprint()


@dataclass
class Watch:
    """Input: what to watch, how often to look, and when to give up."""

    url: str
    every_seconds: float = 60
    for_minutes: float = 60


@bp.orchestration_trigger(context_name="context", input_type=Watch)
async def wait_for_website(context: df.DurableOrchestrationContext) -> dict[str, object]:
    """Wait until a web address answers 200."""
    watch: Watch = context.get_input()
    # The context's clock, never datetime.now(): a replay must see the same times.
    give_up = context.current_utc_datetime + timedelta(minutes=watch.for_minutes)
    looks = 0
    while context.current_utc_datetime < give_up:
        status = await context.call_activity(status_of, watch.url)
        looks += 1
        context.set_custom_status({"looks": looks, "status": status})
        if status == 200:
            return {"up": True, "looks": looks}
        await context.create_timer(timedelta(seconds=watch.every_seconds))
    return {"up": False, "looks": looks}


@bp.activity_trigger(input_name="url")
def status_of(url: str) -> int:
    """The HTTP status that an address answers with; 0 if nobody answers."""
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url!r} is not a web address.")
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
