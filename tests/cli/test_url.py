"""`--url`: the commands through the management API of a running host."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.cli.shop import azure_durable, eventually, make_shop, ran
from tests.e2e.host import Host, free_port


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host with its hub in its memory, which nothing else can look into."""
    host = Host(make_shop(tmp_path_factory.mktemp("memory")), "memory")
    host.start()
    yield host
    host.kill()


@pytest.fixture(scope="module")
def url(host: Host) -> list[str]:
    return ["--url", f"http://127.0.0.1:{host.port}"]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host that wants a key from everybody."""
    host = Host(make_shop(tmp_path_factory.mktemp("guarded")), "memory", options=("--no-trust-local",))
    host.start()
    yield host
    host.kill()


def status(url: list[str], instance_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(ran("get-runtime-status", instance_id, *url, "--json").stdout)
    return shown


def start(url: list[str], instance_id: str, item: str = "tea", *, check: bool = False) -> None:
    given = json.dumps({"item": item, "amount": 1, "check": check})
    assert ran("start-new", "Order", *url, "--id", instance_id, "--input", given).stdout == f"{instance_id}\n"


def until_status(url: list[str], instance_id: str, wanted: str) -> None:
    eventually(lambda: status(url, instance_id)["runtimeStatus"] == wanted, f"{instance_id} is {wanted}")


def test_instances_are_started_listed_and_read(url: list[str]) -> None:
    start(url, "read me")
    until_status(url, "read me", "Completed")
    found = json.loads(ran("list", "--name", "Order", "--status", "Completed", *url, "--json").stdout)
    assert [one["instanceId"] for one in found] == ["read me"]
    assert found[0]["completedTime"]
    assert json.loads(ran("list", "--tag", "shop=north", *url, "--json").stdout) == []
    assert json.loads(ran("list", "--created-before", "1h", *url, "--json").stdout) == []
    shown = json.loads(ran("get-runtime-status", "read me", "--show-input", "--show-output", *url, "--json").stdout)
    assert (shown["input"]["item"], shown["output"]) == ("tea", "sent tea")
    events = json.loads(ran("get-history", "read me", *url, "--json").stdout)
    assert events[0]["EventType"] == "ExecutionStarted"
    assert len(json.loads(ran("get-instances", "--top", "1", *url, "--json").stdout)["instances"]) == 1


def test_an_instance_is_steered(url: list[str]) -> None:
    start(url, "steered", check=True)
    eventually(lambda: status(url, "steered")["customStatus"] == {"step": "approval"}, "it waits for approval")
    ran("suspend", "steered", *url, "--reason", "out of stock")
    until_status(url, "steered", "Suspended")
    ran("resume", "steered", *url)
    until_status(url, "steered", "Running")
    ran("raise-event", "steered", "approved", *url, "--event-data", '{"by": "Ann"}')
    until_status(url, "steered", "Completed")
    again = azure_durable("terminate", "steered", *url)
    assert (again.exit_code, again.stderr) == (
        1,
        "Error: Instance 'steered' is Completed: there is nothing to terminate.\n",
    )
    new = ran("restart", "steered", *url).stdout.strip()
    eventually(lambda: status(url, new)["customStatus"] == {"step": "approval"}, "the new one waits for approval")
    ran("terminate", new, *url, "--reason", "enough")
    until_status(url, new, "Terminated")
    assert ran("purge-history", "--id", new, *url).stdout == "Deleted 1 instance.\n"
    assert azure_durable("get-runtime-status", new, *url).exit_code == 3


def test_a_failed_instance_is_rewound_and_purged_with_others(url: list[str]) -> None:
    start(url, "fails", "anvil")
    until_status(url, "fails", "Failed")
    assert ran("rewind", "fails", *url).stdout.startswith("Rewound instance 'fails': it was Failed and is ")
    eventually(
        lambda: (seen := status(url, "fails"))["runtimeStatus"] == "Failed" and seen["attempt"] == 1, "it fails again"
    )
    assert ran("purge-history", "--runtime-status", "Failed", *url).stdout == "Deleted 2 instances.\n"
    assert ran("purge-history", "--runtime-status", "Failed", *url).stdout == "Deleted 0 instances.\n"


def test_an_instance_is_shown_and_waited_for(url: list[str]) -> None:
    start(url, "shown", check=True)
    eventually(lambda: status(url, "shown")["customStatus"] == {"step": "approval"}, "it waits for approval")
    found = json.loads(ran("show", "shown", *url, "--json").stdout)
    assert (found["input"]["item"], found["waits"][0]["name"]) == ("tea", "approved")
    assert "event\tapproved\t" in ran("show", "shown", *url).stdout
    assert azure_durable("wait", "shown", *url, "--timeout", "0.1").exit_code == 5
    ran("raise-event", "shown", "approved", *url)
    assert ran("wait", "shown", *url, "--timeout", "30").stdout == '"sent tea"\n'
    tree = json.loads(ran("history", "shown", *url, "--json", "--values").stdout)
    assert [step["kind"] for step in tree["steps"]] == ["activity", "event", "sub_orchestration"]
    assert tree["steps"][2]["child"]["steps"][0]["result"] == "sent tea"


@pytest.mark.parametrize(
    "arguments", [["show"], ["history"], ["wait"], ["get-runtime-status"], ["get-history"], ["suspend"], ["restart"]]
)
def test_an_instance_that_is_not_there_is_exit_code_3(url: list[str], arguments: list[str]) -> None:
    result = azure_durable(*arguments, "nope", *url)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "There is no instance 'nope'" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [["repair"], ["export"], ["delete-task-hub", "--yes"], ["show", "a", "--raw"]],
    ids=" ".join,
)
def test_what_needs_the_hub_itself_says_so(url: list[str], arguments: list[str]) -> None:
    result = azure_durable(*arguments, *url)
    assert result.exit_code == 2
    assert "This needs the task hub itself, which a host's URL does not give." in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["start-new", "Order", "--tag", "shop=north"], "The management API takes no tags"),
        (["list", "--storage", "sqlite"], "leave the storage out"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_the_api_does_not_offer_is_said(url: list[str], arguments: list[str], message: str) -> None:
    result = azure_durable(*arguments, *url)
    assert result.exit_code == 2
    assert message in result.stderr


def test_another_hub_than_that_of_the_host_is_refused(url: list[str]) -> None:
    result = azure_durable("list", *url, "--hub", "OtherHub")
    assert result.exit_code == 1
    assert "serves task hub 'TestHubName', not 'OtherHub'" in result.stderr


@pytest.mark.parametrize(
    ("code", "said"), [([], "wants a key"), (["--code", "wrong"], "refuses this key")], ids=["none", "wrong"]
)
def test_a_key_that_is_missing_or_wrong_is_one_clear_line(guarded: Host, code: list[str], said: str) -> None:
    result = azure_durable("list", "--url", f"http://127.0.0.1:{guarded.port}", *code)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{said} (401)" in result.stderr
    assert "AZURE_DURABLE_CODE" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ("localhost:7071", 2, "is no address of a host"),
        ("ftp://localhost", 2, "is no address of a host"),
        ("http://", 2, "is no address of a host"),
        ("http://[::1", 2, "is no address of a host"),
        ("http://localhost:port", 2, "is no address of a host"),
        ("http://localhost:99999", 2, "is no address of a host"),
        ("http://local\x1b[31mhost", 2, "is no address of a host"),
    ],
)
def test_a_url_that_is_none_is_wrong_usage(given: str, code: int, message: str) -> None:
    result = azure_durable("list", "--url", given)
    assert result.exit_code == code
    assert message in result.stderr


def test_a_host_that_does_not_run_is_one_clear_line() -> None:
    result = azure_durable("list", "--url", f"http://127.0.0.1:{free_port()}")
    assert result.exit_code == 1
    assert result.stderr.endswith("Does it run?\n")
    assert result.stderr.count("\n") == 1


class Other(BaseHTTPRequestHandler):
    """Answers as a server of something else does, and keeps what it was asked."""

    asked: ClassVar[list[tuple[str, str | None]]] = []
    status, body = 200, b"<html>"

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("x-functions-key")))
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def other() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Other)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    Other.asked.clear()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(("status", "message"), [(200, "its answer is no JSON"), (404, "answered 404"), (502, "502")])
def test_what_is_no_management_api_is_said(
    other: str, status: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Other, "status", status)
    result = azure_durable("list", "--url", other)
    assert result.exit_code == 1
    assert message in result.stderr
    assert "https://APP.azurewebsites.net/api/durabletask" in result.stderr


def test_the_key_is_sent_in_a_header_and_the_base_as_it_is_given(other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Other, "body", b'{"items": [], "continuationToken": null}')
    monkeypatch.setenv("AZURE_DURABLE_CODE", "s3cret")
    ran("list", "--url", f"{other}/api/durabletask/")
    ran("list", "--url", other)
    (first, key), (second, _) = Other.asked
    assert first.startswith("/api/durabletask/monitor/api/instances?")
    assert second.startswith("/runtime/webhooks/durabletask/monitor/api/instances?")
    assert key == "s3cret"
    assert "s3cret" not in first


def test_a_redirection_takes_the_key_nowhere_else(other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Other, "status", 302)
    result = azure_durable("list", "--url", other, "--code", "s3cret")
    assert result.exit_code == 1
    assert "leads elsewhere (302)" in result.stderr
    assert len(Other.asked) == 1


def test_names_of_others_stay_within_the_path(other: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Other, "body", b'{"runtimeStatus": "Running", "name": "x", "instanceId": "x"}')
    azure_durable("get-runtime-status", "a/../b?c=d#e %41", "--url", other)
    assert Other.asked[0][0].startswith("/runtime/webhooks/durabletask/instances/a%2F..%2Fb%3Fc%3Dd%23e%20%2541?")


@pytest.mark.parametrize(
    "arguments",
    [
        *(["list"], ["get-instances"], ["get-runtime-status", "a"], ["show", "a"], ["show", "@a@b"], ["history", "a"]),
        *(["entities", "list"], ["hub", "show"], ["wait", "a", "--timeout", "1s"]),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize(
    "body", [b"[1]", b"{}", b'{"items": [{}], "runtimeStatus": "Odd", "instanceId": 5}', b"7", b""]
)
def test_an_answer_that_makes_no_sense_is_one_clear_line(
    other: str, monkeypatch: pytest.MonkeyPatch, arguments: list[str], body: bytes
) -> None:
    monkeypatch.setattr(Other, "body", body)
    result = azure_durable(*arguments, "--url", other)
    assert result.exit_code in {1, 3}
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert isinstance(result.exception, SystemExit)
