"""The messages that host and worker exchange, as plain records.

The production worker takes the module of its messages from whoever drives it. The real one is generated for
gRPC and is not published; these records have the fields that the worker reads and sets.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class Record(SimpleNamespace):
    """A message: fields by name; one that was not set is None."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name[0].isupper():
            raise AttributeError(name)
        return None

    def WhichOneof(self, group: str) -> str | None:
        """Which of the alternatives is set: a record of these has only that."""
        if group == "rpc_data":
            return "data"
        return next((name for name, value in vars(self).items() if value is not None), None)


class StatusResult(Record):
    Failure = 0
    Success = 1


class BindingInfo(Record):
    undefined = 0
    inout = 2
    out = 1


class _Others:
    StatusResult = StatusResult
    BindingInfo = BindingInfo

    def __getattr__(self, name: str) -> type[Record]:
        return Record


protos = _Others()
