"""What an instance is sent: what takes effect, and only once."""

from __future__ import annotations

from tests.mutants.planting import Mutant

MUTANTS = (
    Mutant(
        "sequence_not_checked",
        "What another instance sends again takes effect again.",
        "worker/inbox.py",
        "if event.sequence <= state.senders.get(event.sender, -1):",
        "if False:",
        ("tests/protocol",),
    ),
    Mutant(
        "client_repetitions_taken",
        "What a client sends again takes effect again.",
        "worker/inbox.py",
        "if event.sequence in memory.seen:",
        "if False:",
        ("tests/protocol",),
    ),
    Mutant(
        "client_forgotten_early",
        "What a client sent is forgotten while it may still be sent again.",
        "worker/inbox.py",
        "CLIENT_MEMORY = timedelta(minutes=10)",
        "CLIENT_MEMORY = timedelta(minutes=1)",
        ("tests/protocol",),
    ),
    Mutant(
        "other_execution_answered",
        "An answer to an execution before takes effect in the one that took its place.",
        "worker/inbox.py",
        "target.execution_id in (None, state.execution_id)",
        "True",
        ("tests/protocol",),
    ),
    Mutant(
        "other_generation_answered",
        "An answer to the generation before takes effect in the next.",
        "worker/inbox.py",
        "and target.generation in (None, state.generation)",
        "",
        ("tests/protocol",),
    ),
    Mutant(
        "other_attempt_answered",
        "An answer to an attempt before a rewind takes effect after it.",
        "worker/inbox.py",
        "and target.attempt in (None, state.attempt)",
        "",
        ("tests/protocol",),
    ),
    Mutant(
        "unreadable_row_thrown_away",
        "An inbox row that cannot be read is deleted, and nobody can look at it.",
        "worker/inbox.py",
        "            accepted.quarantined += quarantine(instance_id, row.key, row.body, error)\n            continue\n",
        "            continue\n",
        ("tests/worker/test_bad_input.py",),
    ),
    Mutant(
        "control_behind_the_backlog",
        "A termination waits behind all events that came before it.",
        "taskhub/messages.py",
        'rank = "0" if self.control else "1"',
        'rank = "1"',
        ("tests/protocol",),
    ),
    Mutant(
        "horizon_without_end",
        "A doorbell is held as long as events keep coming.",
        "worker/actor.py",
        "HORIZON = timedelta(minutes=5)",
        "HORIZON = timedelta(days=5)",
        ("tests/protocol",),
    ),
    Mutant(
        "turn_without_bound",
        "A turn takes more rows than a commit can hold.",
        "worker/actor.py",
        "if len(rows) == ROWS_PER_TURN or (rows and size > BYTES_PER_TURN):",
        "if len(rows) == 100 * ROWS_PER_TURN or (rows and size > BYTES_PER_TURN):",
        ("tests/protocol/test_rules_time.py",),
    ),
)
