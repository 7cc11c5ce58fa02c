"""What a test environment does with functions that are not durable: those of HTTP, timers, queues and all the rest.

Owns the names and arguments that tests call. How a function is called is told in `triggers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from azure_durable_py.testing.environment.base import EnvironmentBase
from azure_durable_py.testing.environment.turns import acts
from azure_durable_py.testing.ordinary.asked import Params
from azure_durable_py.testing.ordinary.functions import FunctionOfApp

if TYPE_CHECKING:
    from azure.functions import HttpResponse


class OrdinaryCalls(EnvironmentBase):
    """The part of a test environment that calls ordinary functions."""

    @acts
    async def request(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        params: Params | None = None,
        raise_errors: bool = True,
    ) -> HttpResponse:
        """Have the app answer an HTTP request as the local host does, and return the answer.

        The management API answers, too, so that the URLs of `create_check_status_response` can be followed. As on a
        loopback address, nobody is asked for a key.

        :param method: the verb.
        :param url: a whole path, like `/api/orders/7`, or a URL.
        :param json: a value that is the body as JSON; None: there is none.
        :param body: the body as it is.
        :param headers: by name.
        :param params: query parameters, beside those of the URL.
        :param raise_errors: what the function raises is raised here; False: it is answered with 500, as hosts do.
        :raises TypeError: the function takes more than a request, or returned what is no response.
        :raises ValueError: the URL is no address of an app.
        """
        return await self.hub.triggers.request(
            method, url, json=json, body=body, headers=headers, params=params, raise_errors=raise_errors
        )

    @acts
    async def fire(self, function: FunctionOfApp, /, *, past_due: bool = False, **bindings: Any) -> Any:
        """Call a function that is not durable as its trigger does, and return what it returns.

        Durable clients, `func.Out` parameters and the invocation context are filled in, and the `func.TimerRequest` of
        a timer function. What it gives to output bindings is added to `outputs`.

        :param function: by name, or as its decorators left it.
        :param past_due: a timer function is told that it comes late.
        :param bindings: by parameter, what triggers it and what its other input bindings bring.
        :raises FunctionNotFoundError: the app has no such function, or it is durable.
        :raises TypeError: a parameter is missing, or is none of the function's.
        """
        return await self.hub.triggers.fire(function, past_due=past_due, **bindings)

    @acts
    async def run_timers(self) -> None:
        """From now on call each timer function when it is due, as hosts do; those with `run_on_startup` at once.

        What one of them raises is raised when the environment is left.

        :raises SettingsError: a schedule refers to an app setting that is missing.
        """
        self.hub.triggers.run_timers()
