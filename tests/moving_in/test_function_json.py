"""Apps of the function.json programming model: folders that have a function.json each."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.errors import RegistrationError, SettingsError
from azure_durable_py.hosting.functions import expand
from azure_durable_py.testing import run
from azure_durable_py.triggers.functions import sort_functions
from tests.moving_in.conftest import Serve, WriteApp

ORCHESTRATION = {"bindings": [{"name": "context", "type": "orchestrationTrigger", "direction": "in"}]}
ENTITY = {"bindings": [{"name": "context", "type": "entityTrigger", "direction": "in"}]}
CHAIN = """
import azure_durable_py as df
def chain(ctx):
    return [(yield ctx.call_activity("Hello", "Tokyo")), (yield ctx.call_activity("Hello", "London"))]
main = df.Orchestrator.create(chain)
"""
HELLO = "def main(name: str) -> str:\n    return f'Hello {name}!'"
CHAINING = {
    "Chain/__init__.py": CHAIN,
    "Chain/function.json": {"scriptFile": "__init__.py", **ORCHESTRATION},
    "Hello/__init__.py": HELLO,
    "Hello/function.json": {"bindings": [{"name": "name", "type": "activityTrigger", "direction": "in"}]},
}
START = """
import azure.functions as func
import azure_durable_py as df
async def main(req: func.HttpRequest, starter: str) -> func.HttpResponse:
    client = df.DurableOrchestrationClient(starter)
    instance_id = await client.start_new(req.route_params["functionName"], None, req.get_json())
    return client.create_check_status_response(req, instance_id)
