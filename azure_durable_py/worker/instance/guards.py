"""The messages in hand of one active instance: they guard its unfinished work.

Owns which of them count. Of two deliveries under one id the newer counts and the older is deleted: if both
are of one message, that has no effect, and if they are of two, the newer one guards. A delivery that may not be
the first counts only once the header says that it is the newest known (PROTOCOL R1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from azure_durable_py.failures import FailureDetails
from azure_durable_py.taskhub.messages import Cause
from azure_durable_py.taskhub.state import InstanceState, Mark
from azure_durable_py.worker.intake.delivery import Delivery
from azure_durable_py.worker.taskset import TaskSet


class Guards:
    """The messages in hand, oldest first.

    :param settling: where messages are settled in the background.
    """

    def __init__(self, settling: TaskSet) -> None:
        self._settling = settling
        self._held: dict[str, Delivery] = {}

    def __iter__(self) -> Iterator[Delivery]:
        return iter(tuple(self._held.values()))

    def __len__(self) -> int:
        return len(self._held)

    @property
    def ids(self) -> list[str]:
        """The ids of the messages in hand."""
        return list(self._held)

    def hold(self, delivery: Delivery) -> None:
        """Take a message in hand."""
        before = self._held.get(delivery.id)
        if before is not None and before.rank > delivery.rank:
            self._delete(delivery)
            return
        # At the end, as the newest.
        self._held.pop(delivery.id, None)
        self._held[delivery.id] = delivery
        if before is not None and before is not delivery:
            self._delete(before)

    def let_go(self) -> list[Delivery]:
        """Empty the hands; returns what was in them."""
        held = list(self._held.values())
        self._held.clear()
        return held

    async def confirm(self, doubtful: Iterable[Delivery]) -> None:
        """Ask storage which of these messages in hand are still ours, and give up the others.

        The marks that would tell went with the header of another execution.
        """
        for delivery in doubtful:
            if not await delivery.settlement.confirm() and self._held.get(delivery.id) is delivery:
                del self._held[delivery.id]

    def outrank(self, marks: Mapping[str, Mark]) -> None:
        """Give up what another delivery took over, by what the header says, or went to another worker."""
        for delivery in tuple(self._held.values()):
            mark = marks.get(delivery.id)
            delivery.outranked = mark is not None and mark.rank > delivery.rank
            if delivery.lost:
                del self._held[delivery.id]
                self._delete(delivery)

    def is_mine(self, guard: str) -> bool:
        """Whether what this message guards is ours to do."""
        delivery = self._held.get(guard)
        return delivery is not None and not delivery.suspect and not delivery.lost

    def deliveries(self, guard: str) -> int:
        """How often a message in hand was delivered; once for one that is not in hand."""
        delivery = self._held.get(guard)
        return 1 if delivery is None else delivery.deliveries

    @property
    def suspects(self) -> list[Delivery]:
        """The messages that may have been delivered before, of which the header does not say so."""
        return [delivery for delivery in self._held.values() if delivery.suspect]

    @property
    def failure(self) -> FailureDetails | None:
        """Why to fail what a message asks for, if one of those in hand says so."""
        for delivery in self._held.values():
            if delivery.failure is not None:
                return delivery.failure
        return None

    def take_failure(self) -> FailureDetails | None:
        """Why to fail what is first now: one pays for it, and those behind it are to be run."""
        failure = self.failure
        for delivery in self._held.values():
            delivery.failure = None
        return failure

    @property
    def are_last(self) -> bool:
        """Whether host.json allows no further delivery of one of those in hand."""
        return any(delivery.last for delivery in self._held.values())

    def has(self, cause: Cause) -> bool:
        """Whether one of those in hand was put for this."""
        return any(delivery.cause is cause for delivery in self._held.values())

    def trust(self) -> None:
        """The header says of all in hand that they are the newest, or there is nothing that they could name."""
        for delivery in self._held.values():
            delivery.suspect = False

    def choose(self, state: InstanceState | None) -> Delivery | None:
        """The message to name as guard of what is decided: one that the header names already, else the newest.

        The fewer messages are named, the sooner the others are free to be deleted.
        """
        usable = [delivery for delivery in self._held.values() if not delivery.lost]
        if state is not None:
            for delivery in reversed(usable):
                if state.names(delivery.id):
                    return delivery
        return usable[-1] if usable else None

    def ack(self, delivery: Delivery) -> None:
        """It has nothing left to guard: delete it."""
        del self._held[delivery.id]
        self._delete(delivery)

    def _delete(self, delivery: Delivery) -> None:
        self._settling.start(delivery.settlement.ack(), f"delete {delivery.id}")
