"""The next header of an entity, while it is being written.

Owns what a turn of an entity changes beside its bookkeeping: the state in its column, the outbox,
the rows of large values. Pure, like the draft of an orchestration.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from azure_durable_py.history.codec import payload_refs
from azure_durable_py.history.events import Event, PayloadRef, Value
from azure_durable_py.taskhub.entity_state import EMPTY, EXISTS, EntityState, Summary, is_runnable
from azure_durable_py.taskhub.naming import chunk_keys
from azure_durable_py.taskhub.outgoing import Deliver, Send, from_message
from azure_durable_py.taskhub.payloads import Spill, decode_ref, encode_ref
from azure_durable_py.taskhub.protocol import BlobRow
from azure_durable_py.taskhub.state import OutboxMessage
from azure_durable_py.worker.instance.orchestration_draft import Draft


class EntityDraft(Draft):
    """One commit of one entity in the making."""

    def number(self) -> int:
        """The number of the next thing to be sent."""
        self.state.sequence += 1
        return self.state.sequence

    def put(self, rows: Iterable[BlobRow]) -> None:
        """Write these rows with the commit."""
        self._spill.rows += rows

    def spill_message(self, number: int, value: Value) -> Value:
        """A value of message `number`, moved to rows that are the message's alone if it is large."""
        return self._spill_alone(f"m{number}", value)

    def _spill_alone(self, what: str, value: Value) -> Value:
        # Rows that two owners shared would go when the first of them is done with them.
        spill = Spill(f"{self.turn_id}-{what}")
        stored = spill.value(value)
        self._spill.rows += spill.rows
        return stored

    def throw_away(self, events: Iterable[Event]) -> None:
        """The values of these events are not needed any more."""
        for ref in payload_refs(events):
            self.state.garbage += chunk_keys(ref.key, ref.chunks)

    def cancel_wake(self, number: int) -> None:
        """The timer with this number has fired."""
        self.state.timers.pop(number, None)

    def drop(self, entries: Collection[int]) -> None:
        """Take entries that were handed over out of the outbox, with their values."""
        gone = [message for message in self.state.messages if message.sequence in entries]
        super().drop(entries)
        for message in gone:
            self._throw_away_values(message)

    def _throw_away_values(self, message: OutboxMessage) -> None:
        if '"chunks":' not in message.body:
            return
        send = from_message(message)
        if isinstance(send, Deliver):
            self.throw_away([send.event.event])
        elif isinstance(send.input, PayloadRef):
            self.state.garbage += chunk_keys(send.input.key, send.input.chunks)

    def record_entity(
        self, entity: EntityState, before: str | None, text: str | None, sends: Sequence[Send], guard: str
    ) -> None:
        """Write down a turn of an entity.

        :param before: the state as the header has it, as JSON text.
        :param text: the state as it is now; None: the entity does not exist.
        :param guard: the message that guards what the turn sends.
        """
        self.changed = True
        self.state.turn_time = self.now
        if text != before:
            self._write_state(text)
        self.columns = dataclasses.replace(
            self.columns,
            runtime_status=EMPTY if text is None else EXISTS,
            custom_status=Summary.of(entity).encode(),
        )
        for send in sends:
            self._send(send, guard)
        self.state.entity = entity.to_json()

    def record_wakes(self, wakes: Mapping[int, datetime]) -> None:
        """Have the entity woken at these times, by timer number."""
        self.state.timers.update(wakes)

    def _write_state(self, text: str | None) -> None:
        old = self.columns.output_payload
        if old is not None:
            ref = decode_ref(old)
            self.state.garbage += chunk_keys(ref.key, ref.chunks)
        value = self._spill_alone("state", text)
        self.columns = dataclasses.replace(
            self.columns,
            output=value if isinstance(value, str) else None,
            output_payload=encode_ref(value) if isinstance(value, PayloadRef) else None,
        )

    def _is_unfinished(self) -> bool:
        return bool(self.state.timers) or is_runnable(self.state)
