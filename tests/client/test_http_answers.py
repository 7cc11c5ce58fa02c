"""The HTTP answers and links that functions return."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.client.links import HttpAnswer
from azure_durable_py.client.waiter import outcome_answer
from azure_durable_py.errors import InvalidInstanceIdError, InvalidRequestError
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.triggers.http import to_http_response
from tests.client.playing import Playing


@dataclass
class Asked:
    url: str = "http://localhost:7071/api/start?x=1"
    headers: Mapping[str, str] = field(default_factory=lambda: {})


class Urls:
    def payload(
        self, instance_id: str, origin: str | None = None, *, execution_id: str | None = None
    ) -> dict[str, str]:
        return {"id": instance_id, "statusQueryGetUri": f"{origin or 'http://known'}/instances/{instance_id}"}


@pytest.fixture
def serving(hub: TaskHub, settings: Settings) -> DurableOrchestrationClient:
    return DurableOrchestrationClient(hub, settings, urls=Urls())


def test_a_check_status_response_points_to_the_instance(serving: DurableOrchestrationClient):
    answer = serving.create_check_status_response(Asked(), "one")
    assert isinstance(answer, HttpAnswer)
    assert answer.status_code == 202
    assert answer.headers == {
        "Content-Type": "application/json",
        "Location": "http://localhost:7071/instances/one",
        "Retry-After": "10",
    }
    assert json.loads(answer.body) == {"id": "one", "statusQueryGetUri": "http://localhost:7071/instances/one"}


def test_the_response_of_a_function_says_that_it_is_json(serving: DurableOrchestrationClient):
    response = to_http_response(serving.create_check_status_response(Asked(), "one"))
    assert (response.mimetype, response.headers["Content-Type"]) == ("application/json", "application/json")
    assert to_http_response(HttpAnswer(202)).mimetype == "text/plain"


def test_links_have_the_origin_of_the_request_or_of_the_host(serving: DurableOrchestrationClient):
    assert serving.create_http_management_payload("one")["statusQueryGetUri"].startswith("http://known/")
    links = serving.get_client_response_links(Asked(), "one")
    assert links["statusQueryGetUri"].startswith("http://localhost:7071/")
    assert serving.get_client_response_links(None, "one")["statusQueryGetUri"].startswith("http://known/")


def test_a_management_payload_is_had_by_id_or_by_request_and_id(serving: DurableOrchestrationClient):
    of_host = serving.create_http_management_payload("one")
    assert of_host == serving.create_http_management_payload(instance_id="one")
    of_request = serving.create_http_management_payload(Asked(), "one")
    assert of_request == serving.get_client_response_links(Asked(), "one") != of_host
    for wrong in ({}, {"request": Asked()}, {"request": "one", "instance_id": "two"}):
        with pytest.raises(InvalidRequestError, match="an instance id, or a request and the id"):
            serving.create_http_management_payload(**wrong)


def test_a_forwarded_host_is_used_where_the_settings_say_so(hub: TaskHub, settings: Settings):
    request = Asked(headers={"x-forwarded-host": "outer.example", "x-forwarded-proto": "https"})
    for forwarded, origin in ((False, "http://localhost:7071"), (True, "https://outer.example")):
        client = DurableOrchestrationClient(hub, replace(settings, http_use_forwarded_host=forwarded), urls=Urls())
        assert client.get_client_response_links(request, "one")["statusQueryGetUri"] == f"{origin}/instances/one"


def test_where_nobody_serves_urls_the_error_says_what_to_do(client: DurableOrchestrationClient):
    with pytest.raises(InvalidRequestError, match="urls"):
        client.create_http_management_payload("one")


def test_links_of_impossible_ids_are_refused(serving: DurableOrchestrationClient):
    with pytest.raises(InvalidInstanceIdError):
        serving.create_http_management_payload("a/b")


def test_a_host_makes_its_own_responses(hub: TaskHub, settings: Settings):
    client = DurableOrchestrationClient(hub, settings, urls=Urls(), respond=lambda answer: ("own", answer.status_code))
    assert client.create_check_status_response(Asked(), "one") == ("own", 202)


@pytest.mark.parametrize(("status", "code"), [("Completed", 200), ("Failed", 500), ("Terminated", 200)])
async def test_waiting_answers_with_the_outcome(
    serving: DurableOrchestrationClient, worker: Playing, status: str, code: int
):
    await serving.start_new("Hello", "one")
    waiting = asyncio.create_task(
        serving.wait_for_completion_or_create_check_status_response(Asked(), "one", 30_000, 10)
    )
    await worker.set_status("one", status, output='{"n": 1}')
    answer = await waiting
    assert answer.status_code == code
    body = json.loads(answer.body)
    assert body == {"n": 1} if status == "Completed" else body["runtimeStatus"] == status


async def test_a_result_that_is_text_is_the_body_itself(serving: DurableOrchestrationClient, worker: Playing):
    await serving.start_new("Hello", "one")
    await worker.set_status("one", "Completed", output=json.dumps('done: "ä" \ud800'))
    answer = await serving.wait_for_completion_or_create_check_status_response(Asked(), "one")
    assert answer.body.decode("utf-8", "surrogatepass") == 'done: "ä" \ud800'
    status = await serving.finished("one", 1)
    assert status is not None
    assert json.loads(outcome_answer(status).body) == 'done: "ä" \ud800'


async def test_an_orchestration_without_result_answers_null(serving: DurableOrchestrationClient, worker: Playing):
    await serving.start_new("Hello", "one")
    await worker.set_status("one", "Completed")
    answer = await serving.wait_for_completion_or_create_check_status_response(Asked(), "one")
    assert (answer.status_code, answer.body) == (200, b"null")


@pytest.mark.parametrize("instance_id", ["one", "nobody"])
async def test_waiting_in_vain_answers_with_links(serving: DurableOrchestrationClient, instance_id: str):
    await serving.start_new("Hello", "one")
    answer = await serving.wait_for_completion_or_create_check_status_response(Asked(), instance_id, 20, 10)
    assert answer.status_code == 202


@pytest.mark.parametrize(("timeout", "interval"), [(10, 20), (10, 0), (10, -1)])
async def test_an_interval_that_cannot_be_is_refused(serving: DurableOrchestrationClient, timeout: int, interval: int):
    with pytest.raises(InvalidRequestError, match="retry_interval_in_milliseconds"):
        await serving.wait_for_completion_or_create_check_status_response(Asked(), "one", timeout, interval)
