"""Async HTTP API: from the request to the answer, at once or by the address that the first answer gives."""

import json
from datetime import timedelta

from azure_durable_py.testing import DurableTestSyncEnvironment
from sample_function_app.async_http_api import write_chapter

CHAPTERS = [f"Sales, chapter {number}: all is well." for number in (1, 2, 3)]


def test_a_quick_report_is_the_answer(durable_sync_env: DurableTestSyncEnvironment) -> None:
    answer = durable_sync_env.request("POST", "/api/reports", json={"title": "Sales"})
    assert answer.status_code == 200
    assert json.loads(answer.get_body())["chapters"] == CHAPTERS


def test_a_long_report_is_asked_for_until_it_is_there(durable_sync_env: DurableTestSyncEnvironment) -> None:
    answer = durable_sync_env.request("POST", "/api/reports", json={"title": "Sales", "seconds": 3600})
    assert answer.status_code == 202
    asked = durable_sync_env.request("GET", answer.headers["Location"])
    assert asked.status_code == 202
    assert json.loads(asked.get_body())["customStatus"] == "chapter 1 of 3"
    durable_sync_env.skip(timedelta(hours=3, minutes=1))
    asked = durable_sync_env.request("GET", answer.headers["Location"])
    assert asked.status_code == 200
    assert json.loads(asked.get_body())["output"] == {"title": "Sales", "chapters": CHAPTERS}


def test_a_report_survives_its_process(durable_sync_env: DurableTestSyncEnvironment) -> None:
    durable_sync_env.crash_after(write_chapter, times=2)
    report = durable_sync_env.start("write_report", {"title": "Sales"}).result()
    assert report["chapters"] == CHAPTERS


def test_a_body_that_is_no_json_is_refused(durable_sync_env: DurableTestSyncEnvironment) -> None:
    answer = durable_sync_env.request("POST", "/api/reports", body="Sales")
    assert answer.status_code == 400
