"""An agent with two tools and a handoff, in a process that may be killed: `-m tests.openai_agents.killed_app`.

Each step is noted in a file when it is done, and the process ends by SIGKILL when it is about to begin the step whose
number it was given; with the number of all of them, in code of the orchestrator after the run.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from agents import Agent, Model, Runner, function_tool, set_trace_processors

import azure_durable_py as df
from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.openai_agents import OpenAIAgents, activity_tool
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.storage import open_store
from azure_durable_py.worker.worker import Worker
from tests.openai_agents.scripts import AnsweringModel, Models, calls

STEPS = ("Rome?", "weather", "c2", "c3", "book", "c4")
"""The model calls, by what they are asked, and the activities that are tools."""
ANSWER = "Booked in Rome, 3."
INSTANCE = "trip"


class Steps:
    """The steps that are done, over all processes."""

    def __init__(self, file: Path, kill_at: int | None) -> None:
        self._file = file
        self._kill_at = kill_at

    def done(self) -> list[str]:
        return self._file.read_text().split("\n")[:-1] if self._file.exists() else []

    def begin(self) -> None:
        if self._kill_at is not None and len(self.done()) == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def end(self, name: str) -> None:
        with self._file.open("a") as file:
            file.write(f"{name}\n")


class NotingModel(AnsweringModel):
    def __init__(self, answers: dict[str, Any], steps: Steps) -> None:
        super().__init__(answers)
        self._steps = steps

    async def get_response(self, system_instructions: str | None, input: Any, *given: Any, **options: Any) -> Any:
        self._steps.begin()
        answer = await super().get_response(system_instructions, input, *given, **options)
        self._steps.end(list(self.asked)[-1])
        return answer


def trip_app(steps: Steps) -> df.DFApp:
    planner: Model = NotingModel(
        {
            "Rome?": calls(("add", {"a": 1, "b": 2}, "c1"), ("weather", {"city": "Rome"}, "c2")),
            "c2": calls(("transfer_to_booker", {}, "c3")),
        },
        steps,
    )
    booker: Model = NotingModel({"c3": calls(("book", {"city": "Rome"}, "c4")), "c4": ANSWER}, steps)
    app = df.DFApp()
    app.register_functions(OpenAIAgents(Models(planner=planner, booker=booker)))

    @function_tool
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @app.activity_trigger(input_name="city")
    def weather(city: str) -> str:
        """What the weather is like."""
        steps.begin()
        steps.end("weather")
        return f"sunny in {city}"

    @app.activity_trigger(input_name="city")
    def book(city: str) -> str:
        """Book a journey."""
        steps.begin()
        steps.end("book")
        return f"booked {city}"

    @app.orchestration_trigger(context_name="context")
    async def trip(context: df.DurableOrchestrationContext) -> str:
        booking = Agent("booker", model="booker", tools=[activity_tool(book)])
        planning = Agent("planner", model="planner", tools=[add, activity_tool(weather)], handoffs=[booking])
        result = await Runner.run(planning, "Rome?")
        # The turn that takes an answer records it when it ends.
        await context.create_timer(timedelta(milliseconds=1))
        steps.begin()
        return result.final_output

    return app


async def work(storage: str, file: Path, kill_at: int | None) -> None:
    set_trace_processors([])
    settings = Settings(hub_name=f"Trip{file.stem}", instance_visibility_timeout=5.0, activity_visibility_timeout=5.0)
    hub = TaskHub(open_store(storage, settings, dict(os.environ), file.parent))
    await hub.open()
    worker = Worker(hub, trip_app(Steps(file, kill_at)).registry, settings)
    client = DurableOrchestrationClient(hub, settings)
    await client.start_new("trip", INSTANCE, id_reuse_policy=df.OrchestrationIdReusePolicy("ignore"))
    await worker.start()
    status = await client.wait_for_completion(INSTANCE, 60)
    print(status.runtime_status.name, status.output, flush=True)
    await worker.stop(1.0)
    await hub.close()


if __name__ == "__main__":
    storage, file, kill_at = sys.argv[1:]
    asyncio.run(work(storage, Path(file), int(kill_at) if kill_at != "-" else None))
