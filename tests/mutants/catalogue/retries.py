"""What activities say of further attempts, and the cancelling of those whose result nobody wants."""

from __future__ import annotations

from tests.mutants.planting import Mutant

_R25 = "tests/protocol/test_rules_cancelling.py::test_r25"

MUTANTS = (
    Mutant(
        "refusal_tried_again",
        "An activity that says that no attempt is worth it is tried again.",
        "retry_policy.py",
        "if attempt >= self._max_number_of_attempts or not failure.retryable:",
        "if attempt >= self._max_number_of_attempts:",
        ("tests/runtime/test_activity_errors.py::test_one_that_is_not_worth_it_is_raised_at_once",),
    ),
    Mutant(
        "wait_cut_to_the_longest_delay",
        "The longest delay of a policy shortens what an activity asks for.",
        "retry_policy.py",
        "            delay = max(delay, failure.retry_after)\n",
        "            delay = min(max(delay, failure.retry_after), self._max_retry_interval or LONGEST_WAIT)\n",
        (
            "tests/runtime/test_activity_errors.py::test_the_longer_delay_counts_within_what_bounds_the_attempts",
            "tests/runtime/test_activity_errors.py::test_the_next_attempt_comes_when_it_was_asked_for",
        ),
    ),
    Mutant(
        "old_header_cancels",
        "A header that was asked for before a run began cancels it.",
        "worker/activities/cancelling.py",
        "if run.number <= newest and _judge(",
        "if _judge(",
        (f"{_R25}_a_header_that_is_older_than_a_run_says_nothing_of_it",),
    ),
    Mutant(
        "old_load_cancels",
        "A load of the instance that is answered late cancels what another worker decided meanwhile.",
        "worker/activities/cancelling.py",
        "            if run.local or run.number <= newest:\n",
        "            if run:\n",
        (f"{_R25}_a_load_of_the_instance_that_is_answered_late_says_nothing_of_what_came_meanwhile",),
    ),
    Mutant(
        "abandoned_answers_nothing",
        "A run that is abandoned answers nothing, and code that waits once more waits for ever.",
        "worker/activities/local_runs.py",
        "return None if run.fate is Fate.superseded else event",
        "return None if run.fate is not None else event",
        (f"{_R25}_a_run_that_code_no_longer_waits_for_is_cancelled_and_has_failed",),
    ),
    Mutant(
        "superseded_not_told",
        "A worker is not told that another has ended an instance, and waits for a run that it has cancelled.",
        "worker/activities/cancelling.py",
        "is Fate.superseded and run.local:",
        "is Fate.superseded and False:",
        (f"{_R25}_a_run_is_cancelled_whose_instance_another_worker_has_terminated",),
    ),
    Mutant(
        "told_and_not_looked",
        "An instance that is told that another worker has ended it looks at what it knows already.",
        "worker/instance/actor.py",
        "self._outdated = it.known.is_fresh = False",
        "self._outdated = False",
        (f"{_R25}_a_run_is_cancelled_whose_instance_another_worker_has_terminated",),
    ),
    Mutant(
        "queued_run_not_looked_at_first",
        "What comes from the queue is run before anybody has looked whether its result is wanted.",
        "worker/activities/local_runs.py",
        "            await self._cancellable.load_and_look(run.sender.instance_id)\n",
        "            pass\n",
        (
            f"{_R25}_what_waits_in_the_queue_for_an_instance_that_has_ended_is_not_run",
            f"{_R25}_an_abandoned_run_whose_process_died_before_it_could_answer_is_not_begun_again",
        ),
    ),
    Mutant(
        "offered_run_not_looked_at_first",
        "What waited here for a slot, and was abandoned meanwhile, is run.",
        "worker/activities/local_runs.py",
        "        elif job.has_abandoned(run.sender, run.task_id):\n",
        "        elif False:\n",
        (f"{_R25}_what_waits_for_a_slot_here_and_is_abandoned_is_not_run",),
    ),
    Mutant(
        "guarding_item_deleted",
        "A work item without an answer is deleted although the header names something under it.",
        "worker/activities/work_items.py",
        "if header is not None and InstanceState.decode(header.body).names(item.id):",
        "if False:",
        (f"{_R25}_a_work_item_that_guards_something_is_not_deleted",),
    ),
    Mutant(
        "cancelled_by_the_end_of_the_worker",
        "A worker that stops says of what runs that it was cancelled, in place of letting go of it.",
        "worker/activities/cancelling.py",
        "            task.cancel()\n            await asyncio.wait([task])\n            raise\n",
        "            self.fate = Fate.abandoned\n            raise self.error from None\n",
        (f"{_R25}_a_worker_that_stops_lets_go_of_a_run_and_cancels_nothing",),
    ),
    Mutant(
        "abandoned_for_good",
        "An activity that code waits for again, in the same turn, is cancelled all the same.",
        "runtime/tasks.py",
        "        self._dropped = False\n        if self.abandoned:\n            self.abandoned.pop(self.number, None)\n",
        "        self._dropped = False\n",
        ("tests/worker/test_cancelling.py::test_one_that_is_waited_for_again_at_once_goes_on",),
    ),
    Mutant(
        "attempt_runs_on",
        "An attempt of a call with retries that code was cancelled in runs on.",
        "runtime/retry.py",
        "            self._current.abandon()\n",
        "            pass\n",
        ("tests/worker/test_cancelling.py::test_an_attempt_of_a_retry_policy_is_cancelled_and_there_is_no_other",),
    ),
)
