"""What a turn of an entity writes into its next header: the state in its column, the outbox, rows of large values.

Pure, like the draft that it writes into.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from azure_durable_py.history.events import (
    EntityCaller,
    EntityOperationCompleted,
    EntityOperationFailed,
    Event,
    OperationArrived,
    PayloadRef,
    Value,
)
from azure_durable_py.observer import UNOBSERVED, InstanceStarted, MessageSent, Observation
from azure_durable_py.runtime.entities.context import Action, SignalAction
from azure_durable_py.runtime.entities.live import Outcome
from azure_durable_py.shortening import shorten
from azure_durable_py.taskhub.entity_state import EMPTY, EXISTS, EntityState, Summary, is_runnable
from azure_durable_py.taskhub.messages import InboxEvent, Target
from azure_durable_py.taskhub.naming import chunk_keys
from azure_durable_py.taskhub.outgoing import Deliver, Send, Sender, StartNew, message_refs
from azure_durable_py.taskhub.payloads import Spill, decode_ref, encode_ref, payload_rows
from azure_durable_py.taskhub.state import InstanceState, OutboxMessage
from azure_durable_py.worker.context import WorkerContext
from azure_durable_py.worker.instance.header_draft import HeaderDraft


class EntityUpkeep:
    """The headers of entities: the rows of a message are its own."""

    def rows_of(self, message: OutboxMessage) -> list[str]:
        return [name for ref in message_refs(message) for name in chunk_keys(ref.key, ref.chunks)]

    def is_unfinished(self, state: InstanceState) -> bool:
        return bool(state.timers) or is_runnable(state)


class EntityDraft:
    """One turn of an entity on its way into a header.

    :param draft: the header.
    :param sender: on whose behalf the entity sends.
    """

    def __init__(self, draft: HeaderDraft, context: WorkerContext, sender: Sender) -> None:
        self._draft = draft
        self._context = context
        self._sender = sender
        self._sends: list[Send] = []
        self._wakes: dict[int, datetime] = {}
        self.bytes_sent = 0
        """What the turn sends takes so many bytes."""

    # --- what it sends -------------------------------------------------------------------------------

    def wake_at(self, moment: datetime) -> int:
        """Have the entity woken; returns the number of the timer."""
        number = self._number()
        self._wakes[number] = moment
        return number

    def send(self, actions: Sequence[Action], observation: Observation = UNOBSERVED) -> None:
        """Send what an operation asked for.

        :param observation: the operation as it is observed.
        """
        for send in [self._send_of(action, observation) for action in actions]:
            self._send(send)

    def _send_of(self, action: Action, observation: Observation) -> Send:
        number, now = self._number(), self._draft.now
        value = self._spill_message(number, action.input)
        if isinstance(action, SignalAction):
            signal = OperationArrived(now, action.operation, value, signal_time=action.signal_time)
            target = str(action.entity_id)
            trace = observation.sends(MessageSent(target, None, signal))
            return Deliver(number, target, InboxEvent(signal, self._sender.incarnation, number, now, trace=trace))
        execution_id = self._context.hub.ids.new()
        version = action.version or self._context.settings.default_version
        started = InstanceStarted(action.instance_id, execution_id, action.name, version, None, now, action.start_at)
        return StartNew(
            number,
            action.instance_id,
            execution_id,
            action.name,
            value,
            version,
            now,
            action.start_at,
            observation.sends(started),
        )

    def answer_call(self, caller: EntityCaller, outcome: Outcome) -> None:
        """Answer who called an operation."""
        number, now = self._number(), self._draft.now
        if outcome.failure is not None:
            answer: Event = EntityOperationFailed(now, caller.task_id, shorten(outcome.failure))
        else:
            answer = EntityOperationCompleted(now, caller.task_id, self._spill_message(number, outcome.result))
        self._answer(caller, answer, number)

    def answer(self, caller: EntityCaller, answer: Event) -> None:
        """Answer who waits for something of the entity."""
        self._answer(caller, answer, self._number())

    def _answer(self, caller: EntityCaller, answer: Event, number: int) -> None:
        target = Target.answering(caller)
        event = InboxEvent(answer, self._sender.incarnation, number, self._draft.now, target)
        self._send(Deliver(number, caller.instance_id, event))

    def _send(self, send: Send) -> None:
        self._sends.append(send)
        body = send.event.encode() if isinstance(send, Deliver) else send.encode()
        self.bytes_sent += len(body)

    def _number(self) -> int:
        """The number of the next thing to be sent."""
        self._draft.state.sequence += 1
        return self._draft.state.sequence

    # --- values --------------------------------------------------------------------------------------

    def _spill_message(self, number: int, value: Value) -> Value:
        """A value of message `number`, moved to rows that are the message's alone if it is large."""
        return self._spill_alone(f"m{number}", value)

    def _spill_alone(self, what: str, value: Value) -> Value:
        # Rows that two owners shared would go when the first of them is done with them.
        spill = Spill(f"{self._draft.turn_id}-{what}")
        stored = spill.value(value)
        self._draft.rows.put(spill.rows)
        return stored

    def throw_away(self, events: Iterable[Event]) -> None:
        """The values of these events are not needed any more."""
        self._draft.state.garbage += payload_rows(events)

    # --- the header ------------------------------------------------------------------------------------

    def record(self, entity: EntityState, before: str | None, text: str | None, guard: str) -> None:
        """Write the turn down.

        :param before: the state as the header has it, as JSON text.
        :param text: the state as it is now; None: the entity does not exist.
        :param guard: the message that guards what the turn sends.
        """
        draft = self._draft
        draft.state.timers.update(self._wakes)
        draft.changed = True
        draft.state.turn_time = draft.now
        if text != before:
            self._write_state(text)
        draft.described |= {
            "runtime_status": EMPTY if text is None else EXISTS,
            "custom_status": Summary.of(entity).encode(),
        }
        for send in self._sends:
            draft.send(send, guard)
        draft.state.entity = entity.to_json()

    def _write_state(self, text: str | None) -> None:
        draft = self._draft
        old = draft.columns.output_payload
        if old is not None:
            ref = decode_ref(old)
            draft.state.garbage += chunk_keys(ref.key, ref.chunks)
        value = self._spill_alone("state", text)
        draft.described |= {
            "output": value if isinstance(value, str) else None,
            "output_payload": encode_ref(value) if isinstance(value, PayloadRef) else None,
        }
