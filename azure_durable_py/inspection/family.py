"""Who started whom: the parents of an instance up to the root, and its sub-orchestrations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from azure_durable_py.taskhub.hub import TaskHub


@dataclass(frozen=True, slots=True)
class Relative:
    """An instance in a family. `runtime_status` is None where it is not there any more (or not yet)."""

    instance_id: str
    name: str
    runtime_status: str | None
    created_time: datetime | None
    last_updated_time: datetime | None
    children: tuple[Relative, ...] = ()


@dataclass(frozen=True, slots=True)
class Family:
    """`ancestors` from the root down to the parent; `me` with what is below; `left_out` were over the limit."""

    ancestors: tuple[Relative, ...]
    me: Relative
    left_out: int = 0


async def read_family(hub: TaskHub, instance_id: str, *, limit: int = 500) -> Family | None:
    """The family of an orchestration; None: there is none of this id.

    :param limit: how many descendants to look at.
    :raises StorageError: storage refuses, or gives no answer.
    """
    raise NotImplementedError
