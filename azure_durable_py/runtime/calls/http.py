"""HTTP calls."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from azure_durable_py.durable_http import (
    HTTP_ACTIVITY,
    DurableHttpRequest,
    DurableHttpResponse,
    HttpHeaders,
    check_address,
    check_headers,
    check_method,
)
from azure_durable_py.errors import HttpRefusedError, HttpRequestError, OrchestratorError, SerializationError
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import TaskScheduled, Value
from azure_durable_py.retry_policy import HttpRetryOptions, RetryPolicy
from azure_durable_py.runtime.calls.base import Calls
from azure_durable_py.runtime.http_task import HttpTask
from azure_durable_py.runtime.tasks import DecisionTask, Task
from azure_durable_py.token_sources import ManagedIdentityTokenSource


class HttpCalls(Calls):
    """The part of the context that makes HTTP calls."""

    def call_http(
        self,
        method: str,
        uri: str,
        content: Any = None,
        headers: Mapping[str, Any] | None = None,
        token_source: ManagedIdentityTokenSource | None = None,
        is_raw_str: bool = False,
        *,
        timeout: timedelta | float | None = None,
        retry_options: RetryPolicy | None = None,
        asynchronous_pattern_enabled: bool = True,
    ) -> HttpTask:
        """Make an HTTP request; its answer is the result, whatever its status code is.

        An answer 202 with a `Location` means "not yet": the call then looks there with GET, after the time that
        `Retry-After` names, until the answer is another. The request is made by an activity of the engine: if its
        process dies, it is made again. What is passed here, but for tokens, is kept in the history of the instance.

        :param method: like `GET` or `POST`.
        :param uri: an absolute http or https address.
        :param content: the body: bytes as they are; anything else as JSON, texts too unless `is_raw_str`.
        :param headers: texts by name; a list of texts sends one several times.
        :param token_source: where a bearer token comes from; one is asked for with each request.
        :param is_raw_str: `content` is a text and sent as it is.
        :param timeout: how long all of it may take, in seconds or as a timedelta; None: without limit,
            but 240 seconds for each request.
        :param retry_options: when to make a request again that got no answer, or one with a status code of 400 and
            above (`HttpRetryOptions` names others); None: never.
        :param asynchronous_pattern_enabled: False: an answer 202 is returned like any other.
        :raises OrchestratorError: an argument cannot be used. :raises SerializationError: `content` is not JSON.
        :raises TypeError: `is_raw_str`, and `content` is not a text.
        """
        text, is_base64, kind = _body(content, is_raw_str=is_raw_str)
        try:
            sent = check_headers(headers)
            if kind is not None and "Content-Type" not in sent:
                sent = HttpHeaders({**sent, "Content-Type": kind})
            request = DurableHttpRequest(
                check_method(method),
                check_address(uri),
                sent,
                text,
                is_base64,
                _token_source(token_source),
                _seconds(timeout),
                _failing_codes(retry_options),
            )
        except ValueError as error:
            raise OrchestratorError(f"call_http cannot be made: {error}.") from None
        pause = self._generation.http_pause if asynchronous_pattern_enabled else None
        return HttpTask(
            request, lambda asked: self._send(asked, retry_options), self._delay, lambda: self._generation.now, pause
        )

    def _send(self, request: DurableHttpRequest, policy: RetryPolicy | None) -> Task[DurableHttpResponse]:
        text = self._serialize(request.to_plain(), lambda: "an HTTP request")

        def attempt() -> DecisionTask[DurableHttpResponse]:
            task = DecisionTask(f"HTTP call {request.subject!r}", self._decode_response)
            now = self._generation.now
            self._decisions.make(lambda number: TaskScheduled(now, number, HTTP_ACTIVITY, text), task)
            return task

        return attempt() if policy is None else self._retry(policy.narrowed(_is_worth_another), attempt)

    def _decode_response(self, value: Value) -> DurableHttpResponse:
        return DurableHttpResponse.from_plain(self._generation.decoder(None)(value))


def _body(content: Any, *, is_raw_str: bool) -> tuple[str | None, bool, str | None]:
    """The body as it is kept, whether that is Base64, and what kind of body it is."""
    if is_raw_str:
        if not isinstance(content, str):
            raise TypeError(f"is_raw_str is True, so content must be a str, not {type(content).__name__}.")
        return content, False, "text/plain; charset=utf-8"
    if content is None:
        return None, False, None
    if isinstance(content, bytes | bytearray):
        return base64.b64encode(bytes(content)).decode("ascii"), True, "application/octet-stream"
    try:
        return json.dumps(content, allow_nan=False), False, "application/json"
    except (TypeError, ValueError, RecursionError) as error:
        raise SerializationError(
            f"The content of an HTTP call is not JSON: {error}. Give plain values, bytes, or a text with is_raw_str."
        ) from None


def _token_source(source: Any) -> ManagedIdentityTokenSource | None:
    if source is None or isinstance(source, ManagedIdentityTokenSource):
        return source
    raise ValueError(f"token_source is to be a ManagedIdentityTokenSource, not {type(source).__name__}")


def _seconds(timeout: timedelta | float | None) -> float | None:
    if timeout is None:
        return None
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else float(timeout)
    if not 0 < seconds <= 365 * 86400:
        raise ValueError(f"the timeout is {seconds:g} s; it is to be more than 0 s and at most 365 days")
    return seconds


def _failing_codes(policy: Any) -> tuple[int, ...] | None:
    if policy is None:
        return None
    if not isinstance(policy, RetryPolicy):
        raise ValueError(f"retry_options is to be HttpRetryOptions or a RetryPolicy, not {type(policy).__name__}")
    return policy.status_codes_to_retry if isinstance(policy, HttpRetryOptions) else ()


def _is_worth_another(failure: FailureDetails) -> bool:
    return failure.is_caused_by(HttpRequestError) and not failure.is_caused_by(HttpRefusedError)
