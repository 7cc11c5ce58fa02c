"""The sync client: the async one for code that waits."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from azure_durable_py.client.bridge import LoopBridge, LoopThread
from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.client.schedules import ScheduleClient
from azure_durable_py.client.sync_client import DurableOrchestrationSyncClient, ScheduleSyncClient
from azure_durable_py.errors import InstanceNotFoundError, SettingsError
from azure_durable_py.ids import EntityId
from azure_durable_py.status import OrchestrationRuntimeStatus as Status
from tests.client.playing import Playing
from tests.client.write_sync_client import LEFT_OUT, TARGET, generated
from tests.runtime.harness import run

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def client(tmp_path: Path) -> Iterator[DurableOrchestrationSyncClient]:
    with DurableOrchestrationSyncClient.from_sqlite(tmp_path / "hub.db", "MyHub") as client:
        yield client


def finish(client: DurableOrchestrationSyncClient, instance_id: str) -> None:
    """What a worker would do."""
    client._bridge.run(Playing(client._client.hub).set_status(instance_id, "Completed", output='"done"'))


# --- its calls are those of the async client ---------------------------------------------------------


def test_it_is_written_anew_when_the_async_client_changes() -> None:
    assert TARGET.read_text(encoding="utf-8") == generated(), "run: python -m tests.client.write_sync_client"


def public(cls: type) -> set[str]:
    return {name for name in dir(cls) if not name.startswith("_")}


def test_it_has_every_public_name_of_the_async_client() -> None:
    assert public(DurableOrchestrationSyncClient) == public(DurableOrchestrationClient) - LEFT_OUT | {"close"}


TWINS = {
    DurableOrchestrationClient: DurableOrchestrationSyncClient,
    ScheduleClient: ScheduleSyncClient,
}


@pytest.mark.parametrize(
    ("source", "name"), [(cls, name) for cls in TWINS for name in sorted(public(cls) - LEFT_OUT)], ids=str
)
def test_a_call_takes_what_its_async_twin_takes_and_says_the_same(source: type, name: str) -> None:
    ours: Any = getattr(TWINS[source], name)
    theirs: Any = getattr(source, name)
    assert (ours.__doc__ or "").replace(" ", "") == (theirs.__doc__ or "").replace(" (when entered)", "").replace(
        " ", ""
    )
    if isinstance(theirs, property):
        return
    assert not inspect.iscoroutinefunction(ours)
    mine, other = inspect.signature(ours), inspect.signature(theirs)
    assert list(mine.parameters.values()) == list(other.parameters.values())
    if inspect.iscoroutinefunction(theirs):
        assert mine.return_annotation == other.return_annotation


# --- what calls do -----------------------------------------------------------------------------------


def test_calls_wait_for_their_results(client: DurableOrchestrationSyncClient) -> None:
    assert client.task_hub_name == "MyHub"
    assert client.start_new("Hello", "one", [1], tags={"a": "b"}) == "one"
    status = client.get_status("one", show_input=True)
    assert (status.runtime_status, status.input_, status.tags) == (Status.Pending, [1], {"a": "b"})
    assert client.raise_event("one", "Go") is None
    finish(client, "one")
    assert client.wait_for_completion("one", 10).output == "done"
    assert client.purge_instance_history("one").instances_deleted == 1


def test_calls_raise_what_the_async_ones_raise(client: DurableOrchestrationSyncClient) -> None:
    with pytest.raises(InstanceNotFoundError, match="'nobody'"):
        client.raise_event("nobody", "Go")
    client.start_new("Hello", "one")
    with pytest.raises(TimeoutError, match="'one' is still Pending"):
        client.wait_for_completion("one", 0)
    with pytest.raises(TypeError, match="instance_id"):
        client.get_status()  # type: ignore[call-arg]


def test_schedules_hang_on_it(client: DurableOrchestrationSyncClient) -> None:
    assert isinstance(client.schedules, ScheduleSyncClient)
    assert client.schedules.list() == ()
    assert client.schedules.get("nightly") is None


def test_iterators_give_items_as_they_are_asked_for(client: DurableOrchestrationSyncClient) -> None:
    for number in range(20):
        client.start_new("Hello", f"i-{number:02}")
        finish(client, f"i-{number:02}")
    assert [each.status.instance_id for each in client.export_history()] == [f"i-{number:02}" for number in range(20)]
    left_early = client.export_history()
    assert next(left_early).status.instance_id == "i-00"
    left_early.close()
    while client._bridge.run(tasks()) > 1:
        pass  # What it read from goes a moment later.
    client.signal_entity(EntityId("counter", "a"), "add", 1)
    assert list(client.list_entities("counter")) == []


async def tasks() -> int:
    """How many calls are under way, this one included."""
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    return len([name for name in names if name not in ("LoopThread._hold", "LoopThread._use", "Event.wait")])


def test_what_cannot_be_opened_is_an_error_at_once(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with pytest.raises(SettingsError, match="does not exist"):
        DurableOrchestrationSyncClient.from_sqlite(tmp_path / "nowhere" / "hub.db", "MyHub")
    assert set(threading.enumerate()) <= before


def test_an_error_while_closing_is_raised_by_who_closes() -> None:
    @asynccontextmanager
    async def fails_to_close() -> AsyncGenerator[int, None]:
        yield 1
        raise OSError("disk is full")

    thread = LoopThread(fails_to_close(), "test")
    assert thread.entered == 1
    with pytest.raises(OSError, match="disk is full"):
        thread.close()
    thread.close()


# --- threads and loops -------------------------------------------------------------------------------


def test_many_threads_use_one_client(client: DurableOrchestrationSyncClient) -> None:
    def work(number: int) -> Any:
        client.start_new("Hello", f"i-{number}", number)
        return client.get_status(f"i-{number}", show_input=True).input_

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(work, range(100))) == list(range(100))


async def test_it_works_where_an_event_loop_runs(client: DurableOrchestrationSyncClient) -> None:
    assert client.start_new("Hello", "one") == "one"
    assert [status.instance_id for status in client.get_status_all()] == ["one"]


def test_a_call_on_the_loop_that_does_its_work_names_the_async_client(client: DurableOrchestrationSyncClient) -> None:
    async def on_the_loop(call: Callable[[], Any]) -> None:
        call()

    for call in (lambda: client.get_status("one"), lambda: next(client.list_entities())):
        with pytest.raises(RuntimeError, match="Use DurableOrchestrationClient, and await"):
            client._bridge.run(on_the_loop(call))
    with pytest.raises(RuntimeError, match="cannot be closed on the event loop"):
        client._bridge.run(on_the_loop(client.close))


def test_a_client_that_is_closed_says_so(tmp_path: Path) -> None:
    client = DurableOrchestrationSyncClient.from_sqlite(tmp_path / "hub.db", "MyHub")
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match="This client is closed"):
        client.get_status("one")


def test_closing_ends_the_waits_of_other_threads(tmp_path: Path) -> None:
    client = DurableOrchestrationSyncClient.from_sqlite(tmp_path / "hub.db", "MyHub")
    client.start_new("Hello", "one")
    with ThreadPoolExecutor(4) as pool:
        waits = [pool.submit(client.wait_for_completion, "one") for _ in range(4)]
        while client._bridge.run(tasks()) < 5:
            pass
        client.close()
        for wait in waits:
            with pytest.raises(RuntimeError, match="This client is closed"):
                wait.result(10)


async def test_an_orchestrator_on_the_loop_that_does_the_work_does_not_wait_for_itself() -> None:
    bridge = LoopBridge(asyncio.get_running_loop())

    async def orchestrator(context):
        bridge.run(asyncio.sleep(0))

    failure = run(orchestrator).run("orchestrator").turn.failure
    assert failure is not None
    assert "would wait for itself" in failure.message


def test_a_wait_ends_when_the_loop_of_the_host_ends() -> None:
    loop = asyncio.new_event_loop()
    waiting = threading.Event()

    async def serve() -> None:
        await asyncio.get_running_loop().run_in_executor(None, waiting.wait)

    async def for_ever() -> None:
        waiting.set()
        await asyncio.Event().wait()

    host = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    host.start()
    bridge = LoopBridge(loop)
    with pytest.raises(RuntimeError, match="the host that it belongs to has stopped"):
        bridge.run(for_ever())
    host.join()
    bridge.close()
    for task in asyncio.all_tasks(loop):
        task.cancel()
        loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    with pytest.raises(RuntimeError, match="has stopped"):
        bridge.run(for_ever())


# --- processes ---------------------------------------------------------------------------------------


def script(directory: Path, text: str) -> subprocess.Popen[str]:
    """A program of its own, in which every warning is an error."""
    head = """
        import asyncio, os, signal, sys, threading, time
        import azure_durable_py as df
        from pathlib import Path
        client = df.DurableOrchestrationSyncClient.from_sqlite("hub.db", "MyHub")
    """
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(head) + textwrap.dedent(text)],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def printed(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    return out


def test_a_program_that_never_closes_it_ends_without_a_word(tmp_path: Path) -> None:
    assert printed(script(tmp_path, 'print(client.start_new("Hello", "one"))')) == "one\n"


def test_a_program_ends_while_a_thread_still_waits(tmp_path: Path) -> None:
    text = """
        client.start_new("Hello", "one")
        threading.Thread(target=lambda: client.wait_for_completion("one"), daemon=True).start()
        threading.excepthook = lambda args: print(args.exc_type.__name__, flush=True)
        time.sleep(0.3)
    """
    assert printed(script(tmp_path, text)).strip() in ("", "RuntimeError")


def test_a_program_may_leave_in_the_middle_of_an_iteration(tmp_path: Path) -> None:
    text = """
        for number in range(3):
            client.signal_entity(df.EntityId("counter", str(number)), "add")
        listed = client.list_entities()
        next(listed, None)
        exported = client.export_history()
        next(exported, None)
    """
    assert printed(script(tmp_path, text)) == ""


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent Ctrl+C there")
def test_ctrl_c_ends_a_wait_and_not_the_client(tmp_path: Path) -> None:
    text = """
        async def waits():
            return len([task for task in asyncio.all_tasks() if "wait_for_completion" in repr(task)])

        def tell():
            while client._bridge.run(waits()) == 0:
                pass
            print("waiting", flush=True)

        client.start_new("Hello", "one")
        threading.Thread(target=tell, daemon=True).start()
        try:
            client.wait_for_completion("one")
        except KeyboardInterrupt:
            print("interrupted", client.get_status("one").runtime_status.value, client._bridge.run(waits()))
    """
    process = script(tmp_path, text)
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    assert printed(process) == "interrupted Pending 0\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_process_that_was_forked_off_is_told_to_make_a_client_of_its_own(tmp_path: Path) -> None:
    text = """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # It says that forking is dangerous, and so it is.
        child = os.fork()
        if child == 0:
            try:
                client.get_status("one")
            except RuntimeError as error:
                print(str(error)[:70], flush=True)
            client.close()
            with df.DurableOrchestrationSyncClient.from_sqlite("hub.db", "MyHub") as own:
                print(own.start_new("Hello", "from the child"), flush=True)
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(client.get_status("from the child").instance_id)
    """
    assert printed(script(tmp_path, text)).splitlines() == [
        "This client was made by the process that this one was forked from. Mak",
        "from the child",
        "from the child",
    ]
