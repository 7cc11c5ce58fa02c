"""A provider on this machine: it serves the responses API over HTTP, and answers as a function has it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Provider:
    """Where it is, and what it was asked: the body of each request, beside its path and `authorization`.

    :param busy: so many requests are answered with 429 first.
    """

    answer: Callable[[list[Any]], dict[str, Any]]
    busy: int = 0
    url: str = ""
    asked: list[tuple[str, str | None, dict[str, Any]]] = field(default_factory=list[Any])

    def respond(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """The status and the body of an answer."""
        if len(self.asked) <= self.busy:
            error = {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}
            return 429, {"error": error}
        given = body["input"]
        said = [{"role": "user", "content": given}] if isinstance(given, str) else given
        usage: dict[str, Any] = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
        details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
        return 200, {
            "id": f"resp_{len(self.asked)}",
            "object": "response",
            "created_at": 1,
            "model": body["model"],
            "output": [self.answer(said)],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": {**usage, **details},
        }


@contextmanager
def serving(answer: Callable[[list[Any]], dict[str, Any]], *, busy: int = 0) -> Generator[Provider, None, None]:
    """Serve, at a free port.

    :param answer: the next output item, by the input items. :param busy: so many requests are refused at first.
    """
    provider = Provider(answer, busy)

    class Serving(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            provider.asked.append((self.path, self.headers["authorization"], body))
            status, answered = provider.respond(body)
            data = json.dumps(answered).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.send_header("retry-after", "1")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Serving) as server:
        provider.url = f"http://127.0.0.1:{server.server_port}/v1"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
