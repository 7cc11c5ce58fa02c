"""Doubles of tests: whom they stand in for, when, and what they are said to have been called with."""

from __future__ import annotations

from tests.mutants.planting import Mutant

_DOUBLES = "tests/testing/test_doubles.py"
_CALLS = "tests/testing/test_calls.py"

MUTANTS = (
    Mutant(
        "doubles_choose_again_on_replay",
        "An orchestration asks its double on each replay what it is to be.",
        "testing/doubles/doubling.py",
        "        self._choices[key] = choice\n",
        "",
        (f"{_DOUBLES}::test_an_orchestration_stays_what_it_is_when_it_is_replayed",),
    ),
    Mutant(
        "doubles_take_over_what_had_begun",
        "A double changes an orchestration that had begun before there was one.",
        "testing/doubles/doubling.py",
        "if context.is_replaying or generation.number:",
        "if generation.number:",
        (f"{_DOUBLES}::test_a_double_does_not_change_what_had_begun_before",),
    ),
    Mutant(
        "doubles_choose_for_each_generation",
        "What stands in for an orchestrator is asked for anew after continue_as_new.",
        "testing/doubles/doubling.py",
        "key = (generation.instance_id, generation.execution_id)",
        "key = (generation.instance_id, f'{generation.execution_id} {generation.number}')",
        (f"{_DOUBLES}::test_a_replaced_orchestrator_stays_so_in_all_generations",),
    ),
    Mutant(
        "doubles_fail_again_after_a_rewind",
        "A failure that a double was told to have once comes again after each rewind.",
        "testing/doubles/doubling.py",
        "isinstance(known.behaviour, Raising) and generation.attempt > known.rewinds",
        "False",
        (f"{_DOUBLES}::test_a_rewound_failure_of_a_double_asks_it_again",),
    ),
    Mutant(
        "doubles_change_the_app",
        "A double is put into the app itself, and outlives the test.",
        "registry.py",
        "made._under, made._built_in = self,",
        "made._by_name, made._built_in = self._by_name,",
        (f"{_DOUBLES}::test_without_a_double_the_functions_of_the_app_are_untouched",),
    ),
    Mutant(
        "doubles_gather_traces",
        "An exception that is raised several times carries the places where it was raised before.",
        "testing/doubles/behaviours.py",
        "raise error.with_traceback(None)",
        "raise error",
        (f"{_DOUBLES}::test_an_exception_that_is_raised_twice_does_not_gather_traces",),
    ),
    Mutant(
        "attempts_are_not_told",
        "Which attempt a task is, nobody tells observers.",
        "runtime/decisions.py",
        "        if number > 1:\n            self.attempts[task_id] = number\n",
        "",
        (
            "tests/worker/test_observer.py::test_a_turn_tells_the_attempts_that_it_began_but_the_first",
            f"{_DOUBLES}::test_failures_are_tried_again_as_the_policy_says",
        ),
    ),
    Mutant(
        "calls_count_what_is_void",
        "What a rewind made void stands among the calls of an orchestrator.",
        "testing/calls.py",
        "step.outcome is StepOutcome.void or step.kind is StepKind.control",
        "step.kind is StepKind.control",
        (f"{_CALLS}::test_what_is_not_called_again_after_a_rewind_is_left_out",),
    ),
    Mutant(
        "calls_are_over_between_attempts",
        "A call that is to be tried again counts as failed meanwhile.",
        "testing/calls.py",
        "return replace(call, outcome=outcome, completed_at=None)",
        "return call",
        (f"{_CALLS}::test_a_call_between_two_attempts_is_open",),
    ),
)
