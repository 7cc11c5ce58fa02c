"""Apps of the function.json model in the shapes of the official samples, with nothing changed but the import."""

from __future__ import annotations

import json
import textwrap
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from azure_durable_py.errors import RegistrationError
from azure_durable_py.testing import DurableTestSyncEnvironment, run
from tests.moving_in.conftest import Serve, WriteApp, loaded

Files = dict[str, Any]
TRIGGER = {
    "name": "req",
    "type": "httpTrigger",
    "direction": "in",
    "authLevel": "anonymous",
    "route": "orchestrators/{functionName}",
    "methods": ["post", "get"],
}
ANSWER = {"name": "$return", "type": "http", "direction": "out"}
CLIENT = {"name": "starter", "type": "orchestrationClient", "direction": "in"}
START = """
import json
import logging
import azure.functions as func
import azure.durable_functions as df

async def main(req: func.HttpRequest, starter: str) -> func.HttpResponse:
    client = df.DurableOrchestrationClient(starter)
    body = req.get_body().decode()
    payload = json.loads(body) if body else None
    instance_id = await client.start_new(req.route_params["functionName"], None, payload)
    logging.info(f"Started {instance_id} by {starter}.")
    return client.create_check_status_response(req, instance_id)
"""


def folder(name: str, code: str, *bindings: dict[str, Any]) -> Files:
    """A folder with a script and a function.json."""
    return {
        f"{name}/__init__.py": textwrap.dedent(code),
        f"{name}/function.json": {"scriptFile": "__init__.py", "bindings": list(bindings), "disabled": False},
    }


def orchestrator(name: str, body: str, head: str = "") -> Files:
    """The folder of an orchestrator: `body` is what its function does."""
    code = f"{head}\nimport azure.durable_functions as df\nfrom datetime import timedelta\n\n"
    code += "def orchestrator_function(context: df.DurableOrchestrationContext):\n"
    code += textwrap.indent(textwrap.dedent(body).strip(), "    ")
    code += "\n\nmain = df.Orchestrator.create(orchestrator_function)\n"
    return folder(name, code, {"name": "context", "type": "orchestrationTrigger", "direction": "in"})


def activity(name: str, parameter: str, code: str) -> Files:
    return folder(name, code, {"name": parameter, "type": "activityTrigger", "direction": "in"})


HTTP_START = folder("HttpStart", START, TRIGGER, ANSWER, CLIENT)
HELLO = activity("Hello", "name", "def main(name: str) -> str:\n    return f'Hello {name}!'")


async def test_function_chaining(written: WriteApp, serve: Serve) -> None:
    chain = orchestrator(
        "Sequence",
        """
        one = yield context.call_activity("Hello", "Tokyo")
        two = yield context.call_activity("Hello", "Seattle")
        three = yield context.call_activity("Hello", "London")
        return [one, two, three]
        """,
    )
    served = await serve(written(HTTP_START | chain | HELLO))
    assert await served.output("orchestrators/Sequence") == ["Hello Tokyo!", "Hello Seattle!", "Hello London!"]


async def test_a_custom_status_and_a_named_response(written: WriteApp, serve: Serve) -> None:
    start = """
    from azure.durable_functions import DurableOrchestrationClient
    import azure.functions as func

    async def main(req: func.HttpRequest, starter: str, message):
        client = DurableOrchestrationClient(starter)
        instance_id = await client.start_new(req.route_params.get("functionName"), client_input=None)
        message.set(client.create_check_status_response(req, instance_id))
    """
    named, text = ANSWER | {"name": "message"}, CLIENT | {"datatype": "string"}
    count = orchestrator(
        "Count",
        """
        for number in (1, 2, 3):
            last = yield context.call_activity("Echo", number)
            context.set_custom_status(f"{number} of 3")
        return last
        """,
    )
    echo = activity("Echo", "number", "def main(number):\n    return number")
    served = await serve(written(folder("Start", start, TRIGGER, named, text) | count | echo))
    outcome = await served.outcome("orchestrators/Count")
    assert (outcome["output"], outcome["customStatus"]) == (3, "3 of 3")


