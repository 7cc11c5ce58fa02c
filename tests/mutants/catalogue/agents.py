"""Agents: budgets that hold, approvals that nobody misses, conversations that nothing doubles, keys that nobody sees."""

from __future__ import annotations

from tests.mutants.planting import Mutant

_BUDGETS = "tests/agents/test_budgets.py"
_APPROVALS = "tests/agents/test_approvals.py"
_CONVERSATIONS = "tests/agents/test_conversations.py"
_ERRORS = "tests/agents/test_model_errors.py"
_STATUS = "tests/runtime/test_custom_status.py"

MUTANTS = (
    Mutant(
        "calls_are_counted_when_they_are_done",
        "A call is counted by its answer, so calls at once pass the limit together.",
        "agents/budgets.py",
        "    for budget in _active.get():\n        budget.count_call()\n",
        "",
        (f"{_BUDGETS}::test_calls_at_once_do_not_pass_the_limit_together",),
    ),
    Mutant(
        "dropped_code_takes_the_budget_of_others",
        "Code that is dropped takes the last budget away, whosever that is.",
        "agents/budgets.py",
        "        if active and active[-1] is self:\n",
        "        if active:\n",
        (f"{_BUDGETS}::test_code_that_is_dropped_takes_no_budget_from_others",),
    ),
    Mutant(
        "budget_forgets_what_was_spent",
        "The time of the generations before does not count.",
        "agents/budgets.py",
        "seconds = known.seconds + (",
        "seconds = (",
        (f"{_BUDGETS}::test_time_counts_over_generations",),
    ),
    Mutant(
        "any_model_has_a_price",
        "A model whose name begins with that of another has its price.",
        "agents/budgets.py",
        "model_name.startswith(name) and _VERSION.fullmatch(model_name, len(name)) is not None",
        "model_name.startswith(name)",
        (f"{_BUDGETS}::test_a_model_without_a_price_is_named_where_money_is_limited",),
    ),
    Mutant(
        "misspelt_field_is_ignored",
        "An answer with a field that there is not approves the call as it was asked for.",
        "agents/approvals.py",
        "    if unknown:\n",
        "    if unknown and False:\n",
        (f"{_APPROVALS}::test_an_answer_that_cannot_be_used_is_told_and_waited_on",),
    ),
    Mutant(
        "request_stays_when_it_was_answered",
        "A request that was answered stays in the custom status.",
        "agents/approvals.py",
        "        pending.remove(context, approval.id)\n",
        "        pass\n",
        (f"{_APPROVALS}::test_the_users_own_status_is_kept_beside_it",),
    ),
    Mutant(
        "clock_of_a_request_goes_on",
        "The timer of a request is left when it is answered, and the instance with it.",
        "agents/approvals.py",
        "        if timer is not None:\n            timer.cancel()\n        return decision",
        "        return decision",
        (f"{_APPROVALS}::test_an_answer_in_time_leaves_no_timer",),
    ),
    Mutant(
        "parts_outlive_the_code",
        "What was waited for is shown when nobody waits any more.",
        "runtime/orchestration.py",
        "custom_status.text(with_parts=self._end is None)",
        "custom_status.text(with_parts=True)",
        (f"{_STATUS}::test_what_is_published_ends_with_the_instance",),
    ),
    Mutant(
        "parts_hide_a_status_that_is_no_object",
        "A status of the user's that is no object is lost while there are parts.",
        "runtime/custom_status.py",
        """return f'{{"{OWN}":{own},{parts}}}'""",
        'return f"{{{parts}}}"',
        (f"{_STATUS}::test_parts_stand_beside_it",),
    ),
    Mutant(
        "append_is_done_again",
        "An append that comes a second time is done again.",
        "agents/conversations.py",
        "        if key in state.keys:\n            return len(state.items)\n",
        "",
        (f"{_CONVERSATIONS}::test_a_key_counts_once",),
    ),
    Mutant(
        "conversation_grows_without_end",
        "A conversation is as large as it gets.",
        "agents/conversations.py",
        "    if size > MAX_CONVERSATION_BYTES:\n",
        "    if size < 0:\n",
        (f"{_CONVERSATIONS}::test_one_that_grows_too_large_says_what_to_do_and_stays_as_it_was",),
    ),
    Mutant(
        "key_in_the_text_of_an_error",
        "The text of a provider's error goes into the history as it is.",
        "agents/model_errors.py",
        "shorten_text(without_secrets(text), _MAX_CHARS)",
        "shorten_text(text, _MAX_CHARS)",
        (f"{_ERRORS}::test_no_key_is_in_the_text",),
    ),
    Mutant(
        "key_in_the_cause_of_an_error",
        "The provider's error goes into the history as the cause of ours.",
        "agents/model_errors.py",
        "    made.__cause__ = None  # It also hides what is being handled where this is raised.\n",
        "",
        (f"{_ERRORS}::test_what_it_is_raised_beside_is_hidden",),
    ),
    Mutant(
        "refused_request_is_made_again",
        "A request that the provider refuses is made 40 times.",
        "agents/model_errors.py",
        "status_code is None or status_code in _RETRYABLE or status_code >= 500",
        "status_code is None or status_code >= 400",
        (f"{_ERRORS}::test_a_refused_request_is_not_made_again",),
    ),
)
