"""Writes `azure_durable_py/client/sync_client.py`: for each public method of the async client one that waits.

    python -m tests.client.write_sync_client

Parameters, defaults, results and docstrings are those of the async client, so that nobody keeps two of them in step.
"""

from __future__ import annotations

from pathlib import Path

from tests.sync_twins import Twins, homes_of, imports

PACKAGE = Path(__file__).parent.parent.parent / "azure_durable_py"
CLIENT = tuple(PACKAGE / "client" / f"{name}.py" for name in ("client", "queries", "responses", "entities"))
SCHEDULES = (PACKAGE / "client" / "schedules.py",)
KEYS = (PACKAGE / "client" / "keys.py",)
SOURCES = (*CLIENT, *SCHEDULES, *KEYS)
TARGET = PACKAGE / "client" / "sync_client.py"
ASYNC, SYNC = "DurableOrchestrationClient", "DurableOrchestrationSyncClient"
PARTS = ("QueryClient", "ResponseClient", "EntityClient")
"""What the async client is made of, beside its own class."""
SYNC_OF = {"ScheduleClient": "ScheduleSyncClient", "KeyClient": "KeySyncClient"}
"""What hangs on the async client, and what on the sync one."""
LEFT_OUT = frozenset({"hub", "recent_execution"})
"""Only of use on the event loop, or to a host."""

HEAD = f'''"""The sync client, as tests/client/write_sync_client.py writes it: change the async one, and write anew."""

from __future__ import annotations

{{imports}}


class {SYNC}(SyncClientBase):
    """Starts, queries and steers orchestration instances of one task hub, and talks to its entities; every call waits.

    It is `{ASYNC}` for code without `await`: the same calls, with the same parameters,
    results and errors. An event loop in another thread does the work, so that it can be used in any thread, in many at
    once, and also where an event loop runs, as in a notebook. It cannot be used on the event loop that does its work,
    nor in a process that was forked off after it was made: both are a `RuntimeError`.

    A sync function of an app gets one from `durable_client_input` when its parameter is annotated with this class.
    Elsewhere, use one of the `from_...` constructors, with `with` or with `close()` at the end.
    """
'''

SCHEDULES_HEAD = '''

class ScheduleSyncClient(SyncPartBase[ScheduleClient]):
    """The schedules of one task hub, as `schedules` of the sync client gives them; every call waits.

    It is `ScheduleClient` for code without `await`.
    """
'''

KEYS_HEAD = '''

class KeySyncClient(SyncPartBase[KeyClient]):
    """The keys of one task hub, as `keys` of the sync client gives them; every call waits.

    It is `KeyClient` for code without `await`.
    """
'''


def generated() -> str:
    """The text of the module."""
    twins = Twins("self._client", SYNC_OF, opens=ASYNC, opened=SYNC, left_out=LEFT_OUT)
    methods = [method for path in CLIENT for method in twins.methods(path, (ASYNC, *PARTS))]
    of_schedules = [method for path in SCHEDULES for method in twins.methods(path, ["ScheduleClient"])]
    of_keys = [method for path in KEYS for method in twins.methods(path, ["KeyClient"])]
    head = HEAD.format(imports=_imports(twins.used)).rstrip()
    parts = "\n".join([SCHEDULES_HEAD, *of_schedules]) + "\n".join([KEYS_HEAD, *of_keys])
    return "\n".join([head, "", *methods]) + parts


def _imports(used: set[str]) -> str:
    homes = {**homes_of(SOURCES, PACKAGE), ASYNC: "azure_durable_py.client.client"}
    homes |= dict.fromkeys(("SyncClientBase", "SyncPartBase"), "azure_durable_py.client.sync_base")
    made_here = {"AbstractAsyncContextManager", *SYNC_OF.values()}
    names = (used - made_here) | set(SYNC_OF) | {ASYNC, "SyncClientBase", "SyncPartBase", "TYPE_CHECKING"}
    return imports(names, homes)


if __name__ == "__main__":
    TARGET.write_text(generated(), encoding="utf-8")
