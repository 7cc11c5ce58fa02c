"""The code of `docs/clients.md` runs, against a host that serves the app of the page.

Django and FastAPI are not among what the tests need: as much of them as the page uses is put in their place.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.host import ROOT, Host, write_host_json
from tests.showing import blocks, section

PAGE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
DJANGO = """
class HttpRequest: ...

class JsonResponse:
    def __init__(self, data, status=200):
        self.data, self.status = data, status
"""
FASTAPI = """
from types import SimpleNamespace

class FastAPI:
    def __init__(self, lifespan):
        self.lifespan, self.state, self.routes = lifespan, SimpleNamespace(), {}

    def post(self, path):
        return lambda function: self.routes.setdefault(path, function)

class Request:
    def __init__(self, app):
        self.app = app
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("clients")
    (directory / "function_app.py").write_text(blocks(PAGE, "python")[0], encoding="utf-8")
    write_host_json(directory, "ClientsHub")
    for name, text in (("django/http.py", DJANGO), ("django/__init__.py", ""), ("fastapi.py", FASTAPI)):
        stand_in = directory / "stand-ins" / name
        stand_in.parent.mkdir(parents=True, exist_ok=True)
        stand_in.write_text(text, encoding="utf-8")
    return directory


@pytest.fixture(scope="module")
def served(place: Path) -> Iterator[Host]:
    host = Host(place, "sqlite")
    host.start()
    yield host
    host.kill()


def run(place: Path, code: str) -> str:
    """What a program prints, in which a warning is an error."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AzureWebJobs")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=place,
        env={**kept, "PYTHONPATH": os.pathsep.join([str(ROOT), str(place / "stand-ins")])},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def shown(heading: str) -> list[str]:
    return blocks(section(PAGE, heading), "python")


def test_functions_of_both_kinds_get_their_client(served: Host) -> None:
    assert served.get("/api/async").text == "Hello async!"
    assert served.get("/api/sync").text == "Hello sync!"


def test_the_scripts_run(served: Host, place: Path) -> None:
    sync, async_ = shown("In a script")
    first, *listed = run(place, sync).splitlines()
    assert first == "Hello Ada!"
    assert listed
    assert {line.split()[1] for line in listed} == {"Completed"}
    assert run(place, async_) == "granted\n"


def test_the_cell_runs_where_an_event_loop_runs(served: Host, place: Path) -> None:
    [cell] = shown("In a notebook")
    *statements, expression = cell.strip().splitlines()
    body = textwrap.indent("\n".join([*statements, f"print({expression})"]), "    ")
    kernel = f"import asyncio\nasync def cell():\n{body}\nasyncio.run(cell())\n"
    assert run(place, kernel) == "Hello notebook!\n"


def test_the_views_of_django_work_in_many_threads(served: Host, place: Path) -> None:
    [views] = shown("In Django, Flask and the like")
    use = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(8) as pool:
    started = [answer.data["id"] for answer in pool.map(lambda name: start(HttpRequest(), name), "abcdefgh")]
    durable().wait_for_completion(started[0], 60)
    answer = look(HttpRequest(), started[0])
    print(len(started), answer.status, answer.data["output"], answer.data["tags"], look(HttpRequest(), "nobody").status)
"""
    assert run(place, views + use) == "8 200 Hello a! {'source': 'django'} 404\n"


def test_the_application_of_fastapi_works(served: Host, place: Path) -> None:
    [application] = shown("In FastAPI and the like")
    use = """
import asyncio
async def use():
    async with app.lifespan(app):
        answer = await app.routes["/greetings/{name}"]("FastAPI", Request(app))
        print((await app.state.durable.wait_for_completion(answer["id"], 60)).output)
asyncio.run(use())
"""
    assert run(place, application + use) == "Hello FastAPI!\n"


def test_many_at_once_are_told_of_one_by_one(served: Host, place: Path) -> None:
    [code] = shown("Many at once")
    told, hello, *granted = run(place, code).splitlines()
    assert told.startswith(
        "1 of 2 have failed, the others are done; `outcomes` has what came of each. The first failure:"
    )
    assert (hello, granted) == ("Hello Ada!", ["granted"] * 3)
    look = """
import time
import azure_durable_py as df
with df.DurableOrchestrationSyncClient.from_app_settings(".") as client:
    while (states := [client.read_entity_state(df.EntityId("counter", key)).entity_state for key in "ab"]) != [2, 1]:
        time.sleep(0.1)
    print(states)
"""
    assert run(place, look) == "[2, 1]\n"


def test_the_policies_do_what_the_page_says(served: Host, place: Path) -> None:
    [code] = shown("When the id is taken")
    assert run(place, code) == "False\n"
