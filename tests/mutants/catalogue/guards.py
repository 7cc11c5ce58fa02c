"""Messages in hand: which delivery counts, how long it is held, and when it may be deleted."""

from __future__ import annotations

from tests.mutants.planting import Mutant

_GUARDS = "tests/protocol/test_rules_guards.py"

MUTANTS = (
    Mutant(
        "acknowledge_before_dispatch",
        "A message is deleted although the header still names what it guards.",
        "worker/instance/steps.py",
        "if delivery.suspect or state.names(delivery.id) or it.restraint.early_until is not None:",
        "if delivery.suspect or it.restraint.early_until is not None:",
        (f"{_GUARDS}::test_r2_a_doorbell_stays_until_what_it_guards_is_handed_over",),
    ),
    Mutant(
        "acknowledge_with_rows_left",
        "A message is deleted although rows that it was rung for wait in memory.",
        "worker/instance/known.py",
        "return self.rows[0].key > delivery.horizon",
        "return True",
        ("tests/protocol/test_rules_time.py::test_r20_a_backlog_is_loaded_once_and_not_at_every_turn",),
    ),
    Mutant(
        "acknowledge_with_rows_in_storage",
        "A message is deleted although more rows wait than one load takes.",
        "worker/instance/known.py",
        "return not self.more",
        "return True",
        ("tests/protocol/test_rules_order.py::test_r11_a_turn_takes_rows_of_one_response",),
    ),
    Mutant(
        "late_first_load_trusted",
        "A message that waited for its first load until another may have it is named without asking storage.",
        "worker/instance/known.py",
        "[each for each in unseen if each.settlement.overdue]",
        "()",
        (
            f"{_GUARDS}::test_r1_a_message_that_waited_too_long_for_its_first_load_counts_only_if_storage_says_that_it_is_ours",
        ),
    ),
    Mutant(
        "never_overdue",
        "A hold that was not renewed in time is taken for ours.",
        "worker/intake/delivery.py",
        "return self.holder.hub.clock.monotonic() >= self.expires_at",
        "return False",
        (
            f"{_GUARDS}::test_r1_a_hold_is_overdue_once_it_was_not_renewed_in_time_and_no_longer_when_storage_says_it_is_ours",
        ),
    ),
    Mutant(
        "no_fence",
        "A message that was delivered before is not marked: who had it before goes on naming it.",
        "worker/instance/turns.py",
        "        draft = it.draft()\n        it.fence(draft)\n        guard = it.chosen()\n",
        "        draft = it.draft()\n        guard = it.chosen()\n",
        (
            "tests/protocol/test_rules_guards.py::test_r7_a_worker_without_a_message_forgets_and_its_results_go_by_the_inbox",
        ),
    ),
    Mutant(
        "older_mark_overwrites",
        "An older delivery takes a message over from the newer one.",
        "worker/instance/header_draft.py",
        "if known is None or known.rank < rank:",
        "if known is None or known.rank != rank:",
        (f"{_GUARDS}::test_r1_a_mark_is_never_overwritten_by_that_of_an_older_delivery",),
    ),
    Mutant(
        "marks_forgotten_early",
        "A mark is forgotten while who it outranks may still be at work.",
        "worker/instance/header_draft.py",
        "MARK_MEMORY = timedelta(days=1)",
        "MARK_MEMORY = timedelta(seconds=1)",
        (
            "tests/protocol/test_rules_guards.py::test_r1_a_mark_is_remembered_for_as_long_as_a_worker_may_go_on_with_a_message_that_it_lost",
        ),
    ),
    Mutant(
        "older_delivery_held",
        "Of two deliveries of one message the one that came last is held, even if it is the older.",
        "worker/instance/guards.py",
        "if before is not None and before.rank > delivery.rank:",
        "if before is not None and False:",
        ("tests/protocol/test_rules_guards.py::test_r1_the_older_of_two_deliveries_is_deleted_and_neither_released",),
    ),
    Mutant(
        "twin_not_settled",
        "The older of two messages under one id stays in the queue.",
        "worker/instance/guards.py",
        "if before is not None and before is not delivery:",
        "if before is not None and False:",
        ("tests/protocol/test_rules_guards.py::test_r1_the_older_of_two_deliveries_is_deleted_and_neither_released",),
    ),
    Mutant(
        "outranked_not_noticed",
        "Who lost a message goes on with what it guards.",
        "worker/instance/guards.py",
        "delivery.outranked = mark is not None and mark.rank > delivery.rank",
        "delivery.outranked = False",
        ("tests/protocol/test_rules_guards.py::test_r1_the_older_of_two_deliveries_is_deleted_and_neither_released",),
    ),
    Mutant(
        "outranked_kept",
        "A message that another delivery outranks is not deleted.",
        "worker/instance/guards.py",
        "                del self._held[delivery.id]\n                self._delete(delivery)",
        "                del self._held[delivery.id]",
        ("tests/protocol/test_rules_guards.py::test_r1_the_older_of_two_deliveries_is_deleted_and_neither_released",),
    ),
    Mutant(
        "lost_hands_over",
        "A worker whose message went to another goes on to hand over what it guards.",
        "worker/instance/guards.py",
        "return delivery is not None and not delivery.suspect and not delivery.lost",
        "return delivery is not None and not delivery.suspect",
        (
            "tests/protocol/test_rules_guards.py::test_r1_who_learns_that_its_message_is_another_s_does_nothing_of_what_it_guards",
        ),
    ),
    Mutant(
        "suspects_trusted_without_commit",
        "A repeated delivery counts as the newest before any commit says so.",
        "worker/instance/steps.py",
        "        it.guards.outrank({} if known.state is None else known.state.marks)\n",
        "        it.guards.outrank({} if known.state is None else known.state.marks)\n        it.guards.trust()\n",
        (
            "tests/protocol/test_rules_guards.py::test_r7_a_worker_without_a_message_forgets_and_its_results_go_by_the_inbox",
        ),
    ),
    Mutant(
        "no_renewal",
        "A message in hand is not kept invisible: another worker gets it after its visibility.",
        "worker/intake/delivery.py",
        "held.renew_at = self.hub.clock.monotonic() + visibility / 3",
        "held.renew_at = self.hub.clock.monotonic() + visibility * 300",
        ("tests/protocol/test_rules_guards.py::test_r1_a_hold_whose_renewal_is_refused_once_stays_ours",),
    ),
    Mutant(
        "renewal_not_tried_again",
        "A renewal without an answer is taken for one that was done.",
        "worker/intake/delivery.py",
        "pause = held.visibility / 10",
        "pause = held.visibility * 2",
        ("tests/protocol/test_rules_guards.py::test_r1_a_hold_whose_renewal_is_refused_once_stays_ours",),
    ),
    Mutant(
        "lost_hold_not_noticed",
        "A message that turns out to be another's is taken for one's own.",
        "worker/intake/delivery.py",
        "            held.lost = True\n            self.forget(held)\n",
        "            self.forget(held)\n",
        (
            "tests/protocol/test_rules_guards.py::test_r1_who_learns_that_its_message_is_another_s_does_nothing_of_what_it_guards",
        ),
    ),
    Mutant(
        "put_back_deletes_first",
        "A message that is put back is deleted before its successor is in the queue.",
        "worker/intake/delivery.py",
        "            await hub.retry(lambda: hub.put(self.message.queue, self.again(), delay, hold=True), attempts=attempts)\n",
        "            await self.ack()\n"
        "            await hub.retry(lambda: hub.put(self.message.queue, self.again(), delay, hold=True), attempts=attempts)\n",
        (
            "tests/protocol/test_rules_putting_back.py::test_r3_who_dies_after_the_first_deletion_of_putting_back_loses_nothing",
        ),
    ),
    Mutant(
        "put_back_under_another_id",
        "A message that is put back loses its id, and with it what it guards.",
        "taskhub/messages.py",
        '    def put_back(self, tag: str) -> Doorbell:\n        """The message to put in the place of this one."""\n'
        "        return replace(self, again=self.again + 1, tag=tag)",
        '    def put_back(self, tag: str) -> Doorbell:\n        """The message to put in the place of this one."""\n'
        "        return replace(self, id=tag, again=self.again + 1, tag=tag)",
        (
            "tests/protocol/test_rules_guards.py::test_r3_a_message_put_back_keeps_its_id_says_again_and_waits_ever_longer",
        ),
    ),
    Mutant(
        "deferred_without_pause",
        "What cannot be worked on is taken up again at once, for ever.",
        "worker/instance/actor.py",
        "delay = min(2.0 ** min(delivery.rank[0], 10), LONGEST_DEFERRAL)",
        "delay = 1.0",
        (
            "tests/protocol/test_rules_guards.py::test_r3_a_message_put_back_keeps_its_id_says_again_and_waits_ever_longer",
        ),
    ),
)
