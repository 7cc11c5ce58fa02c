"""Answers to `call_http` in a run at virtual time: what the test says, and nothing from the network."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from azure_durable_py.durable_http import DurableHttpRequest, DurableHttpResponse
from azure_durable_py.errors import HttpRefusedError

AnswerHttp: TypeAlias = "Callable[[DurableHttpRequest], DurableHttpResponse | Awaitable[DurableHttpResponse]]"
"""What answers the requests of a run."""


class ScriptedTransport:
    """Has a function answer requests.

    :param answer: the function; None: every request fails.
    """

    def __init__(self, answer: AnswerHttp | None) -> None:
        self._answer = answer

    async def send(self, request: DurableHttpRequest) -> DurableHttpResponse:
        """The answer to one request."""
        if self._answer is None:
            raise HttpRefusedError(
                f"{request.subject}: a run at virtual time makes no requests on the network. Say what they are "
                "answered with: run(..., http=answer), or play(..., http=answer)."
            )
        answer = self._answer(request)
        return await answer if inspect.isawaitable(answer) else answer

    async def close(self) -> None:
        """There is nothing to let go of."""