"""
HTTP = {
    "type": "httpTrigger",
    "direction": "in",
    "name": "req",
    "authLevel": "anonymous",
    "route": "orchestrators/{functionName}",
    "methods": ["post", "get"],
}
RETURN = {"type": "http", "direction": "out", "name": "$return"}
STARTER = {"type": "orchestrationClient", "direction": "in", "name": "starter", "datatype": "string"}


def folder(**bindings: Any) -> dict[str, Any]:
    return {"bindings": [{"name": name.strip("_"), "direction": "in", **rest} for name, rest in bindings.items()]}


def test_folders_make_up_an_app(write_app: WriteApp) -> None:
    app = df.DFApp.from_function_json(write_app(CHAINING))
    assert run(app, "Chain").output == ["Hello Tokyo!", "Hello London!"]


async def test_the_local_host_serves_folders_where_there_is_no_script(write_app: WriteApp, serve: Serve) -> None:
    start = {"Start/__init__.py": START, "Start/function.json": {"bindings": [HTTP, RETURN, STARTER]}}
    served = await serve(write_app(CHAINING | start))
    assert await served.output("orchestrators/Chain", {}) == ["Hello Tokyo!", "Hello London!"]
    assert (await served.request("PUT", "orchestrators/Chain", {}))[0] in (404, 405)


async def test_a_response_may_leave_by_an_output_binding(write_app: WriteApp, serve: Serve) -> None:
    code = """
    import azure_durable_py as df
    async def main(req, starter: str, message) -> None:
        client = df.DurableOrchestrationClient(starter)
        message.set(client.create_check_status_response(req, await client.start_new("Chain")))
    """
    bindings = [HTTP | {"route": "begin"}, RETURN | {"name": "message"}, STARTER | {"type": "durableClient"}]
    served = await serve(
        write_app(CHAINING | {"Start/__init__.py": code, "Start/function.json": {"bindings": bindings}})
    )
    assert await served.output("begin") == ["Hello Tokyo!", "Hello London!"]


async def test_a_route_is_the_folder_and_every_method_where_nothing_is_said(write_app: WriteApp, serve: Serve) -> None:
    bindings = [{"type": "httpTrigger", "name": "req", "direction": "in", "authLevel": "anonymous"}, RETURN]
    code = "def main(req, context):\n    return f'{context.function_name} {req.method}'"
    served = await serve(write_app({"My-Page/__init__.py": code, "My-Page/function.json": {"bindings": bindings}}))
    assert await served.request("DELETE", "My-Page") == (200, "My-Page DELETE")


def test_scripts_import_what_is_shared_in_every_way(write_app: WriteApp) -> None:
    code = """
    from ..shared.words import EXCLAMATION
    from __app__.shared import words
    from shared.words import GREETING
    from .near import NAME
    def main(name):
        assert words.EXCLAMATION is EXCLAMATION
        return f"{GREETING} {name} {NAME}{EXCLAMATION}"
    """
    files = CHAINING | {
        "Hello/__init__.py": code,
        "Hello/near.py": "NAME = 'near'",
        "shared/words.py": "GREETING, EXCLAMATION = 'Hi', '!'",
    }
    app = df.DFApp.from_function_json(write_app(files))
    assert run(app, "Chain").output == ["Hi Tokyo near!", "Hi London near!"]


def test_a_class_of_shared_code_travels(write_app: WriteApp) -> None:
    files = {
        "shared/number.py": """
            class Number:
                def __init__(self, value): self.value = value
                @staticmethod
                def to_json(number): return str(number.value)
                @staticmethod
                def from_json(text): return Number(int(text))
            """,
        "Twice/function.json": ORCHESTRATION,
        "Twice/__init__.py": """
            import azure_durable_py as df
            from ..shared.number import Number
            def twice(context):
                number = yield context.call_activity("Add", Number(context.get_input()))
                return number.value
            main = df.Orchestrator.create(twice)
            """,
        "Add/function.json": folder(number={"type": "activityTrigger"}),
        "Add/__init__.py": "def main(number):\n    return type(number)(number.value + 1)",
    }
    assert run(df.DFApp.from_function_json(write_app(files)), "Twice", 4).output == 5


def test_script_entry_point_and_durable_names_are_as_the_file_says(write_app: WriteApp) -> None:
    files = {
        "One/function.json": {"scriptFile": "../code/all.py", "entryPoint": "orchestrate"}
        | folder(context={"type": "orchestrationTrigger", "orchestration": "Main"}),
        "Two/function.json": {"scriptFile": "../code/all.py", "entryPoint": "act"}
        | folder(n={"type": "activityTrigger", "activity": "Act"}),
        "Three/function.json": {"scriptFile": "entity.py"}
        | folder(context={"type": "entityTrigger", "entityName": "Sum"}),
        "Three/entity.py": """
            import azure_durable_py as df
            def count(context):
                context.set_state((context.get_state() or 0) + context.get_input())
                context.set_result(context.get_state())
            main = df.Entity.create(count)
            """,
        "code/all.py": """
            import azure_durable_py as df
            def orchestrator(context):
                n = yield context.call_activity("Act", 2)
                return (yield context.call_entity(df.EntityId("sum", "x"), "add", n))
            orchestrate = df.Orchestrator.create(orchestrator)
            def act(n): return n + 1
            """,
    }
    app = df.DFApp.from_function_json(write_app(files))
    kinds = app.registry.kinds()
    assert (kinds["orchestrationTrigger"], kinds["activityTrigger"]) == (["Main"], ["Act"])
    assert run(app, "Main").output == 3


@pytest.mark.parametrize(
    ("said", "is_so"), [({}, False), ({"cancellable": False}, False), ({"Cancellable": True}, True)]
)
def test_an_activity_says_whether_it_may_be_cancelled(said: dict[str, bool], is_so: bool, write_app: WriteApp) -> None:
    files = {
        "Ask/function.json": folder(question={"type": "activityTrigger", **said}),
        "Ask/__init__.py": "async def main(question): return question",
    }
    app = df.DFApp.from_function_json(write_app(files))
    assert app.registry.activities.get("Ask").cancellable is is_so


def test_an_orchestrator_may_be_a_partial(write_app: WriteApp) -> None:
    code = """
    import functools
    import azure_durable_py as df
    def chain(city, context):
        return (yield context.call_activity("Hello", city))
    main = df.Orchestrator.create(functools.partial(chain, "Oslo"))
    """
    app = df.DFApp.from_function_json(write_app(CHAINING | {"Chain/__init__.py": code}))
    assert run(app, "Chain").output == "Hello Oslo!"


async def test_folders_beside_a_script_that_does_not_load_them_are_told_of(
    write_app: WriteApp, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    script = "from pathlib import Path\nimport azure_durable_py as df\napp = df.DFApp"
    directory = write_app(CHAINING | {"function_app.py": f"{script}()"})
    await serve(directory)
    assert "are not loaded, as a Functions host does not load them beside function_app.py: Chain, Hello" in caplog.text
    caplog.clear()
    (directory / "function_app.py").write_text(f"{script}.from_function_json(Path(__file__).parent)")
    served = await serve(directory)
    assert served.host.registry.orchestrators.names() == ["Chain"]
    assert "function.json" not in caplog.text


def test_what_is_disabled_is_left_out(write_app: WriteApp, monkeypatch: pytest.MonkeyPatch) -> None:
    trigger = folder(n={"type": "activityTrigger"})
    files = {f"{name}/__init__.py": "def main(n): ..." for name in ("A", "B", "C", "D", "E")}
    for name, more in {
        "A": {"disabled": False},
        "B": {"disabled": True},
        "C": {"disabled": "OFF"},
        "D": {"disabled": "%ON%"},
        "E": {"excluded": True},
    }.items():
        files[f"{name}/function.json"] = trigger | more  # type: ignore[assignment]
    monkeypatch.setenv("OFF", "1")
    monkeypatch.setenv("ON", "false")
    assert df.DFApp.from_function_json(write_app(files)).registry.activities.names() == ["A", "D"]


def test_timers_keep_their_schedule(write_app: WriteApp) -> None:
    files = {
        "Tick/__init__.py": "def main(timer, starter): ...",
        "Tick/function.json": folder(
            timer={"type": "timerTrigger", "schedule": "0 0 0 1 1 *", "runOnStartup": True},
            starter={"type": "durableClient", "taskHub": "Other", "connectionName": "Conn"},
        ),
    }
    app = df.DFApp.from_function_json(write_app(files))
    (timer,) = sort_functions(app, "api", {}).timers
    assert (timer.name, timer.target.trigger, timer.run_on_startup) == ("Tick", "timer", True)
    (client,) = app.client_bindings()
    assert (client.name, client.task_hub, client.connection_name) == ("starter", "Other", "Conn")


def test_other_triggers_are_named_by_the_local_host_and_whole_for_a_functions_host(write_app: WriteApp) -> None:
    queue = {"type": "queueTrigger", "queueName": "orders", "connection": "Conn", "dataType": "string"}
    retry = {"strategy": "fixedDelay", "maxRetryCount": 3, "delayInterval": "00:00:10"}
    table = {"type": "table", "direction": "out", "tableName": "t"}
    files = {
        "Take/__init__.py": "def main(order, row, starter): ...",
        "Take/function.json": folder(order=queue, row=table, starter={"type": "durableClient"}) | {"retry": retry},
    }
    directory = write_app(files)
    app = df.DFApp.from_function_json(directory)
    (left,) = sort_functions(app, "api", {}).left_out
    assert (left.name, left.trigger, left.reason) == ("Take", "queueTrigger", "its trigger needs the Functions host")

    take: Any = expand(app)[0]
    raw = [json.loads(text) for text in take.get_raw_bindings()]
    assert raw == [
        {**queue, "direction": "IN", "name": "order", "dataType": "STRING"},
        {**table, "direction": "OUT", "name": "row"},
    ]
    assert take.get_settings_dict("retry_policy") == {
        "setting_name": "retry_policy",
        "strategy": "fixed_delay",
        "max_retry_count": "3",
        "delay_interval": "00:00:10",
    }


def test_a_functions_host_gets_its_functions_beside_those_of_the_folders(write_app: WriteApp) -> None:
    bindings = [HTTP | {"authLevel": "function", "webHookType": "github"}, RETURN, STARTER]
    files = CHAINING | {"Start/__init__.py": START, "Start/function.json": {"bindings": bindings}}
    functions = expand(df.DFApp.from_function_json(write_app(files)))
    names = [str(function.get_function_name()) for function in functions]
    assert names[:2] == ["Start", "durable_instances"]
    start: Any = functions[0]
    assert json.loads(start.get_raw_bindings()[0]) == {
        "direction": "IN",
        "type": "httpTrigger",
        "name": "req",
        "methods": ["POST", "GET"],
        "authLevel": "FUNCTION",
        "route": "orchestrators/{functionName}",
        "webHookType": "github",
    }


def test_an_app_is_loaded_anew_in_a_process_that_had_another(write_app: WriteApp, tmp_path: Path) -> None:
    first = df.DFApp.from_function_json(write_app(CHAINING))
    (tmp_path / "app").rename(tmp_path / "former")
    again = CHAINING | {"Hello/__init__.py": HELLO.replace("Hello {", "Servus {")}
    second = df.DFApp.from_function_json(write_app(again).rename(tmp_path / "second"))
    assert run(first, "Chain").output == ["Hello Tokyo!", "Hello London!"]
    assert run(second, "Chain").output == ["Servus Tokyo!", "Servus London!"]


@pytest.mark.parametrize(
    ("declared", "code", "message"),
    [
        ({}, HELLO, r"function\.json needs one trigger among its bindings; it has none"),
        (
            folder(name={"type": "activityTrigger"}, context={"type": "entityTrigger"}),
            HELLO,
            "it has activityTrigger, entityTrigger",
        ),
        ({"bindings": [5]}, HELLO, r"bindings\[0\] must be an object"),
        ({"bindings": {}}, HELLO, r"has bindings \{\}; accepted is an array"),
        (folder(name={}), HELLO, r"bindings\[0\] has no type"),
        ({"bindings": [{"type": "activityTrigger"}]}, HELLO, r"bindings\[0\] has no name"),
        (folder(x={"type": "activityTrigger"}), HELLO, r"has no parameter 'x', which .*bindings\[0\] names"),
        (folder(req={"type": "httpTrigger", "methods": ["got"]}), HELLO, "has methods 'got'; accepted is one of get"),
        (folder(req={"type": "httpTrigger", "authLevel": "all"}), HELLO, "authLevel 'all'; accepted is one of functi"),
        (folder(req={"type": "httpTrigger"}), "def main(req, x): ...", "has a parameter 'x', for which .* no binding"),
        (folder(req={"type": "httpTrigger"}), "def main(): ...", "has no parameter 'req', which "),
        (folder(t={"type": "timerTrigger"}), "def main(t): ...", "has no schedule"),
        (folder(t={"type": "timerTrigger", "schedule": 5}), "def main(t): ...", "schedule 5; accepted is a non-empty"),
        (folder(q={"type": "queueTrigger", "dataType": "x"}), "def main(q): ...", "dataType 'x'; accepted is one of"),
        (
            folder(req={"type": "httpTrigger"}, b={"type": "blob", "direction": "inout"}),
            "def main(req, b): ...",
            "direction 'inout'; accepted is in or out",
        ),
        (folder(name={"type": "activityTrigger"}), "x = 1", r"__init__\.py has no function 'main', which .* needs"),
        (
            {"entryPoint": "run", **folder(name={"type": "activityTrigger"})},
            HELLO,
            r"no function 'run', which .*function\.json names as entryPoint",
        ),
        ({"scriptFile": "no.py", **ORCHESTRATION}, HELLO, r"has no script no\.py\. Name it by scriptFile"),
        ({"scriptFile": "../../out.py", **ORCHESTRATION}, HELLO, "scriptFile outside of the app"),
        (
            {"retry": {"strategy": "fixedDelay"}, **folder(name={"type": "activityTrigger"})},
            HELLO,
            "has maxRetryCount None; accepted is a whole number",
        ),
        ({"retry": {"strategy": "often"}, **folder(name={"type": "activityTrigger"})}, HELLO, "accepted is fixedDelay"),
    ],
)
def test_what_is_declared_wrongly_is_refused_by_file(
    write_app: WriteApp, declared: dict[str, Any], code: str, message: str
) -> None:
    directory = write_app({"Work/function.json": declared, "Work/__init__.py": code, "../out.py": "def main(x): ..."})
    with pytest.raises(RegistrationError, match=message):
        df.DFApp.from_function_json(directory)


def test_an_output_of_an_activity_is_refused_by_name(write_app: WriteApp) -> None:
    sms = folder(phone={"type": "activityTrigger"}, message={"type": "twilioSms", "direction": "out", "from": "%F%"})
    files = {"Send/function.json": sms, "Send/__init__.py": "def main(phone, message): ..."}
    app = df.DFApp.from_function_json(write_app(files))
    with pytest.raises(RegistrationError, match=r"has a binding twilioSms \('message'\) beside its trigger"):
        _ = app.registry


@pytest.mark.parametrize("name", ["1Work", "My Work", "W" * 129])
def test_a_folder_that_cannot_name_a_function_is_refused(write_app: WriteApp, name: str) -> None:
    directory = write_app({f"{name}/function.json": ORCHESTRATION, f"{name}/__init__.py": CHAIN})
    with pytest.raises(RegistrationError, match="in a folder that cannot name a function"):
        df.DFApp.from_function_json(directory)


def test_a_file_that_is_no_json_is_refused_with_its_place(write_app: WriteApp) -> None:
    with pytest.raises(SettingsError, match=r"function\.json, line 1, column 2 is not valid JSON"):
        df.DFApp.from_function_json(write_app({"Work/function.json": "{bindings"}))


def test_comments_in_a_file_are_fine(write_app: WriteApp) -> None:
    text = '{ // the input\n "bindings": [{"name": "name", "type": "activityTrigger", "direction": "in"},] }'
    app = df.DFApp.from_function_json(write_app({"Work/function.json": text, "Work/__init__.py": HELLO}))
    assert app.registry.activities.names() == ["Work"]


def test_a_directory_without_folders_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RegistrationError, match=r"There is no folder with a function\.json in"):
        df.DFApp.from_function_json(tmp_path)


async def test_an_error_of_a_script_is_shown_from_its_own_frames(write_app: WriteApp, serve: Serve) -> None:
    files = CHAINING | {"Hello/__init__.py": "import not_there_at_all"}
    with pytest.raises(RegistrationError, match=r"Hello/__init__\.py[\s\S]*No module named 'not_there_at_all'") as told:
        await serve(write_app(files))
    assert "app_package" not in str(told.value)


def test_entry_points_are_reached_by_unit_tests_as_they_were() -> None:
    def work(context: Any) -> int:
        return 5

    orchestrator: Any = df.Orchestrator.create(work)
    entity: Any = df.Entity.create(work)
    assert orchestrator.orchestrator_function is work
    assert entity.entity_function is work


def test_the_text_of_the_extension_is_no_client() -> None:
    text = '{"taskHubName": "TestHubName", "managementUrls": {}}'
    make: Any = df.DurableOrchestrationClient
    with pytest.raises(RegistrationError, match=r"DurableOrchestrationClient was given a text.*from_function_json"):
        make(text)


def test_the_functions_worker_that_loads_a_folder_itself_is_told_what_to_do(
    write_app: WriteApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As azure_functions_runtime_v1 and older workers import a folder's script.
    from importlib.machinery import ModuleSpec
    from importlib.util import module_from_spec

    directory = write_app(CHAINING)
    spec = ModuleSpec("__app__", None, is_package=True)
    spec.submodule_search_locations = [str(directory)]
    monkeypatch.setitem(sys.modules, "__app__", module_from_spec(spec))
    with pytest.raises(RegistrationError, match=r"by the Functions worker[\s\S]*DFApp\.from_function_json\(Path"):
        __import__("__app__.Chain")
    app = df.DFApp.from_function_json(directory)
    assert run(app, "Chain").output == ["Hello Tokyo!", "Hello London!"], "which is what it then does"
