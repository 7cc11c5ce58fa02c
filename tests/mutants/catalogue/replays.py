"""Recorded histories, and the code of today."""

from tests.mutants.planting import Mutant

_CONTENTS = "testing/replaying/contents.py"
_TESTS = "tests/testing/test_replay_contents.py"

MUTANTS = (
    Mutant(
        "replays_compare_names_only",
        "Nobody hears that a decision says something else than the recorded one.",
        "runtime/decisions.py",
        "(self._exactly or self._notice is not None) and",
        "self._exactly and",
        (f"{_TESTS}::test_calls_of_one_activity_in_another_order_diverge_and_both_inputs_are_told_with_the_line",),
    ),
    Mutant(
        "further_fields_diverge",
        "An input with one more field is taken for another question.",
        _CONTENTS,
        "old.keys() == new.keys() if exactly else old.keys() <= new.keys()",
        "old.keys() == new.keys()",
        (f"{_TESTS}::test_what_an_input_says_is_compared_and_not_how_it_is_written",),
    ),
    Mutant(
        "replaced_values_count",
        "A history that was redacted shows other inputs than the code that wrote it.",
        _CONTENTS,
        "same = _same_but_for_redaction if is_redacted else _same",
        "same = _same",
        (f"{_TESTS}::test_a_redacted_history_is_the_same_and_says_that_it_is_redacted",),
    ),
    Mutant(
        "last_calls_are_questions",
        "A call of a finished instance, whose answer nobody reads, counts like one in between.",
        _CONTENTS,
        "is_question = is_read and isinstance",
        "is_question = isinstance",
        (f"{_TESTS}::test_a_call_of_the_last_turn_is_a_change_for_nobody_reads_its_answer",),
    ),
)
