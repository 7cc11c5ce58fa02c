"""What this process knows of one instance in storage: its header, and rows of its inbox that are still to be taken.

It may be old. Whether it counts is decided by the ETag when something is committed on top of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime

from azure_durable_py.taskhub.naming import BEHIND_ALL
from azure_durable_py.taskhub.outgoing import Sender
from azure_durable_py.taskhub.protocol import Header, InboxRow, Loaded
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.worker.instance.guards import Guards
from azure_durable_py.worker.instance.header_draft import HeaderDraft
from azure_durable_py.worker.intake.delivery import UNSEEN, Delivery

ROWS_PER_TURN = 90
BYTES_PER_TURN = 1_000_000
NOT_LOADED = BEHIND_ALL
"""The execution before anything was loaded; None is that of an instance that is not there."""


class Known:
    """A copy of one instance, as of the last load or commit.

    :param instance_id: whose.
    :param now: the time before anything is loaded.
    """

    def __init__(self, instance_id: str, now: datetime) -> None:
        self._instance_id = instance_id
        self.header: Header | None = None
        self.state: InstanceState | None = None
        self.rows: deque[InboxRow] = deque()
        self.more = False
        """Whether the inbox has rows beyond those."""
        self.is_fresh = False
        """Whether nothing has happened since the last load that calls for another one."""
        self._seen_until = now
        self._confirmed_for: str | None = NOT_LOADED
        self._sender: tuple[Header, InstanceState, Sender] | None = None

    @property
    def sender(self) -> Sender:
        """The incarnation that the header stands for."""
        header, state, known = self.header, self.state, self._sender
        assert header is not None
        assert state is not None
        if known is None or known[0] is not header or known[1] is not state:
            known = self._sender = (header, state, Sender.of(self._instance_id, header.columns.name, state))
        return known[2]

    @property
    def is_terminal(self) -> bool:
        """Whether the instance has ended."""
        return self.header is not None and self.header.is_terminal

    def is_execution_of(self, sender: Sender) -> bool:
        """Whether it is still the execution that sent something; a replaced one counts from the start again."""
        return self.state is not None and self.state.execution_id == sender.execution_id

    # --- loading -------------------------------------------------------------------------------------

    def take(self, loaded: Loaded, began: datetime, state: InstanceState | None = None) -> bool:
        """A load has ended; tells whether the header is another one than before, so that all is to come from it.

        :param began: when the load did.
        :param state: what the body of the header holds, if that is known.
        """
        self.rows = deque(loaded.inbox)
        self.more = loaded.more
        self._seen_until = began
        if self.state is not None and etag_of(loaded.header) == etag_of(self.header):
            return False
        self.header = loaded.header
        # Should it be damaged, nothing is known until it is mended.
        self.state = None
        self.state = None if loaded.header is None else state or InstanceState.decode(loaded.header.body)
        return True

    async def confirm(self, guards: Guards) -> None:
        """Ask storage for messages of which the header cannot tell whether they are still ours (PROTOCOL R1)."""
        execution = None if self.state is None else self.state.execution_id
        another = self._confirmed_for not in (NOT_LOADED, execution)
        unseen = [delivery for delivery in guards if delivery.horizon == UNSEEN]
        await guards.confirm(guards if another else [each for each in unseen if each.settlement.overdue])
        self._confirmed_for = execution

    def forget(self) -> None:
        """Nothing that is known counts any more, but as a copy of what the header said."""
        self.rows.clear()
        self.more = self.is_fresh = False

    def let_go(self) -> None:
        """Nobody asks any more: what may be large need not stay until the collector of garbage comes."""
        self.forget()
        self.header = self.state = self._sender = None

    # --- a turn --------------------------------------------------------------------------------------

    def next_rows(self) -> list[InboxRow]:
        """The rows that one turn takes."""
        rows: list[InboxRow] = []
        size = 0
        for row in self.rows:
            size += len(row.body)
            if len(rows) == ROWS_PER_TURN or (rows and size > BYTES_PER_TURN):
                break
            rows.append(row)
        return rows

    def committing(self, draft: HeaderDraft) -> None:
        """A draft is about to be committed: if it takes all rows there were, that is to be said in it."""
        if not self.more and len(draft.rows.consumed) == len(self.rows):
            draft.rows.seen_until = self._seen_until

    def committed(self, header: Header, state: InstanceState, consumed: Iterable[str]) -> None:
        """A header was written, and the first rows were consumed with it."""
        self.header, self.state = header, state
        for _ in consumed:
            self.rows.popleft()

    # --- settling ------------------------------------------------------------------------------------

    def are_rows_done(self, delivery: Delivery) -> bool:
        """Whether all rows are consumed that a message was rung for."""
        if self.rows:
            return self.rows[0].key > delivery.horizon
        return not self.more


def etag_of(header: Header | None) -> str | None:
    """What tells one header of an instance from the next."""
    return None if header is None else header.etag
