"""What HTTP functions get to return from their client."""

from __future__ import annotations

import pytest

from azure_durable_py.client.links import HttpAnswer, json_answer
from azure_durable_py.triggers.http import to_http_response


@pytest.mark.parametrize(
    ("answer", "mimetype"),
    [(json_answer(202, "{}", {"Retry-After": "10"}), "application/json"), (HttpAnswer(202), "text/plain")],
)
def test_a_response_tells_what_its_body_is(answer: HttpAnswer, mimetype: str):
    response = to_http_response(answer)
    assert (response.status_code, response.get_body(), response.mimetype) == (202, answer.body, mimetype)
    assert dict(response.headers) == dict(answer.headers)
