"""`DurableOrchestrationClient(starter)`: what functions of the function.json model make of what their binding passes.

Owns that one form of the constructor. The binding passes a client here, and so the client is what it gives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from azure_durable_py.errors import RegistrationError


class Given(type):
    """The class of client classes: called with a client alone, such a class returns that client."""

    if not TYPE_CHECKING:

        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            """The client given, or a new one.

            :raises RegistrationError: it is given the text by which the .NET extension tells of itself.
            """
            if args and isinstance(args[0], cls):
                return args[0]
            if args and isinstance(args[0], str):
                raise RegistrationError(
                    f"{cls.__name__} was given a text, as the .NET extension passes it to functions with a "
                    "function.json. Have the function's client bound by azure_durable_py, which passes a client: "
                    "load the app by `azure_durable_py.DFApp.from_function_json` in a function_app.py. "
                    "Outside of a function app use `from_connection_string` or `from_credential`."
                )
            return super().__call__(*args, **kwargs)
