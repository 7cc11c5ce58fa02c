"""Rewinding: what is void, what is told of before and after, what becomes of children."""

from __future__ import annotations

from tests.mutants.planting import Mutant

_RULES = "tests/protocol/test_rules_rewinding.py"
_WORKER = "tests/worker/test_rewinding.py"
_RUNTIME = "tests/runtime/test_rewinding.py"

MUTANTS = (
    Mutant(
        "numbers_without_attempts",
        "What is sent after a rewind has the numbers of what was sent before, and is dropped.",
        "taskhub/numbering.py",
        "return ((generation + attempt) << _BITS) | decision",
        "return (generation << _BITS) | decision",
        (f"{_RULES}::test_r24_what_is_sent_after_a_rewind_is_no_repetition_of_what_was_sent_before",),
    ),
    Mutant(
        "child_keeps_its_old_address",
        "A child that goes on while its parent is rewound answers nobody.",
        "taskhub/rewinding.py",
        "replace(state, parent=parent).encode()",
        "state.encode()",
        (f"{_RULES}::test_r24_a_child_that_goes_on_answers_the_attempt_that_waits_for_it_now",),
    ),
    Mutant(
        "ended_child_not_asked",
        "A child that ended while its parent had failed never answers it.",
        "taskhub/rewinding.py",
        "                await _answer_again(hub, header, resume)\n",
        "",
        (f"{_WORKER}::test_children_that_went_on_or_ended_after_their_parent_failed_answer_it_after_the_rewind",),
    ),
    Mutant(
        "stranger_resumed",
        "An instance that took the id of a child is taken for the child.",
        "taskhub/rewinding.py",
        "if header is None or header.columns.execution_id != resume.execution_id:",
        "if header is None:",
        (f"{_WORKER}::test_a_stranger_that_has_the_id_of_a_child_by_now_is_not_taken_for_it",),
    ),
    Mutant(
        "rewound_with_its_locks_gone",
        "An orchestration goes on inside a critical section whose locks were released.",
        "taskhub/rewinding.py",
        "    if cut.locks:\n",
        "    if False:\n",
        (f"{_WORKER}::test_what_failed_inside_a_critical_section_is_not_rewound",),
    ),
    Mutant(
        "successes_run_again",
        "What succeeded beside a failure runs again.",
        "history/rewinding.py",
        "if event.task_id in decided and not isinstance(event, FAILURES):",
        "if event.task_id in decided and not isinstance(event, Answer):",
        (f"{_WORKER}::test_all_failures_of_a_fan_out_run_again_and_no_success",),
    ),
    Mutant(
        "only_the_last_failure_void",
        "Of failures that were collected only the last one is mended.",
        "history/rewinding.py",
        "            earliest = at\n",
        "            pass\n",
        (f"{_RUNTIME}::test_failures_that_were_collected_are_void_together_and_successes_beside_them_are_shown_again",),
    ),
    Mutant(
        "any_failure_taken_for_the_cause",
        "A failure that was dealt with long ago is made void, and all that was done since is done again.",
        "history/rewinding.py",
        "if failing and not any(turn.decisions for turn in turns[failing[-1] :]):",
        "if failing:",
        (f"{_RUNTIME}::test_what_was_followed_by_something_else_is_void_only_if_it_ended_the_orchestration",),
    ),
    Mutant(
        "rewound_and_not_run",
        "A rewound instance waits for something to arrive.",
        "worker/instance/kinds.py",
        "return self.upkeep.is_unfinished(state)",
        "return False",
        (f"{_WORKER}::test_a_failed_activity_runs_again_and_what_succeeded_does_not",),
    ),
    Mutant(
        "children_of_attempts_share_ids",
        "A child that is decided anew gets the id of one that was decided before the rewind.",
        "runtime/ids.py",
        'f"{origin}\\n{attempt}" if attempt else origin',
        "origin",
        (f"{_RUNTIME}::test_ids_of_what_was_decided_behind_the_cut_are_free_and_those_of_children_are_their_own",),
    ),
    Mutant(
        "sections_of_attempts_share_names",
        "A release that was sent for a critical section before the rewind takes the lock of one after it.",
        "runtime/ids.py",
        '(f"-{attempt}" if attempt else "")',
        '""',
        (f"{_RUNTIME}::test_a_critical_section_that_is_entered_anew_has_a_name_of_its_own",),
    ),
)
