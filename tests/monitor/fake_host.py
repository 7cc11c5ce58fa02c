"""A host that answers the monitor page from data that a test made up: as much as it wants, and as wrong as it wants.

Owns the answers alone. That the real hosts answer in this way is tested with them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

PAGE = Path(__file__).parents[2] / "azure_durable_py" / "http" / "monitor" / "page"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}
START = datetime(2026, 3, 1, 8, 0, tzinfo=timezone.utc)


def at(seconds: float = 0) -> str:
    """A moment so many seconds after the start of all that is made up."""
    return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def value(data: Any) -> dict[str, Any]:
    """A value as it is shown: in the answer where it is short."""
    text = json.dumps(data)
    return {"size": len(text), "text": text} if len(text) <= 2048 else {"size": len(text), "large": True}


def row(instance_id: str, status: str = "Running", **more: Any) -> dict[str, Any]:
    """An instance in a listing."""
    return {
        "instanceId": instance_id,
        "name": "orders",
        "runtimeStatus": status,
        "createdTime": at(),
        "lastUpdatedTime": at(5),
        "completedTime": at(5) if status in ("Completed", "Failed", "Terminated") else None,
        "version": None,
        "tags": {},
        "customStatus": None,
        "approvals": 0,
        "parentInstanceId": None,
        "damaged": None,
        **more,
    }


def inspection(instance_id: str, status: str = "Running", **more: Any) -> dict[str, Any]:
    """An instance as its own view gets it."""
    shown = row(instance_id, status)
    del shown["damaged"]
    return {
        **shown,
        "kind": "orchestration",
        "executionId": "e1",
        "generation": 0,
        "attempt": 0,
        "input": None,
        "output": None,
        "failure": None,
        "startAt": None,
        "nextWake": None,
        "lock": None,
        "suspendedSince": None,
        "approvals": [],
        "waits": [],
        "waitsLeftOut": 0,
        "outbox": [],
        "outboxLeftOut": 0,
        "inbox": [],
        "inboxGoesOn": False,
        "damaged": [],
        "findings": [],
        "takenAt": at(),
        "registered": True,
        "can": dict.fromkeys(["raiseEvent", "terminate", "suspend", "resume", "rewind", "restart", "purge"], True),
        **more,
    }


def step(index: int, name: str, began: float, ended: float | None, **more: Any) -> dict[str, Any]:
    """A step of a timeline."""
    return {
        "index": index,
        "kind": "activity",
        "name": name,
        "taskId": index,
        "began": at(began),
        "ended": None if ended is None else at(ended),
        "outcome": "open" if ended is None else "completed",
        "target": None,
        "due": None,
        "attempt": 1,
        "retryOf": None,
        "input": None,
        "result": None,
        "failure": None,
        "detail": None,
        **more,
    }


@dataclass
class FakeHost:
    """What the host answers, to be changed at will; and what it was asked to do.

    A purge is done once `may_purge` is set, as it is from the start. `examines` is how many instances it looks through
    for one page, where it does not look through all.
    """

    key: str | None = None
    down: bool = False
    instances: list[dict[str, Any]] = field(default_factory=lambda: [])
    details: dict[str, dict[str, Any]] = field(default_factory=lambda: {})
    steps: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {})
    events: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {})
    families: dict[str, dict[str, Any]] = field(default_factory=lambda: {})
    values: dict[str, str] = field(default_factory=lambda: {})
    examines: int | None = None
    entities: list[dict[str, Any]] = field(default_factory=lambda: [])
    entity_details: dict[str, dict[str, Any]] = field(default_factory=lambda: {})
    schedules: list[dict[str, Any]] = field(default_factory=lambda: [])
    overview: dict[str, Any] = field(default_factory=lambda: {})
    refusals: dict[str, tuple[int, str]] = field(default_factory=lambda: {})
    asked: list[str] = field(default_factory=lambda: [])
    done: list[tuple[str, str, str]] = field(default_factory=lambda: [])
    purged: set[str] = field(default_factory=set[str])
    may_purge: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.may_purge.set()

    def answer(self, method: str, path: str, query: dict[str, str], body: str) -> tuple[int, Any]:
        """What is answered to a request below the base."""
        parts = [unquote(part) for part in path.split("/")]
        if method != "GET":
            return self._do(method, path, query, body)
        return self._data(parts[2:], query)

    def _do(self, method: str, path: str, query: dict[str, str], body: str) -> tuple[int, Any]:
        told = path + "".join(f" {name}={text}" for name, text in sorted(query.items()))
        self.done.append((method, told, body))
        for piece, (status, message) in self.refusals.items():
            if piece in path:
                return status, {"Message": message}
        if query.get("restartWithNewInstanceId") == "false":
            return 202, {"id": path.split("/")[1]}
        if path.startswith("orchestrators/") or path.endswith("/restart"):
            return 202, {"id": "made-anew"}
        if method == "DELETE" and path.startswith("instances/"):
            self.purged.add(path.split("/")[1])
            assert self.may_purge.wait(30)
            return 200, {"instancesDeleted": 1}
        return 202, None

    def _data(self, parts: list[str], query: dict[str, str]) -> tuple[int, Any]:
        match parts:
            case ["overview"]:
                return 200, self._overview()
            case ["instances"]:
                return 200, self._listing(query)
            case ["instances", name, *_] if name in self.purged:
                return 404, {"Message": f"There is no instance '{name}'."}
            case ["instances", name] if name in self.details:
                return 200, self.details[name]
            case ["instances", name, "timeline"]:
                return 200, self._timeline(name, query)
            case ["instances", name, "history"]:
                return 200, self._history(name, query)
            case ["instances", name, "family"]:
                me = {**row(name), "children": []}
                return 200, self.families.get(name, {"ancestors": [], "me": me, "leftOut": 0})
            case ["instances", name, "values", which] if f"{name}/{which}" in self.values:
                return 200, json.loads(self.values[f"{name}/{which}"])
            case ["entities"]:
                return 200, self._page(self.entities, query, 100)
            case ["entities", name, key] if f"{name}/{key}" in self.entity_details:
                return 200, self.entity_details[f"{name}/{key}"]
            case ["schedules"]:
                return 200, self._page(self.schedules, query, 100)
            case _:
                return 404, {"Message": f"There is nothing at {'/'.join(parts)}."}

    def _overview(self) -> dict[str, Any]:
        counts: dict[str, int] = {}
        for one in self.instances:
            counts[one["runtimeStatus"]] = counts.get(one["runtimeStatus"], 0) + 1
        return {
            "name": "ShopHub",
            "storage": "SQLite, hub.db",
            "formatVersion": 2,
            "takenAt": at(),
            "version": "0.1.0",
            "queues": [
                {"name": "shophub-instances", "role": "instances", "messages": 7},
                {"name": "shophub-activities", "role": "activities", "messages": 2},
                {"name": "shophub-poison", "role": "poison", "messages": 0},
            ],
            "counts": counts,
            "counted": len(self.instances),
            "complete": True,
            "entities": len(self.entities),
            "oldestPending": None,
            "stuck": [],
            "rates": {"seconds": 300, "created": 12, "completed": 10, "failed": 1},
            "findings": [],
            "app": {"orchestrators": ["orders"], "activities": ["charge", "ship"], "entities": ["counter"]},
            **self.overview,
        }

    def _listing(self, query: dict[str, str]) -> dict[str, Any]:
        if self.examines is None:
            filtered = not set(query) <= {"top", "token"}
            return self._page(
                [one for one in self.instances if _fits(one, query)] if filtered else self.instances, query, 50
            )
        begin = int(query.get("token", 0))
        end = begin + self.examines
        found = [one for one in self.instances[begin:end] if _fits(one, query)]
        more = str(end) if end < len(self.instances) else None
        return {"items": found, "continuationToken": more, "examined": self.examines}

    def _page(self, found: list[dict[str, Any]], query: dict[str, str], most: int) -> dict[str, Any]:
        begin, size = int(query.get("token", 0)), int(query.get("top", most))
        end = begin + size
        more = str(end) if end < len(found) else None
        return {"items": found[begin:end], "continuationToken": more, "examined": len(found)}

    def _timeline(self, name: str, query: dict[str, str]) -> dict[str, Any]:
        steps = self.steps.get(name, [])
        skip, limit = int(query.get("skip", 0)), int(query.get("limit", 1000))
        shown = steps[skip : skip + limit]
        if query.get("values") == "false":
            shown = [{**one, "input": None, "result": None} for one in shown]
        detail = self.details[name]
        return {
            "instanceId": name,
            "name": detail["name"],
            "runtimeStatus": detail["runtimeStatus"],
            "generation": detail["generation"],
            "began": at(),
            "ended": detail["completedTime"],
            "events": 2 * len(steps),
            "total": len(steps),
            "skip": skip,
            "leftOut": len(steps) - len(shown),
            "problem": None,
            "failure": detail["failure"],
            "steps": shown,
        }

    def _history(self, name: str, query: dict[str, str]) -> dict[str, Any]:
        events = self.events.get(name, [])
        skip, limit = int(query.get("skip", 0)), int(query.get("limit", 500))
        return {
            "total": len(events),
            "skip": skip,
            "generation": 0,
            "problem": None,
            "events": events[skip : skip + limit],
        }


def _fits(one: dict[str, Any], query: dict[str, str]) -> bool:
    tests: list[Callable[[], bool]] = [
        lambda: "status" not in query or one["runtimeStatus"] in query["status"].split(","),
        lambda: "name" not in query or one["name"] in query["name"].split(","),
        lambda: "search" not in query or query["search"].lower() in f"{one['instanceId']} {one['name']}".lower(),
        lambda: "prefix" not in query or one["instanceId"].startswith(query["prefix"]),
        lambda: "roots" not in query or one["parentInstanceId"] is None,
        lambda: "createdFrom" not in query or one["createdTime"] >= query["createdFrom"],
        lambda: "createdTo" not in query or one["createdTime"] < query["createdTo"],
    ]
    return all(test() for test in tests)


class RunningHost:
    """The fake host behind a port of this machine.

    :param base: where the management API is.
    """

    def __init__(self, base: str = "/runtime/webhooks/durabletask/") -> None:
        self.base = base
        self.says = FakeHost()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._serve(self)

            do_POST = do_DELETE = do_GET  # noqa: N815 - the names that the server calls

            def log_message(self, format: str, *args: Any) -> None:
                del format, args

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://127.0.0.1:{self._server.server_port}{self.base}monitor"

    def close(self) -> None:
        """Stop it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0))).decode()
        parts = urlsplit(request.path)
        path = parts.path.removeprefix(self.base)
        query = {name: texts[0] for name, texts in parse_qs(parts.query).items()}
        if request.command == "GET" and (path == "monitor" or path.startswith("monitor/assets/")):
            self._send_file(request, "index.html" if path == "monitor" else path.rpartition("/")[2])
            return
        says = self.says
        says.asked.append(request.path)
        if says.down:
            self._send(request, 503, {"Message": "The task hub's storage gives no answer at the moment."})
        elif says.key is not None and request.headers.get("x-functions-key") != says.key:
            self._send(request, 401, {"Message": "This needs the system key."})
        else:
            self._send(request, *says.answer(request.command, path, query, body))

    def _send_file(self, request: BaseHTTPRequestHandler, name: str) -> None:
        file = PAGE / name
        self._send_bytes(request, 200, TYPES[file.suffix], file.read_bytes(), {"Content-Security-Policy": POLICY})

    def _send(self, request: BaseHTTPRequestHandler, status: int, data: Any) -> None:
        body = b"" if data is None else json.dumps(data).encode()
        etag = f'W/"{sha256(body).hexdigest()[:16]}"'
        if request.headers.get("If-None-Match") == etag:
            status, body = 304, b""
        self._send_bytes(request, status, "application/json", body, {"ETag": etag})

    def _send_bytes(
        self, request: BaseHTTPRequestHandler, status: int, kind: str, body: bytes, headers: dict[str, str]
    ) -> None:
        request.send_response_only(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        for name, text in headers.items():
            request.send_header(name, text)
        request.end_headers()
        request.wfile.write(body)
