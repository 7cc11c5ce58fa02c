"""What becomes of a call of a model that failed."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.agents import MODEL_RETRY, activity_error
from azure_durable_py.agents.model_errors import provider_error
from azure_durable_py.failures import FailureDetails

KEYS = [
    "sk-proj-abcdefgh12345678",
    "sk-ant-REDACTED",
    "gsk_0123456789abcdef0123",
    "AIzaSyA-0123456789abcdefghi",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-123",
    "0123456789abcdef0123456789abcdef",
]


class ApiError(Exception):
    """What a provider's client raises."""


class QuotaError(ApiError):
    """The account has nothing left."""

    code = "insufficient_quota"


@pytest.mark.parametrize("status", [None, 408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_tried_again(status: int | None):
    assert activity_error(ApiError("busy"), status).retryable


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_a_refused_request_is_not_made_again(status: int):
    error = activity_error(ApiError("no"), status, {"Retry-After": "5"})
    assert (error.retryable, error.retry_after) == (False, None)


def test_an_account_without_quota_is_not_asked_again():
    assert not activity_error(QuotaError("You exceeded your current quota"), 429).retryable


@pytest.mark.parametrize(("asked", "status"), [("true", 400), ("false", 503)])
def test_the_provider_has_the_last_word(asked: str, status: int):
    assert activity_error(ApiError(), status, {"X-Should-Retry": asked}).retryable is (asked == "true")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"RETRY-AFTER-MS": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "1e99"}, 86_400),
        ({"Retry-After": "Mon, 30 Nov 2026 10:00:30 GMT", "Date": "Mon, 30 Nov 2026 10:00:00 GMT"}, 30),
    ],
)
def test_the_time_that_a_provider_asks_for_is_kept(headers: dict[str, str], seconds: float):
    assert activity_error(ApiError(), 429, headers).retry_after == timedelta(seconds=seconds)


def test_a_date_without_that_of_the_answer_is_by_our_clock():
    asked = {"Retry-After": format_datetime(datetime.now(timezone.utc) + timedelta(minutes=2), usegmt=True)}
    found = activity_error(ApiError(), 503, asked).retry_after
    assert found is not None
    assert timedelta(minutes=1) < found <= timedelta(minutes=2)


@pytest.mark.parametrize("asked", ["soon", "", "-5", "nan", "0", "Mon, 30 Nov 1026 10:00:30 GMT", "Mon, 99 Nov"])
def test_a_time_that_is_none_is_left_out(asked: str):
    assert activity_error(ApiError(), 429, {"Retry-After": asked}).retry_after is None


def test_the_text_says_what_failed_and_how():
    error = activity_error(ApiError("Rate limit reached for gpt-5 in organization org-1"), 429)
    assert str(error).endswith("ApiError (HTTP 429): Rate limit reached for gpt-5 in organization org-1")
    assert "(no answer): timed out" in str(activity_error(TimeoutError("timed out"), None))


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: {}. You can find your key at https://example.com.",
        "headers: {{'Authorization': 'Bearer {}', 'x': 1}}",
        "GET https://example.com/v1?key={}&alt=json",
        '{{"api_key": "{}"}}',
        "api-key={}",
        "proxy http://user:{}@proxy.example.com:8080",
        "the key {} is wrong",
    ],
)
def test_no_key_is_in_the_text(text: str, key: str):
    told = str(activity_error(ApiError(text.format(key)), 401))
    assert key not in told
    assert "[hidden]" in told


def test_a_password_of_any_shape_is_hidden_by_its_place():
    told = str(activity_error(ApiError("password=hunter2 Authorization: Bearer abc https://u:pw@host/x"), 401))
    assert "hunter2" not in told
    assert " abc" not in told
    assert "u:pw" not in told


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Basic {}",
        "{{'authorization': 'Basic {}'}}",
        "AccountKey={}==;EndpointSuffix=core.windows.net",
        "AWS_SECRET_ACCESS_KEY={}",
        "Cookie: session={}",
        "of ghp_{} nobody knows",
    ],
)
def test_credentials_of_other_services_are_hidden_too(text: str):
    told = str(activity_error(ApiError(text.format("dXNlcjpwYXNzd29y")), 401))
    assert "dXNlcjpwYXNzd29y" not in told
    assert "[hidden]" in told


