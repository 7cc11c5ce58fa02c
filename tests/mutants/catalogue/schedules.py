"""Schedules: one start per occurrence, runs that do not overlap, signals that may be lost."""

from __future__ import annotations

from tests.mutants.planting import Mutant

_ENTITY = "tests/schedules/test_entity.py"
_ALL = "tests/schedules/test_schedules.py"

MUTANTS = (
    Mutant(
        "occurrence_stays_due",
        "The next occurrence stays the one that was started.",
        "schedules/entity.py",
        "state.next_run_at = later[0] if later else self.first_after(self._now)",
        "state.next_run_at = later[0] if later else state.next_run_at",
        (f"{_ENTITY}::test_a_signal_that_comes_again_starts_nothing",),
    ),
    Mutant(
        "failed_change_starts_what_is_due",
        "An operation that fails sends what it had to send, where state is not rolled back.",
        "schedules/entity.py",
        "        context.actions.clear()\n",
        "",
        (f"{_ENTITY}::test_what_fails_changes_nothing_and_starts_nothing",),
    ),
    Mutant(
        "every_change_wakes",
        "Each operation has the entity woken once more, though it will be anyway.",
        "schedules/entity.py",
        "not any(at <= following for at in state.wakes)",
        "True",
        (f"{_ENTITY}::test_many_changes_leave_few_signals_under_way",),
    ),
    Mutant(
        "only_wakes_start",
        "What is due is started by a wake only, and a wake may be lost.",
        "schedules/entity.py",
        "        keeper.start_due()\n        result = operation",
        "        if name == WAKE:\n            keeper.start_due()\n        result = operation",
        (f"{_ENTITY}::test_any_operation_makes_up_for_a_signal_that_was_lost",),
    ),
    Mutant(
        "watcher_is_trusted",
        "Whether a run is still under way is never looked.",
        "schedules/entity.py",
        "        if not terminate and self._now",
        "        if not terminate or self._now",
        (f"{_ALL}::test_a_schedule_goes_on_though_somebody_terminates_what_watches_its_run",),
    ),
    Mutant(
        "ended_schedule_comes_back",
        "A signal that outlives its schedule fails, in place of being let go.",
        "schedules/entity.py",
        "        if name not in _SIGNALS:\n            raise",
        "        if name:\n            raise",
        (f"{_ENTITY}::test_signals_that_outlive_their_schedule_make_no_new_one",),
    ),
    Mutant(
        "repeated_hour_is_left_out",
        "What occurs every hour stands still while clocks repeat one.",
        "recurrence.py",
        "if len(self.hours) == _HOURS else None",
        "if not self.hours else None",
        ("tests/test_recurrence.py::test_an_open_hour_means_every_hour_that_passes",),
    ),
)
