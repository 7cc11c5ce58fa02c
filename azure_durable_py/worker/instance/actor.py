"""The life of one active instance: it waits until there is a step to take, takes it, and leaves when there is none.

Owns waiting and leaving, what follows from the error of a step, and what others may tell an instance. What a
step does is in `steps`, where the theory of operation stands, too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from azure_durable_py.errors import ConcurrencyConflictError, StorageError
from azure_durable_py.taskhub.outgoing import Sender
from azure_durable_py.taskhub.protocol import CorruptRowError
from azure_durable_py.taskhub.state import Alarm, Arming
from azure_durable_py.taskhub.upgrades import NewerFormatError
from azure_durable_py.worker.context import TaskResult, WorkerContext
from azure_durable_py.worker.instance.attention import Attention
from azure_durable_py.worker.instance.instance import Instance
from azure_durable_py.worker.instance.kinds import kind_of
from azure_durable_py.worker.instance.mailroom import Mailroom
from azure_durable_py.worker.instance.orchestration_turn import OtherVersionError
from azure_durable_py.worker.instance.results import LookAgainError
from azure_durable_py.worker.instance.steps import Steps
from azure_durable_py.worker.intake.delivery import Delivery

logger = logging.getLogger("azure_durable_py.worker")
LONGEST_DEFERRAL = 300.0


class Actor:
    """Runs one instance while there is something to do for it.

    :param retired: told when it has nothing more to do; from then on it takes nothing.
    """

    def __init__(self, context: WorkerContext, instance_id: str, retired: Callable[[], None]) -> None:
        self.instance_id = instance_id
        self._context = context
        self._retired = retired
        kind = kind_of(context, instance_id)
        self._attention = Attention(kind.crowd)
        self._arrived: list[Delivery] = []
        self._mailroom = Mailroom(
            context,
            instance_id,
            wants=self.wants,
            handed_over=self.handed_over,
            armed=self.armed,
            broken=self._break,
        )
        self._instance = Instance(context, instance_id, kind, self._attention, self._mailroom, self)
        self._steps = Steps(self._instance)
        self._outdated = False
        self._ending = False
        self._stopping = False
        self._broken: BaseException | None = None

    # --- what others tell it -----------------------------------------------------------------------

    def ring(self, delivery: Delivery) -> None:
        """A message for this instance was delivered; it counts from the next load on."""
        self._arrived.append(delivery)
        self._attention.call()

    def finish(self, result: TaskResult) -> None:
        """A task was run in this process."""
        it = self._instance
        if result.delivery is not None:
            it.guards.hold(result.delivery)
        elif not it.guards:
            # Another worker has what guarded it by now, and may run it again; the sooner it hears of this, the better.
            it.report(result)
            return
        it.results.add(result)
        self._attention.wake.set()

    def handed_over(self, sender: Sender, number: int) -> None:
        """An outbox entry is handed over."""
        # Who has nothing in hand any more knows nothing, and can drop nothing.
        if self._instance.guards and self._instance.known.is_execution_of(sender):
            self._instance.dispatcher.hand_over(number)
            self._attention.wake.set()

    def armed(self, arming: Arming, alarm: Alarm) -> None:
        """The doorbell for the earliest timer is put."""
        it = self._instance
        if not it.guards or it.known.state is None or it.known.state.arming != arming:
            # The instance ended meanwhile, or waits for another time: nobody will name this doorbell.
            it.dispatcher.silence(alarm)
            return
        it.dispatcher.armed(arming, alarm)
        self._attention.wake.set()

    def wants(self, sender: Sender, number: int) -> bool:
        """Whether this process is still to hand the entry over."""
        it = self._instance
        return not self._stopping and it.known.is_execution_of(sender) and it.dispatcher.is_open(number)

    def has_abandoned(self, sender: Sender, task_id: int) -> bool:
        """Whether code was cancelled that waited for this task, so that it need not be run."""
        state = self._instance.known.state
        return state is not None and task_id in state.abandoned and self.sender.target == sender.target

    def look_again(self) -> None:
        """Something that it has in hand is no longer its own."""
        self._attention.call()

    def reload(self) -> None:
        """Another worker has committed what it does not know of: nothing else may tell it."""
        self._outdated = True
        self._attention.call()

    def end(self) -> None:
        """Leave memory now if there is nothing to do."""
        self._ending = True
        self._attention.wake.set()

    def _break(self, _task: str, error: BaseException) -> None:
        """A part of it has failed in a way that nobody foresaw: so has the whole."""
        self._broken = error
        self._attention.wake.set()

    @property
    def sender(self) -> Sender:
        """The incarnation that the newest header stands for."""
        return self._instance.known.sender

    @property
    def is_busy(self) -> bool:
        """Whether it has anything in hand."""
        return bool(self._arrived or len(self._instance.guards) or self.has_results)

    @property
    def has_results(self) -> bool:
        """Whether results wait to be committed."""
        return bool(len(self._instance.results))

    # --- its life ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Take steps until there has been nothing to do for a while."""
        try:
            await self._run()
        except asyncio.CancelledError:
            # Left to the garbage collector, user code would end in whatever context that runs in.
            self._instance.kind.reader.forget()
            raise

    async def _run(self) -> None:
        it = self._instance
        patience = self._context.hub.patience(f"Instance {self.instance_id!r}")
        while await self._wait():
            try:
                async with it.kind.slots:
                    self._attention.answer()
                    if self._outdated:
                        self._outdated = it.known.is_fresh = False
                    await self._steps.take(self._arrived)
                patience.over()
            except LookAgainError:
                it.known.is_fresh = False
                self._attention.call()
            except ConcurrencyConflictError:
                it.forget()
            except NewerFormatError as error:
                if self._context.told.is_new(self.instance_id, str(error)):
                    logger.warning("Instance %r is left to a worker that is upgraded: %s", self.instance_id, error)
                await self._defer()
            except CorruptRowError as error:
                if self._context.told.is_new(self.instance_id, str(error)):
                    logger.error(
                        "Instance %r cannot be read, and does not go on; its messages are put back, ever later: %s",
                        self.instance_id,
                        error,
                    )
                await self._defer()
            except StorageError as error:
                it.forget()
                await patience.wait(error)
            except OtherVersionError as error:
                # It comes again and again, later each time.
                level = logging.INFO if self._context.told.is_new(self.instance_id, str(error)) else logging.DEBUG
                logger.log(level, "Instance %r is left to another worker: %s", self.instance_id, error)
                await self._defer()
            except Exception:
                logger.exception("A turn of instance %r failed; its messages are put back.", self.instance_id)
                await self._defer()

    async def _wait(self) -> bool:
        """Wait until there is a step to take: then it is called, until it has its turn. False: it has retired."""
        it, monotonic = self._instance, self._context.hub.clock.monotonic
        while True:
            self._attention.wake.clear()
            if self._broken is not None:
                raise self._broken
            if self._attention.is_called or it.has_rows or it.results.worth_a_turn(it.kind.reader.decided_by):
                self._attention.call()
                return True
            deadline = self._deadline()
            if deadline is not None and deadline <= monotonic():
                self._attention.call()
                return True
            if self.is_busy:
                await self._attention.wake.wait(None if deadline is None else deadline - monotonic())
            elif not await self._is_woken_from_idleness():
                it.kind.reader.forget()
                it.known.let_go()
                self._retired()
                # What knew it does so no more: all of it goes at once, without waiting for the collector of garbage.
                self._mailroom.close()
                it.dispatcher.close()
                return False

    def _deadline(self) -> float | None:
        """When there is something to do although nothing has happened."""
        it = self._instance
        drop_at = it.dispatcher.drop_at(it.known.state, finished=it.known.is_terminal)
        found: float | None = None
        for at in (it.results.deadline, it.restraint.early_until, drop_at):
            if at is not None and (found is None or at < found):
                found = at
        return found

    async def _is_woken_from_idleness(self) -> bool:
        self._context.sessions.idle(self)
        try:
            woken = not self._ending and await self._attention.wake.wait(self._idle_seconds())
            # What comes at the moment at which it is told to leave keeps it.
            return self._attention.is_called or self.is_busy or (woken and not self._ending)
        finally:
            self._ending = False
            self._context.sessions.leave(self)

    def _idle_seconds(self) -> float:
        settings, known = self._context.settings, self._instance.known
        ended = known.header is None or known.is_terminal
        return settings.extended_session_idle_timeout if settings.extended_sessions and not ended else 0.0

    # --- letting go ------------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Let go of everything in hand; what was not committed is done again by whoever gets it."""
        await self._leave()
        self._instance.kind.reader.forget()
        held = [*self._instance.guards.let_go(), *self._arrived]
        await asyncio.gather(*(delivery.settlement.release() for delivery in held))

    async def abandon(self) -> None:
        """It has failed in a way that nobody foresaw: what it has in hand comes again, later each time, to another."""
        await self._leave()
        await _put_back([*self._instance.guards.let_go(), *self._arrived])
        self._instance.kind.reader.forget()

    async def _leave(self) -> None:
        self._stopping = True
        self._attention.answer()
        self._context.sessions.leave(self)
        await self._mailroom.stop()

    async def _defer(self) -> None:
        """Something is wrong with this instance that trying at once will not mend: put it off (PROTOCOL R3)."""
        held = self._instance.guards.let_go()
        self._instance.forget_header()
        self._steps.let_go(readable=False)
        await _put_back(held)


async def _put_back(deliveries: Iterable[Delivery]) -> None:
    for delivery in deliveries:
        delay = min(2.0 ** min(delivery.rank[0], 10), LONGEST_DEFERRAL)
        await delivery.settlement.put_back(delay)
