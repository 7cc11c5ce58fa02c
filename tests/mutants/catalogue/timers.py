"""Timers and their one doorbell."""

from __future__ import annotations

from tests.mutants.planting import Mutant

MUTANTS = (
    Mutant(
        "due_timer_loses_its_doorbell",
        "A timer that falls due between the turn and its end loses its only doorbell.",
        "worker/instance/steps.py",
        "if state.earliest is None or state.earliest > self._it.clock.now():",
        "if True:",
        ("tests/protocol/test_rules_time.py::test_r16_a_timer_that_is_due_when_it_is_made_fires",),
    ),
    Mutant(
        "no_alarm",
        "No doorbell is put for a timer.",
        "worker/instance/header_draft.py",
        "            state.arming = Arming(guard, earliest)\n",
        "            pass\n",
        ("tests/protocol/test_rules_time.py::test_r16_an_instance_has_one_doorbell_for_all_its_timers",),
    ),
    Mutant(
        "alarm_too_late_counted_on",
        "A doorbell that comes later than the earliest timer is counted on.",
        "worker/instance/header_draft.py",
        "elif state.alarm is not None and self.now - ALARM_GRACE < state.alarm.due <= earliest:",
        "elif state.alarm is not None and self.now - ALARM_GRACE < state.alarm.due:",
        (
            "tests/protocol/test_rules_time.py::test_r16_a_doorbell_that_comes_too_late_for_a_new_timer_is_not_counted_on",
        ),
    ),
    Mutant(
        "lost_alarm_counted_on",
        "A doorbell that should have come long ago is counted on.",
        "worker/instance/header_draft.py",
        "elif state.alarm is not None and self.now - ALARM_GRACE < state.alarm.due <= earliest:",
        "elif state.alarm is not None and state.alarm.due <= earliest:",
        ("tests/protocol/test_rules_time.py::test_r16_a_doorbell_that_was_lost_is_not_counted_on_for_the_next_timer",),
    ),
    Mutant(
        "alarm_not_armed_again",
        "A timer's doorbell that has come is still counted on for the next timer.",
        "worker/instance/header_draft.py",
        "if state.alarm is not None and (state.alarm.doorbell in in_hand or (woken and not state.alarm.doorbell)):",
        "if state.alarm is not None and False:",
        (
            "tests/protocol/test_rules_time.py::test_r16_an_instance_has_one_doorbell_for_all_its_timers",
            "tests/protocol/test_rules_time.py::test_r16_a_timer_doorbell_that_comes_early_is_put_anew_until_it_is_due",
        ),
    ),
    Mutant(
        "alarm_named_again",
        "A doorbell that was named and has come is named again by every commit, and no new one is put.",
        "worker/instance/dispatcher.py",
        "            if alarm.doorbell in draft.outbox.named:\n",
        "            if alarm.doorbell in draft.outbox.named and arming != draft.state.arming:\n",
        (
            "tests/protocol/test_rules_time.py::test_r16_a_doorbell_that_comes_far_too_early_to_the_worker_that_put_it_is_put_anew_and_named_once",
        ),
    ),
    Mutant(
        "alarm_not_silenced",
        "The doorbell of a timer that nobody waits for stays in the queue for days.",
        "worker/instance/header_draft.py",
        "        if self.state.alarm is not None and self.state.alarm.handle is not None:\n",
        "        if False:\n",
        ("tests/protocol/test_rules_time.py::test_r16_nothing_is_left_of_a_timer_that_nobody_waits_for",),
    ),
    Mutant(
        "arming_guards_nothing",
        "The message that guards the putting of a timer's doorbell is not known as its guard.",
        "taskhub/state.py",
        "or (self.arming is not None and self.arming.guard == guard)",
        "",
        (
            "tests/protocol/test_rules_time.py::test_r16_who_dies_before_it_puts_the_doorbell_of_a_timer_leaves_that_to_the_next",
        ),
    ),
    Mutant(
        "late_alarm_kept",
        "A timer's doorbell that is put when nobody waits for it any more stays in the queue.",
        "worker/instance/actor.py",
        "        if not it.guards or it.known.state is None or it.known.state.arming != arming:\n",
        "        if False:\n",
        ("tests/protocol/test_rules_time.py::test_r16_a_doorbell_that_is_put_too_late_to_be_needed_does_not_stay",),
    ),
    Mutant(
        "delayed_start_at_once",
        "A delayed start begins when it is inserted.",
        "worker/instance/turns.py",
        "        if state.start_at is None or draft.now >= state.start_at:\n            return False\n",
        "        return False\n",
        (
            "tests/protocol/test_rules_time.py::test_r16_a_delayed_start_is_not_begun_before_its_time_by_what_it_is_sent",
        ),
    ),
    Mutant(
        "cause_ignored",
        "The doorbell of a timer is not told from any other: an alarm that has no name is never cleared.",
        "worker/instance/instance.py",
        "        woken = self.guards.has(Cause.timer)\n",
        "        woken = False\n",
        ("tests/protocol/test_rules_time.py",),
    ),
)