async def test_counter_entity(written: WriteApp, serve: Serve) -> None:
    entity = """
    import azure.durable_functions as df

    def entity_function(context: df.DurableEntityContext):
        value = context.get_state(lambda: 0)
        if context.operation_name == "add":
            value += context.get_input()
        context.set_state(value)
        context.set_result(value)

    main = df.Entity.create(entity_function)
    """
    retrieve = """
    import json
    import azure.functions as func
    from azure.durable_functions import DurableOrchestrationClient, EntityId

    async def main(req: func.HttpRequest, starter: str) -> func.HttpResponse:
        client = DurableOrchestrationClient(starter)
        name, key = req.route_params["entityName"], req.route_params["entityKey"]
        found = await client.read_entity_state(EntityId(name, key))
        if not found.entity_exists:
            return func.HttpResponse("Entity not found", status_code=404)
        return func.HttpResponse(json.dumps({"entity": name, "key": key, "state": found.entity_state}))
    """
    count = orchestrator(
        "Count",
        """
        entity = df.EntityId("Counter", "mine")
        context.signal_entity(entity, "add", 3)
        return (yield context.call_entity(entity, "get"))
        """,
    )
    trigger = TRIGGER | {"route": "entity/{entityName}/{entityKey}", "authLevel": "function", "methods": ["get"]}
    files = (
        HTTP_START
        | count
        | folder("Counter", entity, {"name": "context", "type": "entityTrigger", "direction": "in"})
        | folder("Retrieve", retrieve, trigger, ANSWER, CLIENT | {"type": "durableClient"})
    )
    served = await serve(written(files))
    assert await served.output("orchestrators/Count") == 3
    status, body = await served.request("GET", "entity/Counter/mine")
    assert (status, json.loads(body)) == (200, {"entity": "Counter", "key": "mine", "state": 3})
    assert await served.request("GET", "entity/Counter/other") == (404, "Entity not found")


async def test_serialized_arguments(written: WriteApp, serve: Serve) -> None:
    number = """
    class Number:
        def __init__(self, value): self.value = value
        @staticmethod
        def to_json(number): return str(number.value)
        @staticmethod
        def from_json(text): return Number(int(text))
    """
    shared = "from ..shared_code.classes import Number\n"
    start = shared + START.replace("json.loads(body) if body else None", "Number(5)")
    carry = orchestrator(
        "Carry",
        """
        given = context.get_input()
        back = yield context.call_activity("Echo", Number(given.value + 1))
        return [given.value, back.value]
        """,
        shared,
    )
    echo = activity("Echo", "name", "def main(name):\n    return name")
    files = folder("Start", start, TRIGGER, ANSWER, CLIENT) | carry | echo
    served = await serve(written(files | {"shared_code/classes.py": number}))
    assert await served.output("orchestrators/Carry") == [5, 6]


async def test_sub_orchestration(written: WriteApp, serve: Serve) -> None:
    parent = orchestrator("Parent", 'return (yield context.call_sub_orchestrator("Child", "Seattle"))')
    child = orchestrator("Child", 'return (yield context.call_activity("Hello", context.get_input()))')
    served = await serve(written(HTTP_START | parent | child | HELLO))
    assert await served.output("orchestrators/Parent") == "Hello Seattle!"


async def test_fan_out_and_fan_in(written: WriteApp, serve: Serve) -> None:
    backup = orchestrator(
        "Backup",
        """
        files = yield context.call_activity("List", context.get_input())
        sizes = yield context.task_all([context.call_activity("Copy", file) for file in files])
        return sum(sizes)
        """,
    )
    listing = """
    from pathlib import Path
    def main(rootDirectory: str):
        return [str(path) for path in Path(rootDirectory).glob("*.txt")]
    """
    copying = "from pathlib import Path\ndef main(filePath: str) -> str:\n    return len(Path(filePath).read_bytes())"
    files = HTTP_START | backup | activity("List", "rootDirectory", listing) | activity("Copy", "filePath", copying)
    directory = written(files | {"data/a.txt": "123", "data/b.txt": "4567"})
    served = await serve(directory)
    assert await served.output("orchestrators/Backup", str(directory / "data")) == 7


