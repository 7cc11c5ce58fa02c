"""What a turn of an entity writes into its next header: the state in its column, the outbox, rows of large values.

Pure, like the draft that it writes into.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from azure_durable_py.history.codec import payload_refs
from azure_durable_py.history.events import Event, PayloadRef, Value
from azure_durable_py.taskhub.entity_state import EMPTY, EXISTS, EntityState, Summary, is_runnable
from azure_durable_py.taskhub.naming import chunk_keys
from azure_durable_py.taskhub.outgoing import Send, message_refs
from azure_durable_py.taskhub.payloads import Spill, decode_ref, encode_ref
from azure_durable_py.taskhub.state import InstanceState, OutboxMessage
from azure_durable_py.worker.instance.header_draft import HeaderDraft


class EntityUpkeep:
    """The headers of entities: the rows of a message are its own."""

    def rows_of(self, message: OutboxMessage) -> list[str]:
        return [name for ref in message_refs(message) for name in chunk_keys(ref.key, ref.chunks)]

    def is_unfinished(self, state: InstanceState) -> bool:
        return bool(state.timers) or is_runnable(state)


class EntityDraft:
    """One turn of an entity on its way into a header."""

    def __init__(self, draft: HeaderDraft) -> None:
        self.header = draft

    def number(self) -> int:
        """The number of the next thing to be sent."""
        self.header.state.sequence += 1
        return self.header.state.sequence

    def spill_message(self, number: int, value: Value) -> Value:
        """A value of message `number`, moved to rows that are the message's alone if it is large."""
        return self._spill_alone(f"m{number}", value)

    def _spill_alone(self, what: str, value: Value) -> Value:
        # Rows that two owners shared would go when the first of them is done with them.
        spill = Spill(f"{self.header.turn_id}-{what}")
        stored = spill.value(value)
        self.header.rows.put(spill.rows)
        return stored

    def throw_away(self, events: Iterable[Event]) -> None:
        """The values of these events are not needed any more."""
        for ref in payload_refs(events):
            self.header.state.garbage += chunk_keys(ref.key, ref.chunks)

    def cancel_wake(self, number: int) -> None:
        """The timer with this number has fired."""
        self.header.state.timers.pop(number, None)

    def record(
        self, entity: EntityState, before: str | None, text: str | None, sends: Sequence[Send], guard: str
    ) -> None:
        """Write the turn down.

        :param before: the state as the header has it, as JSON text.
        :param text: the state as it is now; None: the entity does not exist.
        :param guard: the message that guards what the turn sends.
        """
        header = self.header
        header.changed = True
        header.state.turn_time = header.now
        if text != before:
            self._write_state(text)
        header.columns = dataclasses.replace(
            header.columns,
            runtime_status=EMPTY if text is None else EXISTS,
            custom_status=Summary.of(entity).encode(),
        )
        for send in sends:
            header.send(send, guard)
        header.state.entity = entity.to_json()

    def record_wakes(self, wakes: Mapping[int, datetime]) -> None:
        """Have the entity woken at these times, by timer number."""
        self.header.state.timers.update(wakes)

    def _write_state(self, text: str | None) -> None:
        header = self.header
        old = header.columns.output_payload
        if old is not None:
            ref = decode_ref(old)
            header.state.garbage += chunk_keys(ref.key, ref.chunks)
        value = self._spill_alone("state", text)
        header.columns = dataclasses.replace(
            header.columns,
            output=value if isinstance(value, str) else None,
            output_payload=encode_ref(value) if isinstance(value, PayloadRef) else None,
        )
