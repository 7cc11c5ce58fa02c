"""Taking instances away: the mark, the rest that is handed over, and the order of deletion."""

from __future__ import annotations

from tests.mutants.planting import Mutant

MUTANTS = (
    Mutant(
        "replaced_without_its_rest",
        "A finished instance is taken away with what it still had to say.",
        "taskhub/lifecycle.py",
        "        await hand_over_rest(hub, header, state)\n        return state\n",
        "        return state\n",
        ("tests/protocol/test_rules_time.py::test_r17_a_child_that_is_purged_still_tells_its_parent",),
    ),
    Mutant(
        "rows_of_others_cleared",
        "Who clears the place of a finished instance deletes rows that another start has put for itself.",
        "taskhub/lifecycle.py",
        "    return staged is None or key in names or ",
        "    return staged is not None or staged is None or key in names or ",
        (
            "tests/protocol/test_rules_deletion.py::test_rows_of_a_start_that_is_not_written_yet_are_left_alone_until_they_are_old",
        ),
    ),
    Mutant(
        "purge_forgets_names",
        "A purge that another process finishes leaves the rows of events behind.",
        "taskhub/lifecycle.py",
        "        garbage=[key for key in left if key.startswith(STAGED)][:MOST_NAMES],\n",
        "",
        ("tests/protocol/test_rules_deletion.py::test_a_purge_that_dies_at_any_call_is_finished_by_another_process",),
    ),
    Mutant(
        "lost_answer_of_a_purge",
        "A purge whose last answer was lost says that there was nothing.",
        "taskhub/lifecycle.py",
        "                return seen is not None\n",
        "                return False\n",
        (
            "tests/protocol/test_rules_deletion.py::test_a_purge_whose_last_answer_is_lost_does_not_take_the_next_instance_for_the_last",
        ),
    ),
    Mutant(
        "values_of_events_stay",
        "The rows of values that came with events are kept when their history is gone.",
        "worker/actor.py",
        "        draft.state.garbage += accepted.spent\n",
        "",
        (
            "tests/protocol/test_rules_deletion.py::test_an_eternal_orchestration_keeps_no_rows_of_generations_that_are_over",
        ),
    ),
    Mutant(
        "inputs_of_generations_stay",
        "The input of each generation is kept when the next has begun.",
        "worker/draft.py",
        "            refs[shown.key] = shown\n",
        "            pass\n",
        (
            "tests/protocol/test_rules_deletion.py::test_an_eternal_orchestration_keeps_no_rows_of_generations_that_are_over",
        ),
    ),
    Mutant(
        "children_of_strangers_ended",
        "A recursive termination ends whoever has the id of a child by now.",
        "worker/draft.py",
        "            target = Target(child_execution(sender, task_id))\n",
        "            target = Target()\n",
        ("tests/protocol/test_rules_targets.py",),
    ),
)