VERIFY = orchestrator(
    "Verify",
    """
    code = yield context.call_activity("SendChallenge", context.get_input())
    timeout = context.create_timer(context.current_utc_datetime + timedelta(seconds=180))
    for attempt in range(3):
        answer = context.wait_for_external_event("Answer")
        winner = yield context.task_any([answer, timeout])
        if winner != answer:
            return False
        if answer.result == code:
            timeout.cancel()
            return True
    timeout.cancel()
    return False
    """,
)


@pytest.mark.parametrize(
    ("answers", "outcome"), [(["1", "4711"], True), (["1", "2", "3"], False), (["1"], False), ([], False)]
)
def test_human_interaction(written: WriteApp, answers: list[str], outcome: bool) -> None:
    challenge = activity("SendChallenge", "phoneNumber", "def main(phoneNumber):\n    return '4711'")

    with DurableTestSyncEnvironment(loaded(written(VERIFY | challenge))) as env:
        verification = env.start("Verify", "+1")
        for answer in answers:
            verification.raise_event("Answer", answer)
        assert verification.result() is outcome


def test_an_activity_with_an_output_is_refused_by_its_name(written: WriteApp) -> None:
    trigger = {"name": "phoneNumber", "type": "activityTrigger", "direction": "in"}
    message = {"type": "twilioSms", "name": "message", "from": "%TwilioPhoneNumber%", "direction": "out"}
    challenge = folder("SendChallenge", "def main(phoneNumber, message):\n    message.set('text')", trigger, message)
    app = loaded(written(VERIFY | challenge))
    with pytest.raises(RegistrationError, match=r"SendChallenge.*twilioSms \('message'\).*use the service's SDK"):
        _ = app.registry


@pytest.mark.parametrize(("issues", "checks"), [(2, 5), (3, 1)])
def test_monitor(written: WriteApp, tmp_path: Path, issues: int, checks: int) -> None:
    monitor = orchestrator(
        "Monitor",
        """
        request = context.get_input()
        expiry = context.current_utc_datetime + timedelta(minutes=5)
        while context.current_utc_datetime < expiry:
            if (yield context.call_activity("TooMany", request["repo"])):
                yield context.call_activity("Alert", request["phone"])
                break
            context.set_custom_status("fine, for now")
            yield context.create_timer(context.current_utc_datetime + timedelta(minutes=1))
        return "Monitor completed!"
        """,
    )
    log = tmp_path / "checks"
    too_many = f"""
    from pathlib import Path
    def main(repoID: str) -> str:
        with Path({str(log)!r}).open("a") as log:
            log.write("x")
        return {issues} >= 3
    """
    alert = activity("Alert", "phoneNumber", "def main(phoneNumber: str):\n    return 'sent'")
    app = loaded(written(monitor | activity("TooMany", "repoID", too_many) | alert))
    status = run(app, "Monitor", {"repo": "a/b", "phone": "+1"}, within=timedelta(hours=1))
    assert (status.output, log.read_text()) == ("Monitor completed!", "x" * checks)


def test_monitoring_a_job_through_shared_helpers(written: WriteApp) -> None:
    train = orchestrator(
        "Train",
        """
        job = yield context.call_activity("Submit", context.get_input())
        while True:
            state = yield context.call_activity("Poll", job)
            if state == "Finished":
                return [job, state]
            yield context.create_timer(context.current_utc_datetime + timedelta(seconds=30))
        """,
    )
    jobs = """
    asked = []

    def submit(pipeline):
        return f"job of {pipeline}"

    def state(job):
        asked.append(job)
        return "Finished" if len(asked) == 3 else "Running"
    """
    submit = "from ..shared.jobs import submit\ndef main(pipeline: str):\n    return submit(pipeline)"
    poll = "from __app__.shared import jobs\ndef main(job: str):\n    return jobs.state(job)"
    files = train | activity("Submit", "pipeline", submit) | activity("Poll", "job", poll)
    app = loaded(written(files | {"shared/__init__.py": "", "shared/jobs.py": jobs}))
    assert run(app, "Train", "p").output == ["job of p", "Finished"]
