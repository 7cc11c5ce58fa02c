"""One process of the production Functions worker, driven over its standard streams, a JSON object a line.

Started with the app's folder. It indexes and loads the app as the host would, tells what it found, then
serves invocations, many at a time.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import sys
from typing import Any

from tests.functions_worker.protos import Record, protos


def _request(**parts: Any) -> Record:
    return Record(request=Record(**parts), properties={"host": "127.0.0.1", "protos": protos})


def _datum(value: Any) -> Record:
    """A value as the host sends it: `{"kind": ..., "value": ...}`."""
    kind, plain = value["kind"], value["value"]
    if kind == "bytes":
        return Record(bytes=base64.b64decode(plain))
    if kind == "http":
        body = Record(bytes=base64.b64decode(plain.pop("body")))
        return Record(http=Record(**{**plain, "body": body}))
    return Record(**{kind: plain})


def _shown(value: Record | None) -> Any:
    """A value that a function returned, as JSON can hold it."""
    if value is None:
        return None
    if value.http is not None:
        body = _shown(value.http.body) or ""
        return {"status": int(value.http.status_code), "headers": dict(value.http.headers), "body": body}
    kind = value.WhichOneof("data")
    plain = getattr(value, kind) if kind else None
    return plain.decode() if isinstance(plain, bytes) else plain


class Worker:
    """Serves one app."""

    def __init__(self, directory: str) -> None:
        import azure_functions_runtime as runtime

        self._runtime = runtime
        self._directory = directory
        self._ids: dict[str, str] = {}

    async def start(self) -> dict[str, Any]:
        """Index and load the app."""
        init = Record(capabilities={}, function_app_directory=self._directory)
        started = await self._runtime.worker_init_request(_request(worker_init_request=init))
        if started.result.status != protos.StatusResult.Success:
            return {"error": started.result.exception.message, "stack": started.result.exception.stack_trace}
        storage_imported = any(name.startswith(("azure.storage", "azure.data")) for name in sys.modules)
        found = await self._runtime.functions_metadata_request(_request())
        functions = []
        for function in found.function_metadata_results or []:
            self._ids[function.name] = function.function_id
            load = Record(function_id=function.function_id)
            loaded = await self._runtime.function_load_request(_request(function_load_request=load))
            assert loaded.result.status == protos.StatusResult.Success
            bindings = [json.loads(binding) for binding in function.raw_bindings]
            functions.append({"name": function.name, "bindings": bindings})
        return {"functions": functions, "storage_imported": storage_imported, "capabilities": started.capabilities}

    async def invoke(self, call: dict[str, Any]) -> dict[str, Any]:
        """Serve one invocation."""
        request = Record(
            invocation_id=call["id"],
            function_id=self._ids[call["function"]],
            input_data=[Record(name=name, data=_datum(value)) for name, value in call["inputs"].items()],
            trigger_metadata={name: _datum(value) for name, value in call["metadata"].items()},
            trace_context=Record(trace_parent="", trace_state="", attributes={}),
            retry_context=Record(retry_count=0, max_retry_count=0, exception=None),
        )
        done = await self._runtime.invocation_request(_request(invocation_request=request))
        if done.result.status != protos.StatusResult.Success:
            return {"error": done.result.exception.message, "stack": done.result.exception.stack_trace}
        return {"result": _shown(done.return_value)}


async def main(directory: str) -> None:
    """Serve until the standard input ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=2**24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    # What user code prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def answer(content: dict[str, Any]) -> None:
        answers.write(json.dumps(content) + "\n")

    worker = Worker(directory)
    answer(await worker.start())
    running: set[asyncio.Task[None]] = set()

    async def serve(call: dict[str, Any]) -> None:
        answer({"id": call["id"], **await worker.invoke(call)})

    while line := await reader.readline():
        task = loop.create_task(serve(json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.getLogger("azure.core").setLevel(logging.WARNING)
    sys.path.insert(0, sys.argv[1])
    os.chdir(sys.argv[1])
    asyncio.run(main(sys.argv[1]))
