"""An app with entities and schedules, and a host that runs it while tests talk to its hub from outside."""

from __future__ import annotations

from pathlib import Path

from tests.cli.shop import ran
from tests.e2e.host import Host, until

APP = """
import asyncio

import azure.functions as func
import azure_durable_py as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.entity_trigger(context_name="context")
def Counter(context: df.DurableEntityContext):
    if context.operation_name == "add":
        context.set_state(context.get_state(lambda: 0) + context.get_input())
    elif context.operation_name == "say":
        context.set_state(context.get_input())


@app.orchestration_trigger(context_name="context")
def keep(context: df.DurableOrchestrationContext):
    with (yield context.lock([df.EntityId("Counter", context.get_input())])):
        yield context.wait_for_external_event("release")


@app.orchestration_trigger(context_name="context")
def clean_up(context: df.DurableOrchestrationContext):
    if context.get_input() == "wait":
        yield context.wait_for_external_event("go")
    return context.get_input()
"""


class Workshop:
    """The app, its host, and the words that name its hub."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        (directory / "function_app.py").write_text(APP, encoding="utf-8")
        (directory / "host.json").write_text('{"version": "2.0"}', encoding="utf-8")
        self.directory = directory
        self.host = Host(directory, "sqlite")
        self.host.start()
        self.hub = (str(directory),)
        self.url = ("--url", self.host.origin)

    def has_state(self, entity: str, state: str) -> None:
        """Wait until an entity has a state, as JSON."""
        name, _, key = entity.partition("@")
        path = f"/runtime/webhooks/durabletask/entities/{name}/{key}"
        until(lambda: self.host.get(path).text == state, 30, f"{entity} is {state}")

    def lock(self, key: str) -> str:
        """Have an orchestration hold the lock of a counter; returns its instance id."""
        ran("start-new", "keep", *self.hub, "--id", f"keeper-{key}", "--input", f'"{key}"')
        until(lambda: f"keeper-{key}" in ran("entities", "list", *self.hub).stdout, 30, f"{key} is locked")
        return f"keeper-{key}"
