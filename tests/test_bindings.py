"""The binding classes and the wrapper that fills a client parameter."""

from __future__ import annotations

import inspect
import typing
from typing import Any

import pytest

from azure_durable_py.bindings import (
    ActivityTrigger,
    DurableClient,
    EntityTrigger,
    OrchestrationTrigger,
    bind_client,
)

if typing.TYPE_CHECKING:
    from somewhere import NotThere


@pytest.mark.parametrize(
    ("binding", "represented"),
    [
        (OrchestrationTrigger("context"), {"type": "orchestrationTrigger", "name": "context"}),
        (
            OrchestrationTrigger("context", "Chain"),
            {"type": "orchestrationTrigger", "name": "context", "orchestration": "Chain"},
        ),
        (ActivityTrigger("city"), {"type": "activityTrigger", "name": "city"}),
        (ActivityTrigger("city", "Hello"), {"type": "activityTrigger", "name": "city", "activity": "Hello"}),
        (EntityTrigger("context", "Counter"), {"type": "entityTrigger", "name": "context", "entityName": "Counter"}),
        (DurableClient("client"), {"type": "durableClient", "name": "client"}),
        (
            DurableClient("client", "Hub", "Conn"),
            {"type": "durableClient", "name": "client", "taskHub": "Hub", "connectionName": "Conn"},
        ),
    ],
)
def test_bindings_represent_themselves_as_in_function_json(binding: Any, represented: dict[str, str]) -> None:
    shown = {key: str(value) for key, value in binding.get_dict_repr().items()}
    assert shown == {**represented, "direction": "IN"}


def test_a_bound_function_gets_the_client_and_hides_the_parameter() -> None:
    def function(req: int, client: NotThere, flag: bool = True) -> str:
        return f"{req} {client} {flag}"

    bound = bind_client(function, "client", lambda: "the client")
    assert bound(1) == "1 the client True"
    assert bound(req=2, flag=False) == "2 the client False"
    assert list(inspect.signature(bound).parameters) == ["req", "flag"]
    assert "client" not in bound.__annotations__
    assert typing.get_type_hints(bound) == {"req": int, "flag": bool, "return": str}
    assert bound.__name__ == "function"
    assert not inspect.iscoroutinefunction(bound)


async def test_a_bound_coroutine_function_stays_one() -> None:
    async def function(client: str) -> str:
        return client

    bound = bind_client(function, "client", lambda: "the client")
    assert inspect.iscoroutinefunction(bound)
    assert await bound() == "the client"


def test_the_client_is_asked_for_at_every_call() -> None:
    clients = iter(["first", "second"])
    bound = bind_client(lambda client: client, "client", lambda: next(clients))
    assert [bound(), bound()] == ["first", "second"]
