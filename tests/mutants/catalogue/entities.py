"""Entities: operations, locks, the backlog, the memory of senders."""

from __future__ import annotations

from tests.mutants.planting import Mutant

MUTANTS = (
    Mutant(
        "lock_holds_nobody_off",
        "Operations of others run while a section holds the lock.",
        "worker/entity_turn.py",
        "if (holder is None and not self._entity.is_runnable) or (holder and holder.section == event.section):",
        "if True:",
        ("tests/entities/test_locks.py",),
    ),
    Mutant(
        "anybody_releases",
        "A release of one section frees the lock that another holds.",
        "worker/entity_turn.py",
        "if self._entity.holder is not None and self._entity.holder.section == section:",
        "if self._entity.holder is not None:",
        ("tests/entities/test_locks.py",),
    ),
    Mutant(
        "grant_not_given_back",
        "A lock that is given to an execution which is gone is held for ever.",
        "worker/locks.py",
        "    if not isinstance(event, EntityLockGranted) or (state is not None and matches(granted.target, state)):\n",
        "    if isinstance(event, EntityLockGranted) or state is not None:\n",
        ("tests/entities/test_locks.py::test_a_lock_granted_to_nobody_is_given_back",),
    ),
    Mutant(
        "locks_kept_at_the_end",
        "An orchestration that ends inside a section keeps its locks.",
        "worker/draft.py",
        "locks, self.state.locks = self.state.locks, []",
        "locks, self.state.locks = [], []",
        ("tests/entities/test_locks.py::test_termination_releases_locks_held_and_locks_asked_for",),
    ),
    Mutant(
        "release_not_sent",
        "A lock that a section releases at its end stays held.",
        "taskhub/outgoing.py",
        "EntityOperationCalled, EntityOperationSignaled, EntityLockReleased)",
        "EntityOperationCalled, EntityOperationSignaled)",
        ("tests/entities/test_locks.py::test_a_transfer_moves_an_amount",),
    ),
    Mutant(
        "moved_senders_forgotten",
        "A sender that was moved out of the header is not looked for there: its repetitions take effect.",
        "worker/entity_turn.py",
        "            if event.sent_at <= page.until:\n",
        "            if False:\n",
        ("tests/entities/test_bounds.py::test_senders_beyond_a_limit_move_to_rows_and_are_still_known",),
    ),
    Mutant(
        "senders_pile_up",
        "The memory of senders grows until the header is full.",
        "worker/entity_turn.py",
        "        if len(state.senders) <= MAX_SENDERS:\n            return\n",
        "        return\n",
        ("tests/entities/test_bounds.py::test_senders_beyond_a_limit_move_to_rows_and_are_still_known",),
    ),
    Mutant(
        "backlog_fills_the_header",
        "What an entity holds back never leaves its header.",
        "worker/entity_turn.py",
        "        if sum(map(len, entity.tail)) > SEAL_CHARS:\n",
        "        if False:\n",
        ("tests/entities/test_bounds.py::test_a_long_backlog_leaves_the_header_and_comes_back_in_order",),
    ),
    Mutant(
        "backlog_from_its_end",
        "Of what an entity held back the newest page is run first.",
        "worker/entity_turn.py",
        "        page = entity.pages.pop(0)\n",
        "        page = entity.pages.pop()\n",
        ("tests/entities/test_bounds.py::test_a_long_backlog_leaves_the_header_and_comes_back_in_order",),
    ),
    Mutant(
        "batch_without_bound",
        "A turn of an entity runs all operations that wait, whatever the settings say.",
        "worker/entity_turn.py",
        "            self._operations >= self._most_operations\n",
        "            False\n",
        ("tests/entities/test_bounds.py::test_a_batch_has_at_most_as_many_operations_as_the_settings_say",),
    ),
    Mutant(
        "backlog_waits_for_a_ring",
        "What a lock held back and a full turn left over waits until somebody rings.",
        "worker/actor.py",
        "return self._is_entity and self._state is not None and is_unfinished(self._state, self._hub.clock.now())",
        "return False",
        ("tests/entities/test_locks.py::test_a_backlog_is_worked_off_over_many_turns_in_order",),
    ),
    Mutant(
        "failed_operation_leaves_traces",
        "An operation that fails keeps what it did to the state.",
        "runtime/entities.py",
        "        self._state.restore()\n        return Outcome(None, failure)",
        "        return Outcome(None, failure)",
        (
            "tests/entities/test_operations.py::test_a_failed_operation_leaves_no_trace_for_the_next_one_of_its_turn",
        ),
    ),
    Mutant(
        "scheduled_signal_at_once",
        "A signal that is to come later runs when it arrives.",
        "worker/entity_turn.py",
        "case OperationArrived(signal_time=moment) if moment is not None and moment > self._draft.now:",
        "case OperationArrived(signal_time=moment) if moment is not None and False:",
        ("tests/entities/test_client.py::test_a_signal_can_be_scheduled",),
    ),
)
