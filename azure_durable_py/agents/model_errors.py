"""What becomes of a call of a model that failed: whether it is made again, and when.

Owns what the answers of providers mean, which all speak HTTP, and the policy of retries. It never sees a provider's
client.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import cast

from azure_durable_py.errors import ActivityError
from azure_durable_py.failures import qualified_name
from azure_durable_py.retry_policy import RetryPolicy
from azure_durable_py.shortening import shorten_text
from azure_durable_py.times import UTC, utc

MODEL_RETRY = RetryPolicy(
    first_retry_interval=timedelta(seconds=2),
    max_number_of_attempts=40,
    backoff_coefficient=2.0,
    max_retry_interval=timedelta(minutes=1),
)
"""How a model is called again by default: after 2 s, then twice as long each time, a minute at most; 40 attempts."""

LONGEST_RETRY_AFTER = timedelta(days=1)
"""What a provider asks for beyond this is taken for this."""
_RETRYABLE = frozenset({408, 409, 425, 429})
_EXHAUSTED = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
"""Codes by which a provider says that waiting does not help, with a status that says it does."""
_BUGS = (ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, TypeError, ValueError)
"""What says that code is wrong, which it is the next time as well."""
_MAX_CHARS = 2_000
_HIDDEN = "[hidden]"
_SECRETS = (
    re.compile(r"(?<=://)[^/\s@]+(?=@)"),
    re.compile(r"(?i)((?:bearer|authorization\"?'?\s*[:=]\s*\"?'?(?:basic|apikey|token))\s+)[^\s'\",;]+"),
    re.compile(
        r"(?i)((?:(?:api|account|access)[-_ ]?key|access[-_ ]?token|authorization|cookie|secret|password"
        r"|[?&](?:key|sig))\"?'?\s*(?:provided\s*)?[:=]\s*\"?'?)(?!(?:bearer|basic|apikey|token)\s)[^\s\"',;&}]+"
    ),
    re.compile(r"\b(?:sk|pk|rk|gsk|xai|pplx|hf|r8|gh[opsur]|github_pat)[-_][-_.A-Za-z0-9*]{8,}"),
    re.compile(r"\b(?:AIza|AKIA|ya29)[-_.A-Za-z0-9]{8,}"),
    re.compile(r"\beyJ[-_A-Za-z0-9]{8,}\.[-_.A-Za-z0-9]*"),
    re.compile(r"\b(?=[A-Za-z]*\d)[A-Za-z0-9]{32,}\b"),
)
"""What looks like a key, by its place or by its shape."""


def activity_error(
    error: BaseException, status_code: int | None, headers: Mapping[str, str] | None = None
) -> ActivityError:
    """The error for an activity to raise whose call of a model failed: it says whether and when to call again.

    408, 409, 425, 429, 500 and above, and calls that got no answer, are made again, after the time that `Retry-After`
    or `retry-after-ms` asks for; all others are not. `x-should-retry` has the last word. The text has no keys in it.
    Raise it in the `except` block without `from`: what it was made of may have keys in it, and is hidden.

    :param error: what the client of the provider raised.
    :param status_code: the HTTP status code; None: there was no answer.
    :param headers: those of the answer, their names in any case.
    """
    found = {str(name).lower(): str(value) for name, value in (headers or {}).items()}
    retryable = status_code is None or status_code in _RETRYABLE or status_code >= 500
    asked = found.get("x-should-retry", "").strip().lower()
    if asked in ("true", "false"):
        retryable = asked == "true"
    code = getattr(error, "code", None)
    if isinstance(code, str) and code in _EXHAUSTED:
        retryable = False
    answer = "no answer" if status_code is None else f"HTTP {status_code}"
    made = ActivityError(
        f"{qualified_name(type(error))} ({answer}): {_text(error)}",
        retryable=retryable,
        retry_after=_retry_after(found) if retryable else None,
    )
    made.__cause__ = None  # It also hides what is being handled where this is raised.
    return made


def provider_error(error: BaseException, *, is_hopeless: bool = False) -> ActivityError:
    """The same for an error of which nothing is known but that a model was called by whatever raised it.

    It has a status code and headers where clients of HTTP have them. What says that code is wrong is not called again.

    :param error: what was raised; an `ActivityError` stays as it is.
    :param is_hopeless: another attempt would fail like this one.
    """
    if isinstance(error, ActivityError):
        return error
    if is_hopeless or isinstance(error, _BUGS):
        made = ActivityError(f"{qualified_name(type(error))}: {_text(error)}", retryable=False)
        made.__cause__ = None
        return made
    status, headers = getattr(error, "status_code", None), getattr(getattr(error, "response", None), "headers", None)
    return activity_error(
        error,
        status if isinstance(status, int) else None,
        cast("Mapping[str, str]", headers) if isinstance(headers, Mapping) else None,
    )


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - it is code of whoever made the error
        return "It cannot say what is wrong."
    return shorten_text(without_secrets(text), _MAX_CHARS)


def without_secrets(text: str) -> str:
    """A text without what looks like a key, a token or a password."""
    for pattern in _SECRETS:
        text = pattern.sub(lambda found: f"{found[1] if found.re.groups else ''}{_HIDDEN}", text)
    return text


def _retry_after(headers: Mapping[str, str]) -> timedelta | None:
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    asked = headers.get("retry-after")
    seconds = _number(asked)
    if seconds is not None:
        return _bounded(seconds)
    moment = _moment(asked)
    if moment is None:
        return None
    # By the clock of the provider, if it tells the time.
    now = _moment(headers.get("date")) or datetime.now(UTC)
    return _bounded((moment - now).total_seconds())


def _bounded(seconds: float) -> timedelta | None:
    return timedelta(seconds=min(seconds, LONGEST_RETRY_AFTER.total_seconds())) if seconds > 0 else None


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if number == number else None  # noqa: PLR0124 - NaN is not


def _moment(text: str | None) -> datetime | None:
    try:
        return utc(parsedate_to_datetime(text)) if text else None
    except (ValueError, TypeError, OverflowError):
        return None