def test_a_text_without_keys_stays_as_it_is():
    text = "Invalid schema for function 'get_weather': tools[0].parameters is missing, at skeleton-of-the-request"
    assert text in str(activity_error(ApiError(text), 400))


def test_a_long_text_is_cut():
    assert len(str(activity_error(ApiError("x " * 100_000), 400))) < 3000


def test_what_it_is_raised_from_is_hidden():
    def attempt() -> Any:
        try:
            raise ApiError(f"Bearer {KEYS[0]}")
        except ApiError as error:
            raise activity_error(error, 503) from error.__cause__

    with pytest.raises(df.ActivityError) as raised:
        attempt()
    details = FailureDetails.from_exception(raised.value)
    assert details.inner_failure is None
    assert KEYS[0] not in repr(details)


def test_what_it_is_raised_beside_is_hidden():
    try:
        try:
            raise ApiError(f"Bearer {KEYS[0]}")
        except ApiError as error:
            raise activity_error(error, 503)  # noqa: B904 - as its docstring says
    except df.ActivityError as error:
        details = FailureDetails.from_exception(error)
        assert KEYS[0] not in repr(details)
        assert details.inner_failure is None


# --- errors of which nothing is known ------------------------------------------------------------------


class AnsweredError(ApiError):
    """An error with an answer, as clients of HTTP have it."""

    def __init__(self, status_code: Any, headers: Any = None, code: Any = None) -> None:
        super().__init__("bad answer")
        self.status_code, self.code = status_code, code
        self.response = type("Response", (), {"headers": headers})


class MuteError(ApiError):
    """An error that cannot be told."""

    def __str__(self) -> str:
        raise RuntimeError(f"nothing to say of {KEYS[0]}")


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (ApiError("the connection is gone"), True),
        (OSError("reset"), True),
        (AnsweredError(503), True),
        (AnsweredError(401), False),
        (AnsweredError("503"), True),
        (TypeError("a bug"), False),
        (LookupError("a bug"), False),
    ],
)
def test_an_unknown_error_is_told_by_its_status_and_kind(error: Exception, retryable: bool):
    assert provider_error(error).retryable is retryable


def test_headers_are_read_where_the_client_has_them():
    assert provider_error(AnsweredError(429, {"Retry-After": "7"})).retry_after == timedelta(seconds=7)


@pytest.mark.parametrize(
    "error",
    [
        MuteError(),
        AnsweredError(429, "retry-after: 7"),
        AnsweredError(429, {b"retry-after": b"7"}),
        AnsweredError(429, {"retry-after": None, "x-should-retry": 1}),
        AnsweredError(429, code=["not", "hashable"]),
    ],
)
def test_an_error_that_is_odd_is_told_all_the_same(error: Exception):
    told = provider_error(error)
    assert told.retryable
    assert KEYS[0] not in repr(FailureDetails.from_exception(told))


@pytest.mark.parametrize("error", [TypeError(f"Bearer {KEYS[0]}"), ApiError(f"Bearer {KEYS[0]}")])
def test_an_unknown_error_is_told_without_keys_and_causes(error: Exception):
    try:
        try:
            raise error from ValueError(KEYS[1])
        except (TypeError, ApiError) as raised:
            raise provider_error(raised)  # noqa: B904 - as its docstring says
    except df.ActivityError as told:
        details = repr(FailureDetails.from_exception(told))
    assert KEYS[0] not in details
    assert KEYS[1] not in details


def test_what_an_activity_says_itself_stays():
    own = df.ActivityError("not this one", retryable=False)
    assert provider_error(own) is own


def test_by_default_a_model_is_called_again_for_more_than_half_an_hour():
    delays = [MODEL_RETRY.delay_before_retry(attempt) for attempt in range(1, MODEL_RETRY.max_number_of_attempts)]
    assert [delay.total_seconds() for delay in delays[:7]] == [2, 4, 8, 16, 32, 60, 60]
    assert sum(delays, timedelta()) > timedelta(minutes=30)
