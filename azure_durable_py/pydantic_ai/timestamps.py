"""The times that messages carry.

The framework stamps what it writes with the clock of the process, which is another on every replay. Here each message
that the orchestrator added gets the time of the orchestration: when it was sent to the model, or, of the last ones,
when the run ended. Answers of models keep theirs, which came with the recorded result; of the attempts that failed
before them, those that the orchestrator has noted get its times.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic_ai.messages import (
    AgentStreamEvent,
    EnqueuedMessagesEvent,
    ModelMessage,
    ModelRequestAttempt,
    ModelResponse,
    ToolReturnPart,
)


class RunTimes:
    """What an orchestration knows of the times of its runs."""

    def __init__(self) -> None:
        self._begun: dict[str | None, list[datetime]] = {}
        self._recorded: list[ModelRequestAttempt] = []

    def begin_attempt(self, run_id: str | None, number: int, now: datetime) -> None:
        """A run makes an attempt at a request, the `number`-th from 1."""
        if number == 1:
            self._begun[run_id] = []
        self._begun.setdefault(run_id, []).append(now)

    def know(self, response: ModelResponse) -> None:
        """A response has come with a recorded result: what it says of attempts was noted there."""
        self._recorded.extend(response.failed_attempts or ())

    def stamp_attempts(self, response: ModelResponse, run_id: str | None, now: datetime) -> None:
        """Give the attempts that the orchestrator noted its times."""
        own = [each for each in response.failed_attempts or () if not any(each is other for other in self._recorded)]
        begun = self._begun.get(run_id, [])
        for number, attempt in enumerate(own):
            start, end = (begun[at] if at < len(begun) else now for at in (number, number + 1))
            # In place, though they are frozen: the framework knows them by what they are.
            object.__setattr__(attempt, "timestamp", start)
            object.__setattr__(attempt, "duration", end - start)

    def stamp(self, messages: Sequence[ModelMessage], run_id: str | None, now: datetime) -> None:
        """Give what the run has added since the last answer of a model the time `now`."""
        for message in reversed(messages):
            if message.run_id != run_id:
                continue
            if isinstance(message, ModelResponse):
                self.stamp_attempts(message, run_id, now)
                return
            message.timestamp = now
            for part in message.parts:
                timed: Any = part
                if hasattr(timed, "timestamp"):
                    timed.timestamp = now

    def stamp_event(self, event: AgentStreamEvent, run_id: str | None, now: datetime) -> None:
        """Give what an event has of the messages of the run the time `now`."""
        if isinstance(event, EnqueuedMessagesEvent):
            self.stamp(event.messages, run_id, now)
        part: object = getattr(event, "part", None)
        if isinstance(part, ToolReturnPart):
            part.timestamp = now
