"""What agents publish in the custom status, kept small: a status is never what an agent fails of."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from azure_durable_py.errors import PayloadTooLargeError

if TYPE_CHECKING:
    from azure_durable_py.runtime.context import DurableOrchestrationContext


def publish(
    context: DurableOrchestrationContext, name: str, most: int, fitting: Callable[[int], list[dict[str, Any]]]
) -> None:
    """Have a part of the custom status show as much as there is room for.

    :param most: bytes that it has at most, as JSON. :param fitting: what of it fits into so many; nothing into none.
    """
    room = most
    while True:
        try:
            context.set_status_part(name, fitting(room) or None)
        except PayloadTooLargeError:
            # Others have taken it.
            room //= 2
        else:
            return
