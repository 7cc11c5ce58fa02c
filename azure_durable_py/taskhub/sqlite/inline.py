"""How the statements on a database in memory run: at once, on the event loop.

No call waits for anything, so that a virtual event loop sees each as one step.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from azure_durable_py.taskhub.sqlite.refusals import translate
from azure_durable_py.taskhub.sqlite.transactions import Job, write

_Result = TypeVar("_Result")
_WHERE = "memory"


class Inline:
    """A database that nobody else has: nobody can die with a message in hand, or change it behind our back.

    :param db: the connection.
    """

    owner: str | None = None

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    async def read(self, job: Job[_Result], *, short: bool = False) -> _Result:  # noqa: ARG002
        """Run a job that only reads. Nothing else can write meanwhile."""
        try:
            return job(self._db)
        except sqlite3.Error as error:
            raise translate(error, _WHERE) from error

    async def write(self, job: Job[_Result], *, short: bool = False) -> _Result:  # noqa: ARG002
        """Run a job whole, or not at all."""
        return write(self._db, job, _WHERE)

    async def write_if(self, look: Job[bool], job: Job[_Result]) -> _Result | None:
        """The same, unless a look shows that there is nothing to do."""
        return await self.write(job) if await self.read(look) else None

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:  # noqa: ARG002
        """There is nothing to be told of."""
        return lambda: None

    async def close(self) -> None:
        """Forget the database."""
        self._db.close()
