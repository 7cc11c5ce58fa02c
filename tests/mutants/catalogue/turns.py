"""Turns of orchestrations: load, decide, commit; what a conflict or a lost answer means."""

from __future__ import annotations

from tests.mutants.planting import Mutant

_GUARDS = "tests/protocol/test_rules_guards.py"

MUTANTS = (
    Mutant(
        "dispatch_before_commit",
        "What a turn decides is handed over before it is committed.",
        "worker/instance/actor.py",
        "            draft = await self._commit_turn(header, state, draft, guard)\n",
        "            self._outbox.dispatch_new(draft, self.sender, guard.id)\n"
        "            draft = await self._commit_turn(header, state, draft, guard)\n",
        ("tests/protocol/test_rules_guards.py::test_i2_a_commit_that_never_landed_is_decided_again",),
    ),
    Mutant(
        "lost_answer_taken_for_success",
        "A commit without an answer counts as done, whoever wrote the header that is there now.",
        "worker/instance/actor.py",
        "if found is not None and found.columns.turn_id == turn_id:",
        "if found is not None:",
        (
            "tests/protocol/test_rules_guards.py::test_i2_after_a_lost_answer_the_commit_of_another_is_not_taken_for_ours",
        ),
    ),
    Mutant(
        "live_code_kept_after_conflict",
        "The function goes on from where a turn left it that came to nothing.",
        "worker/instance/actor.py",
        "    def _begin_again(self) -> None:\n        self._loaded = False\n        self._execution.forget()\n",
        "    def _begin_again(self) -> None:\n        self._loaded = False\n",
        ("tests/protocol/test_rules_guards.py::test_i2_a_commit_that_never_landed_is_decided_again",),
    ),
    Mutant(
        "live_code_kept_after_change",
        "The function goes on although another worker took a turn meanwhile.",
        "worker/instance/actor.py",
        '        """The header is another one than we knew: all that we know now comes from it."""\n'
        "        self._execution.forget()\n",
        '        """The header is another one than we knew: all that we know now comes from it."""\n',
        (
            "tests/protocol/test_rules_results.py::test_i6_a_result_that_answers_nothing_by_an_old_header_is_kept_for_the_next",
        ),
    ),
    Mutant(
        "live_code_kept_over_generations",
        "After continue-as-new the function of the generation before goes on.",
        "worker/instance/actor.py",
        "if draft.ended_generation or not self._context.settings.extended_sessions:",
        "if not self._context.settings.extended_sessions:",
        ("tests/protocol/test_rules_order.py::test_r10_a_sender_goes_on_counting_over_continue_as_new",),
    ),
    Mutant(
        "sessions_kept_against_the_setting",
        "Instances stay in memory although extendedSessionsEnabled is off.",
        "worker/instance/actor.py",
        "if draft.ended_generation or not self._context.settings.extended_sessions:",
        "if draft.ended_generation:",
        ("tests/worker/test_memory.py::test_without_extended_sessions_every_turn_replays",),
    ),
    Mutant(
        "no_load_after_receipt",
        "What was known before a message came is taken for what is true after it.",
        "worker/instance/actor.py",
        "if self._arrived or not self._loaded or (self._more and not self._rows):",
        "if not self._loaded or (self._more and not self._rows):",
        ("tests/protocol/test_rules_guards.py",),
    ),
    Mutant(
        "finished_kept_in_memory",
        "What has finished stays in memory as long as what waits.",
        "worker/instance/actor.py",
        "        ended = self._header is None or self._header.is_terminal\n",
        "        ended = False\n",
        ("tests/worker/test_memory.py",),
    ),
    Mutant(
        "turn_time_goes_back",
        "The time of a turn may lie before that of the turn before.",
        "worker/instance/actor.py",
        "now = self._latest = max(self._now(), state.turn_time + timedelta(microseconds=1))",
        "now = self._latest = self._now()",
        ("tests/protocol/test_rules_time.py::test_r16_the_time_of_turns_never_goes_back",),
    ),
    Mutant(
        "rows_of_a_landed_commit_deleted",
        "Rows of a commit that landed without an answer are taken for garbage, and history with them.",
        "worker/instance/actor.py",
        "if named.isdisjoint(keys)}",
        "if True}",
        ("tests/protocol/test_rules_time.py::test_r18_rows_of_a_commit_that_landed_without_an_answer_stay",),
    ),
    Mutant(
        "rows_of_a_lost_commit_stay",
        "Rows that were put for a commit that came to nothing stay for ever.",
        "worker/instance/actor.py",
        "        draft.state.garbage += self._orphans(header, state)\n",
        "        self._orphans(header, state)\n",
        ("tests/protocol/test_rules_time.py::test_r18_rows_staged_for_a_commit_that_lost_go_with_the_next",),
    ),
    Mutant(
        "oversize_turn_deferred",
        "A turn that no header can hold is tried again for ever.",
        "worker/instance/actor.py",
        "            if self._is_entity:\n                return await self._wait_for_room(header, state, error)\n",
        "            raise\n",
        (
            "tests/protocol/test_rules_time.py::test_r19_a_turn_that_cannot_be_stored_fails_the_instance_and_not_its_doorbell",
        ),
    ),
    Mutant(
        "damaged_history_deferred",
        "An instance whose history cannot be read is put off for ever.",
        "worker/instance/actor.py",
        '            logger.error("Instance %r fails: its history cannot be read: %s", self.instance_id, error)\n',
        "            raise\n",
        ("tests/worker/test_bad_input.py",),
    ),
    Mutant(
        "beginning_not_noted",
        "What was begun by a process that died of it counts as never begun.",
        "worker/instance/actor.py",
        "return again and (delivery.item or self._has_work(state))",
        "return False",
        ("tests/worker/test_given_up.py::test_an_orchestrator_that_kills_its_process_fails",),
    ),
    Mutant(
        "end_not_noted",
        "What was begun and came to its end counts as begun and not ended.",
        "worker/instance/actor.py",
        "                draft.end(delivery.id)\n",
        "                pass\n",
        (
            "tests/worker/test_given_up.py::test_turns_that_came_to_their_end_are_not_counted_however_often_their_process_dies_afterwards",
        ),
    ),
    Mutant(
        "late_child_not_asked_for",
        "A child that is started again late runs although nobody waits for it.",
        "worker/instance/actor.py",
        "        if await is_wanted(self._hub.store, parent):\n            return False\n",
        "        return False\n",
        ("tests/protocol/test_rules_order.py::test_r14_a_child_that_begins_late_asks_whether_it_is_still_wanted",),
    ),
    Mutant(
        "stale_drop_of_results",
        "A result that answers nothing by an old header is dropped, and its message deleted.",
        "worker/instance/results.py",
        "elif result.delivery is not None and number >= self._looked_at:",
        "elif result.delivery is not None and False:",
        (
            "tests/protocol/test_rules_results.py::test_i6_a_result_that_answers_nothing_by_an_old_header_is_kept_for_the_next",
        ),
    ),
    Mutant(
        "finished_without_reload",
        "A result is dropped because an old header says that its instance has finished.",
        "worker/instance/actor.py",
        "        if self._results.need_a_look:\n",
        "        if False:\n",
        (
            "tests/protocol/test_rules_results.py::test_i6_a_result_is_not_dropped_because_an_execution_before_has_ended",
        ),
    ),
    Mutant(
        "results_not_committed_alone",
        "A result that does not let the function go on is not committed before one comes that does.",
        "worker/instance/results.py",
        "return None if self._since is None else self._since + LINGER_SECONDS",
        "return None if self._since is None else self._since + 10_000 * LINGER_SECONDS",
        ("tests/protocol/test_rules_results.py::test_a_result_that_does_not_let_the_function_go_on_is_committed_soon",),
    ),
    Mutant(
        "every_result_committed_alone",
        "Each result of a fan-out costs a commit.",
        "worker/instance/results.py",
        "LINGER_SECONDS = 0.5",
        "LINGER_SECONDS = 0.0",
        ("tests/protocol/test_rules_results.py::test_results_that_come_soon_after_one_another_share_a_commit",),
    ),
    Mutant(
        "result_without_guard_dropped",
        "A result of a worker that has lost its message is thrown away, and the activity runs again elsewhere.",
        "worker/instance/actor.py",
        "            self._report(result)\n            return\n",
        "            return\n",
        (
            "tests/protocol/test_rules_guards.py::test_r7_a_worker_without_a_message_forgets_and_its_results_go_by_the_inbox",
        ),
    ),
    Mutant(
        "other_versions_run",
        "A worker runs instances of versions that it may not run.",
        "worker/instance/actor.py",
        "        if may_run(version, settings):\n",
        "        if True:\n",
        ("tests/worker/test_versions.py",),
    ),
    Mutant(
        "versions_compared_as_text",
        "Version 10 counts as older than version 9.",
        "worker/versions.py",
        "return version is None or _ordered(version) <= _ordered(own)",
        "return version is None or version <= own",
        ("tests/worker/test_versions.py",),
    ),
    Mutant(
        "old_repetition_not_forgotten",
        "The memory of what clients sent grows for ever.",
        "worker/instance/inbox.py",
        "if seen_until - memory.last > CLIENT_MEMORY",
        "if False",
        ("tests/protocol/test_rules_order.py::test_r12_a_client_is_forgotten_after_ten_minutes",),
    ),
)
