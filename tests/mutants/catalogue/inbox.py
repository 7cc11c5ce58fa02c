"""What an instance is sent: what takes effect, and only once."""

from __future__ import annotations

from tests.mutants.planting import Mutant

_NEWER = "tests/worker/test_newer_format.py"

MUTANTS = (
    Mutant(
        "sequence_not_checked",
        "What another instance sends again takes effect again.",
        "worker/instance/inbox.py",
        "if event.sequence <= state.senders.get(event.sender, -1):",
        "if False:",
        ("tests/protocol/test_rules_order.py::test_r10_what_is_sent_again_is_not_taken_again",),
    ),
    Mutant(
        "client_repetitions_taken",
        "What a client sends again takes effect again.",
        "worker/instance/inbox.py",
        "if event.sequence in memory.seen:",
        "if False:",
        ("tests/protocol/test_rules_order.py::test_r12_a_client_s_event_is_remembered_for_ten_minutes",),
    ),
    Mutant(
        "client_forgotten_early",
        "What a client sent is forgotten while it may still be sent again.",
        "worker/instance/inbox.py",
        "CLIENT_MEMORY = timedelta(minutes=10)",
        "CLIENT_MEMORY = timedelta(0)",
        ("tests/protocol/test_rules_order.py::test_r12_a_client_s_event_is_remembered_for_ten_minutes",),
    ),
    Mutant(
        "other_execution_answered",
        "An answer to an execution before takes effect in the one that took its place.",
        "worker/instance/inbox.py",
        "target.execution_id in (None, state.execution_id)",
        "True",
        (
            "tests/protocol/test_rules_order.py::test_r13_an_answer_to_another_execution_generation_or_attempt_is_dropped",
            "tests/protocol/test_rules_order.py::test_r13_a_termination_meant_for_the_execution_before_is_dropped",
        ),
    ),
    Mutant(
        "other_generation_answered",
        "An answer to the generation before takes effect in the next.",
        "worker/instance/inbox.py",
        "and target.generation in (None, state.generation)",
        "",
        (
            "tests/protocol/test_rules_order.py::test_r13_an_answer_to_another_execution_generation_or_attempt_is_dropped",
        ),
    ),
    Mutant(
        "other_attempt_answered",
        "An answer to an attempt before a rewind takes effect after it.",
        "worker/instance/inbox.py",
        "and target.attempt in (None, state.attempt)",
        "",
        (
            "tests/protocol/test_rules_order.py::test_r13_an_answer_to_another_execution_generation_or_attempt_is_dropped",
        ),
    ),
    Mutant(
        "unreadable_row_thrown_away",
        "An inbox row that cannot be read is deleted, and nobody can look at it.",
        "worker/instance/inbox.py",
        "            accepted.quarantined += quarantine(instance_id, row.key, row.body, error)\n            continue\n",
        "            continue\n",
        ("tests/worker/test_bad_input.py",),
    ),
    Mutant(
        "control_behind_the_backlog",
        "A termination waits behind all events that came before it.",
        "taskhub/naming.py",
        "{_CONTROL if control else _ORDINARY}",
        "{_ORDINARY}",
        ("tests/protocol/test_rules_order.py::test_r15_a_termination_does_not_wait_behind_a_backlog",),
    ),
    Mutant(
        "horizon_without_end",
        "A doorbell is held as long as events keep coming.",
        "worker/instance/inbox.py",
        '        return loaded.inbox[-1].key if loaded.inbox else ""\n',
        '        return "2"\n',
        ("tests/protocol/test_rules_time.py::test_r20_a_constant_stream_does_not_hold_a_doorbell_for_ever",),
    ),
    Mutant(
        "horizon_by_the_clock",
        "A doorbell goes before a row that it was rung for, as the sender's clock is ahead.",
        "worker/instance/inbox.py",
        "    if not loaded.more:\n        return loaded",
        "    if False:\n        return loaded",
        (
            "tests/protocol/test_rules_targets.py::test_a_row_that_its_sender_dated_far_ahead_is_consumed_before_its_doorbell_goes",
        ),
    ),
    Mutant(
        "turn_without_bound",
        "A turn takes more rows than a commit can hold.",
        "worker/instance/known.py",
        "if len(rows) == ROWS_PER_TURN or (rows and size > BYTES_PER_TURN):",
        "if len(rows) == 100 * ROWS_PER_TURN or (rows and size > BYTES_PER_TURN):",
        ("tests/protocol/test_rules_time.py::test_r20_a_backlog_is_loaded_once_and_not_at_every_turn",),
    ),
    Mutant(
        "newer_event_set_aside",
        "What a newer version of the package wrote is taken for damaged and set aside.",
        "worker/instance/inbox.py",
        "        except MalformedMessageError as error:\n            accepted.consumed",
        "        except (MalformedMessageError, NewerFormatError) as error:\n            accepted.consumed",
        (f"{_NEWER}::test_an_event_of_a_newer_version_holds_up_what_is_behind_it_and_nothing_else",),
    ),
)
