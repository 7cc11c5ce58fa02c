"""The instances that this process has inserted a moment ago, and knows without asking storage.

What is remembered may be old: another process may have gone on with an instance. Whoever uses it either asks later all
the same, or commits on top of it, which the ETag then allows or not.
"""

from __future__ import annotations

from collections import OrderedDict

from azure_durable_py.taskhub.protocol import Header
from azure_durable_py.taskhub.state import InstanceState

_MOST = 10_000
_MOST_WHOLE = 2_000
_SMALL = 4_096
"""Bytes of a body, and characters of an input, above which a header is not kept."""


class Inserted:
    """Instances that were inserted and that no worker of this process has committed anything for.

    :ivar for_worker: a worker of this process may want them whole: their headers are kept, as far as they are small.
    """

    def __init__(self) -> None:
        self.for_worker = False
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._whole: OrderedDict[str, tuple[Header, InstanceState]] = OrderedDict()

    def __contains__(self, instance_id: str) -> bool:
        return instance_id in self._ids

    def add(self, header: Header, state: InstanceState) -> None:
        """An instance was inserted. The oldest are forgotten where they become too many."""
        instance_id, columns = header.instance_id, header.columns
        self._ids[instance_id] = None
        if len(self._ids) > _MOST:
            self._ids.popitem(last=False)
        small = len(header.body) <= _SMALL and len(columns.input or "") + len(columns.tags or "") <= _SMALL
        # A delayed start is the one that may be looked at without anything being committed.
        if self.for_worker and small and state.start_at is None:
            self._whole[instance_id] = (header, state)
            if len(self._whole) > _MOST_WHOLE:
                self._whole.popitem(last=False)

    def take(self, instance_id: str) -> tuple[Header, InstanceState] | None:
        """The header of an instance and the state in it, once; None: storage has to be asked."""
        return self._whole.pop(instance_id, None)

    def forget(self, instance_id: str) -> None:
        """Something was committed for an instance."""
        self._ids.pop(instance_id, None)
        self._whole.pop(instance_id, None)
