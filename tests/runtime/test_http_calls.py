"""HTTP calls of orchestrators: what is asked, when it is looked again, and how a call ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from azure_durable_py.durable_http import HTTP_ACTIVITY, DurableHttpRequest, DurableHttpResponse
from azure_durable_py.errors import (
    HttpRefusedError,
    HttpRequestError,
    HttpStatusError,
    HttpTimeoutError,
    TaskFailedError,
)
from azure_durable_py.history.events import TaskScheduled, TimerCreated
from azure_durable_py.retry_policy import HttpRetryOptions, RetryPolicy
from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.token_sources import ManagedIdentityTokenSource
from tests.runtime.harness import START, Run, registry_of

SECOND = timedelta(seconds=1)


class Server:
    """Answers requests from a list; keeps what it was asked."""

    def __init__(self, *answers: DurableHttpResponse | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[DurableHttpRequest] = []

    def __call__(self, request: Any) -> Any:
        self.asked.append(DurableHttpRequest.from_plain(request))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer.to_plain()

    def run(self, orchestrator: Callable[[Any], Any], value: Any = None) -> Run:
        return Run(registry_of(orchestrator), {HTTP_ACTIVITY: self}).run(orchestrator.__name__, value)


def calls(*args: Any, **kwargs: Any) -> Callable[[Any], Any]:
    """An orchestrator that makes one call and returns the answer and how long it took."""

    def orchestrator(context):
        response = yield context.call_http(*args, **kwargs)
        return [response, (context.current_utc_datetime - START).total_seconds()]

    return orchestrator


def catches(*args: Any, **kwargs: Any) -> Callable[[Any], Any]:
    """An orchestrator that returns the failure of one call: its kind, its text and the time that it took."""

    def orchestrator(context):
        with pytest.raises(TaskFailedError) as caught:
            yield context.call_http(*args, **kwargs)
        cause = type(caught.value.__cause__).__name__
        return [cause, str(caught.value), (context.current_utc_datetime - START).total_seconds()]

    return orchestrator


def not_yet(location: str | None = "https://a.test/state", after: str | None = None) -> DurableHttpResponse:
    headers = {"Location": location} if location else {}
    return DurableHttpResponse(202, headers | ({"Retry-After": after} if after else {}))


DONE = DurableHttpResponse(200, {"X": "y"}, "done")


# --- what is asked and answered ------------------------------------------------------------------------


def test_the_answer_is_a_dict_as_it_always_was():
    run = Server(DONE).run(calls("GET", "https://a.test/"))
    assert run.output == [{"statusCode": 200, "headers": {"X": "y"}, "content": "done"}, 0]


def test_an_async_orchestrator_may_use_attributes():
    async def orchestrator(context):
        response = await context.call_http("GET", "https://a.test/")
        return [response.status_code, response.json()["a"], response.headers["CONTENT-TYPE"], response["statusCode"]]

    server = Server(DurableHttpResponse(404, {"content-type": "application/json"}, '{"a": 1}'))
    assert server.run(orchestrator).output == [404, 1, "application/json", 404]


@pytest.mark.parametrize(
    ("content", "options", "body", "kind"),
    [
        (None, {}, None, None),
        ({"a": [1, None]}, {}, b'{"a": [1, null]}', "application/json"),
        ("text", {}, b'"text"', "application/json"),
        ("text", {"is_raw_str": True}, b"text", "text/plain; charset=utf-8"),
        ("", {"is_raw_str": True}, b"", "text/plain; charset=utf-8"),
        (0, {}, b"0", "application/json"),
        (b"\x00\xff", {}, b"\x00\xff", "application/octet-stream"),
        ({"a": 1}, {"headers": {"content-type": "x/y"}}, b'{"a": 1}', "x/y"),
    ],
)
def test_the_body_is_json_unless_it_is_a_raw_text_or_bytes(
    content: Any, options: Any, body: bytes | None, kind: str | None
):
    server = Server(DONE)
    server.run(calls("POST", "https://a.test/", content, **options))
    [asked] = server.asked
    assert (asked.body, asked.headers.get("Content-Type")) == (body, kind)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"uri": "/state"}, "the address is '/state'"),
        ({"uri": "ftp://a.test/"}, "absolute http or https URL"),
        ({"uri": "https:///a"}, "absolute http or https URL"),
        ({"uri": "https://a.test/ b"}, "absolute http or https URL"),
        ({"uri": "https://a.test\\@b.test/"}, "absolute http or https URL"),
        ({"uri": "https://a.test:x/"}, "absolute http or https URL"),
        ({"method": "GET "}, "the method is 'GET '"),
        ({"headers": {"a b": "c"}}, "'a b' is no name of a header"),
        ({"headers": {"a": "c\r\nd: e"}}, "header 'a' is to be a text of one line"),
        ({"headers": {"a": 1}}, "header 'a' is to be a text of one line, not int"),
        ({"headers": [("a", "b")]}, "headers are a dict of texts, not list"),
        ({"token_source": "secret"}, "not str"),
        ({"timeout": 0}, "the timeout is 0 s"),
        ({"timeout": timedelta(days=400)}, "at most 365 days"),
        ({"retry_options": 3}, "not int"),
        ({"content": object()}, "is not JSON"),
        ({"content": float("nan")}, "is not JSON"),
        ({"content": {"a": 1}, "is_raw_str": True}, "content must be a str, not dict"),
        ({"is_raw_str": True}, "content must be a str, not NoneType"),
    ],
)
def test_what_cannot_be_asked_is_refused_at_once(arguments: Any, message: str):
    run = Server().run(calls(**{"method": "GET", "uri": "https://a.test/", **arguments}))
    assert run.turn.failure is not None
    assert message in run.turn.failure.message
    assert run.decisions == []


def test_errors_show_nothing_of_an_address_that_may_be_secret():
    error = HttpRequestError("no route")
    run = Server(error).run(catches("GET", "https://me:pass@a.test/b?code=sesame#x"))
    _, text, _ = run.output
    assert "'GET https://a.test/b?...'" in text
    assert "sesame" not in text
    assert "pass@" not in text


def test_an_activity_gets_the_name_of_the_token_and_not_the_token():
    server = Server(DONE)
    run = server.run(calls("GET", "https://a.test/", None, None, ManagedIdentityTokenSource("https://vault.test")))
    assert server.asked[0].token_source == ManagedIdentityTokenSource("https://vault.test")
    assert '"kind":"AzureManagedIdentity"' in run.decisions[0].input  # type: ignore[attr-defined]


# --- the asynchronous pattern ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "pause"),
    [
        (None, 30),
        ("7", 7),
        ("0", 1),
        ("nonsense", 30),
        ("-5", 30),
        ("999999999", 365 * 86400),
        (format_datetime(START + timedelta(hours=2), usegmt=True), 7200),
        (format_datetime(START - timedelta(hours=2), usegmt=True), 1),
    ],
)
def test_not_yet_is_looked_at_again_after_the_time_that_the_server_names(after: str | None, pause: int):
    server = Server(not_yet(after=after), DONE)
    run = server.run(calls("POST", "https://a.test/start", {"a": 1}))
    assert run.output == [DONE, pause]
    assert [(asked.method, asked.uri, asked.body) for asked in server.asked] == [
        ("POST", "https://a.test/start", b'{"a": 1}'),
        ("GET", "https://a.test/state", None),
    ]


def test_the_pause_of_host_json_holds_where_the_server_names_none():
    run = Run(registry_of(o := calls("GET", "https://a.test/")), {HTTP_ACTIVITY: Server(not_yet(), DONE)})
    run.settings = replace(run.settings, http_poll_interval=1.5)
    run.live = run.load([])
    assert run.run(o.__name__).output == [DONE, 1.5]


@pytest.mark.parametrize(
    ("location", "place"),
    [
        ("/x?y=1", "https://a.test/x?y=1"),
        ("x", "https://a.test/b/x"),
        ("//other.test/x", "https://other.test/x"),
        ("https://a.test/x#fragment", "https://a.test/x"),
    ],
)
def test_a_location_may_be_relative(location: str, place: str):
    server = Server(not_yet(location), DONE)
    server.run(calls("POST", "https://a.test/b/c"))
    assert server.asked[1].uri == place


def test_a_location_is_relative_to_where_redirects_led():
    answer = not_yet("state")
    answer.uri = "https://moved.test/d/e"
    server = Server(answer, DONE)
    server.run(calls("POST", "https://a.test/b/c"))
    assert server.asked[1].uri == "https://moved.test/d/state"


def test_a_later_answer_may_move_the_place_to_look_or_leave_it():
    server = Server(not_yet("/1"), not_yet(None), not_yet("/2"), DONE)
    run = server.run(calls("POST", "https://a.test/"))
    assert run.output == [DONE, 90]
    assert [asked.uri.rpartition("/")[2] for asked in server.asked] == ["", "1", "1", "2"]


def test_not_yet_without_a_place_to_look_is_an_answer():
    assert Server(not_yet(None)).run(calls("GET", "https://a.test/")).output[0]["statusCode"] == 202


def test_the_pattern_can_be_turned_off():
    run = Server(not_yet()).run(calls("GET", "https://a.test/", asynchronous_pattern_enabled=False))
    assert run.output[0]["statusCode"] == 202


@pytest.mark.parametrize("location", ["ftp://a.test/x", "http://[x", "javascript:1"])
def test_a_place_that_cannot_be_looked_at_fails_the_call(location: str):
    kind, text, _ = Server(not_yet(location)).run(catches("GET", "https://a.test/")).output
    assert kind == "HttpRefusedError"
    assert "asynchronous_pattern_enabled=False" in text


SECRETS = {"Authorization": "Basic x", "Cookie": "a=b", "X-API-Key": "k", "x-functions-key": "f", "Accept": "a/b"}


@pytest.mark.parametrize(
    ("location", "kept"),
    [
        ("https://a.test/x", ["Accept", "Authorization", "Cookie", "X-API-Key"]),
        ("https://a.test:443/x", ["Accept", "Authorization", "Cookie", "X-API-Key"]),
        ("https://b.test/x", ["Accept"]),
        ("http://a.test/x", ["Accept"]),
        ("https://a.test:8443/x", ["Accept"]),
    ],
)
def test_another_origin_gets_no_credentials(location: str, kept: list[str]):
    server = Server(not_yet(location), DONE)
    source = ManagedIdentityTokenSource("https://r.test")
    server.run(calls("PUT", "https://a.test/", {}, SECRETS, source))
    look = server.asked[1]
    assert sorted(look.headers) == kept
    assert (look.token_source is None) == (kept == ["Accept"])


# --- time limits -----------------------------------------------------------------------------------------


def test_a_timeout_holds_for_all_requests_and_pauses_together():
    server = Server(not_yet(), not_yet(), not_yet())
    kind, text, seconds = server.run(catches("GET", "https://a.test/", timeout=70)).output
    assert (kind, seconds) == ("HttpTimeoutError", 70)
    assert "no final answer within 70 s" in text
    assert "https://a.test/state" in text
    assert [asked.timeout for asked in server.asked] == [70, 40, 10]


def test_a_call_that_is_over_leaves_no_timer():
    def orchestrator(context):
        yield context.call_http("GET", "https://a.test/", timeout=timedelta(hours=1))
        yield context.wait_for_external_event("never")

    run = Run(registry_of(orchestrator), {HTTP_ACTIVITY: Server(DONE)})
    assert len(run.start("orchestrator").timers) == 1
    run.step()
    assert dict(run.turn.timers) == {}


def test_a_timeout_ends_retries():
    policy = RetryPolicy(timedelta(seconds=40), 9)
    server = Server(*[HttpRequestError("no route")] * 9)

    def orchestrator(context):
        with pytest.raises(TaskFailedError, match="HttpTimeoutError"):
            yield context.call_http("GET", "https://a.test/", timeout=60, retry_options=policy)
        yield context.create_timer(timedelta(days=1))

    run = server.run(orchestrator)
    assert len(server.asked) == 2
    assert len([event for event in run.decisions if isinstance(event, TaskScheduled)]) == 2


def test_an_answer_that_comes_after_the_timeout_has_no_effect():
    run = Run(registry_of(o := catches("GET", "https://a.test/", timeout=5)))
    run.start(o.__name__)
    run.wait(timedelta(seconds=5))
    assert run.output[0] == "HttpTimeoutError"
    assert run.complete(0, DONE.to_plain()).events == ()


def test_a_call_can_be_given_up():
    def orchestrator(context):
        call = context.call_http("GET", "https://a.test/", retry_options=RetryPolicy(SECOND, 9))
        stop = context.wait_for_external_event("stop")
        yield context.task_any([call, stop])
        assert call.cancel()
        assert not call.cancel()
        yield context.wait_for_external_event("never")

    for answer in (not_yet(), HttpRequestError("no route")):
        run = Run(registry_of(orchestrator), {HTTP_ACTIVITY: Server(answer)})
        run.start("orchestrator")
        run.step()
        assert len(run.turn.timers) == 1
        run.raise_event("stop")
        assert dict(run.turn.timers) == {}


# --- retries -----------------------------------------------------------------------------------------------


def attempts(policy: RetryPolicy, *answers: DurableHttpResponse | Exception) -> tuple[Run, Server]:
    server = Server(*answers)
    return server.run(catches("GET", "https://a.test/", retry_options=policy)), server


def test_a_request_without_an_answer_is_made_again():
    server = Server(HttpRequestError("no route"), HttpTimeoutError("late"), DONE)
    run = server.run(calls("GET", "https://a.test/", retry_options=RetryPolicy(SECOND, 3, backoff_coefficient=2)))
    assert run.output == [DONE, 3]


def test_each_look_has_its_own_attempts():
    server = Server(HttpRequestError("1"), not_yet(after="1"), HttpRequestError("2"), DONE)
    run = server.run(calls("POST", "https://a.test/", retry_options=RetryPolicy(SECOND, 2)))
    assert run.output == [DONE, 3]
    assert [asked.method for asked in server.asked] == ["POST", "POST", "GET", "GET"]


@pytest.mark.parametrize("error", [HttpRefusedError("too large"), ValueError("a bug")])
def test_what_another_attempt_cannot_mend_is_not_tried_again(error: Exception):
    run, server = attempts(RetryPolicy(SECOND, 9), error)
    assert run.output[0] == type(error).__name__
    assert len(server.asked) == 1


def test_the_policy_may_narrow_what_is_tried_again():
    policy = RetryPolicy(SECOND, 9, handle=lambda failure: failure.is_caused_by(HttpTimeoutError))
    run, server = attempts(policy, HttpTimeoutError("late"), HttpStatusError("503"))
    assert run.output[0] == "HttpStatusError"
    assert len(server.asked) == 2


def test_the_last_failure_is_raised():
    run, _ = attempts(RetryPolicy(SECOND, 2), HttpStatusError("first 503"), HttpStatusError("last 503"))
    assert "last 503" in run.output[1]


@pytest.mark.parametrize(
    ("policy", "codes"),
    [
        (None, None),
        (RetryPolicy(SECOND, 2), ()),
        (HttpRetryOptions(SECOND, 2), ()),
        (HttpRetryOptions(SECOND, 2, status_codes_to_retry=[503, 429]), (429, 503)),
    ],
)
def test_retry_options_say_which_status_codes_are_failures(policy: RetryPolicy | None, codes: Sequence[int] | None):
    server = Server(DONE)
    server.run(calls("GET", "https://a.test/", retry_options=policy))
    assert server.asked[0].failing_codes == codes


@pytest.mark.parametrize(
    ("codes", "status", "fails"),
    [(None, 500, False), ((), 400, True), ((), 399, False), ((429,), 429, True), ((429,), 503, False)],
)
def test_a_request_tells_which_answers_are_failures(codes: tuple[int, ...] | None, status: int, fails: bool):
    assert DurableHttpRequest("GET", "https://a.test/", failing_codes=codes).fails_with(status) is fails


def test_status_codes_that_are_none_are_refused():
    with pytest.raises(ValueError, match="100 to 599"):
        HttpRetryOptions(SECOND, 2, status_codes_to_retry=[999])


# --- with the engine -----------------------------------------------------------------------------------------


def test_requests_and_pauses_are_decisions_in_order():
    run = Server(not_yet(), DONE).run(calls("GET", "https://a.test/", timeout=99))
    assert [(type(event), getattr(event, "reason", None)) for event in run.decisions] == [
        (TaskScheduled, None),
        (TimerCreated, "time limit of an HTTP call"),
        (TimerCreated, "look 1 of an HTTP call"),
        (TaskScheduled, None),
    ]


def test_the_engine_goes_on_with_each_answer_of_many_calls():
    def orchestrator(context):
        return (yield context.task_all([context.call_http("GET", f"https://a.test/{at}") for at in range(2)]))

    run = Run(registry_of(orchestrator))
    run.start("orchestrator")
    assert run.live.decided_by([0]), "an answer may lead to another look"
    run.complete(0, not_yet().to_plain())
    assert run.live.decided_by([2])
    run.complete(1, DONE.to_plain())
    run.wait(timedelta(seconds=30))
    assert run.turn.status is OrchestrationRuntimeStatus.Running
    run.complete(3, DONE.to_plain())
    assert run.output == [DONE, DONE]


def test_an_answer_that_is_none_fails_the_call():
    run = Run(registry_of(o := calls("GET", "https://a.test/")))
    run.start(o.__name__)
    assert "no HTTP answer" in (run.complete(0, [1]).failure or pytest.fail("it went on")).message
