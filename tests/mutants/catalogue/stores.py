"""Both stores: conflicts, receipts, limits, and what their refusals mean."""

from __future__ import annotations

from tests.mutants.planting import Mutant

_CONTRACT = "tests/taskhub/test_store_contract.py"
_AZURE = "tests/taskhub/test_azure_store.py"

_SQLITE = (
    Mutant(
        "sqlite_etag_not_checked",
        "A header is replaced whatever it is by now.",
        "taskhub/sqlite/partition.py",
        '    "WHERE hub = ? AND instance_id = ? AND etag = ?"\n',
        '    "WHERE hub = ? AND instance_id = ? AND (1 OR etag = ?)"\n',
        (f"{_CONTRACT}::test_of_concurrent_commits_on_one_etag_one_wins[sqlite]",),
    ),
    Mutant(
        "sqlite_deletes_any_header",
        "A header is deleted whatever it is by now.",
        "taskhub/sqlite/partition.py",
        '_DELETE_HEADER = "DELETE FROM instances WHERE hub = ? AND instance_id = ? AND etag = ?"',
        '_DELETE_HEADER = "DELETE FROM instances WHERE hub = ? AND instance_id = ? AND (1 OR etag = ?)"',
        (f"{_CONTRACT}::test_a_commit_on_a_stale_etag_conflicts",),
    ),
    Mutant(
        "sqlite_insert_replaces",
        "A header that is inserted takes the place of one that is there.",
        "taskhub/sqlite/partition.py",
        '_INSERT_HEADER = f"INSERT INTO instances',
        '_INSERT_HEADER = f"INSERT OR REPLACE INTO instances',
        (f"{_CONTRACT}::test_inserting_a_header_that_exists_conflicts",),
    ),
    Mutant(
        "sqlite_inbox_row_replaced",
        "An inbox row that is inserted again takes the place of the first.",
        "taskhub/sqlite/partition.py",
        "INSERT OR IGNORE INTO inbox",
        "INSERT OR REPLACE INTO inbox",
        (f"{_CONTRACT}::test_inserting_a_row_again_leaves_it_and_tells[sqlite]",),
    ),
    Mutant(
        "sqlite_hidden_messages_received",
        "A message that somebody has in hand is given to another.",
        "taskhub/sqlite/queues.py",
        '    "WHERE queue = ? AND visible_at <= ? ORDER BY visible_at, id LIMIT ?"\n',
        '    "WHERE queue = ? AND (1 OR visible_at <= ?) ORDER BY visible_at, id LIMIT ?"\n',
        ("tests/taskhub/test_sqlite_store.py", _CONTRACT),
    ),
    Mutant(
        "sqlite_receipt_not_checked_on_deletion",
        "Who lost a message deletes it for who has it.",
        "taskhub/sqlite/queues.py",
        '_DELETE = "DELETE FROM messages WHERE id = ? AND queue = ? AND receipt = ?"',
        '_DELETE = "DELETE FROM messages WHERE id = ? AND queue = ? AND (1 OR receipt = ?)"',
        (f"{_CONTRACT}::test_extending_changes_the_handle[sqlite]",),
    ),
    Mutant(
        "sqlite_receipt_not_checked_on_renewal",
        "Who lost a message keeps it from who has it.",
        "taskhub/sqlite/queues.py",
        "receipt = receipt + 1 WHERE id = ? AND queue = ? AND receipt = ?",
        "receipt = receipt + 1 WHERE id = ? AND queue = ? AND (1 OR receipt = ?)",
        ("tests/taskhub/test_store_contract.py",),
    ),
    Mutant(
        "sqlite_answer_before_the_disk",
        "A call whose transaction failed at its end is answered as if it had taken effect.",
        "taskhub/sqlite/transactions.py",
        "            call.error = unanswered(error, where) if begun else translate(error, where)\n"
        "            call.error.__cause__ = error\n",
        "            call.error = call.error if begun else translate(error, where)\n",
        ("tests/taskhub/test_sqlite_thread.py::test_where_the_commit_itself_fails_nobody_has_an_answer",),
    ),
    Mutant(
        "sqlite_refused_call_takes_effect",
        "A call that is refused half way leaves what it wrote in the transaction that it shares.",
        "taskhub/sqlite/transactions.py",
        "isinstance(call.error, sqlite3.Error) or (call.error is not None and db.total_changes != before)",
        "isinstance(call.error, sqlite3.Error)",
        ("tests/taskhub/test_sqlite_thread.py::test_a_job_that_breaks_off_leaves_nothing_in_the_transaction",),
    ),
    Mutant(
        "sqlite_locked_file_is_a_refusal",
        "A file that another process writes to at the moment counts as a refusal for good.",
        "taskhub/sqlite/refusals.py",
        '    return StorageUnavailableError(f"SQLite gave no answer from {where}: {error}.")',
        '    return StorageRejectedError(f"SQLite gave no answer from {where}: {error}.")  # type: ignore[return-value]',
        ("tests/taskhub/test_sqlite_store.py::test_a_database_locked_by_somebody_else_is_unavailable",),
    ),
    Mutant(
        "sqlite_dead_owners_keep_their_messages",
        "What a dead process had in hand comes back only after its visibility.",
        "taskhub/sqlite/queues.py",
        '_LET_GO = "UPDATE messages SET visible_at = min(visible_at, ?), owner = NULL WHERE owner = ?"',
        '_LET_GO = "UPDATE messages SET visible_at = max(visible_at, ?), owner = NULL WHERE owner = ?"',
        (
            "tests/taskhub/test_sqlite_takeover.py::test_what_a_store_has_in_hand_when_it_is_closed_is_delivered_again_at_once",
        ),
    ),
)

_AZURE_STORAGE = (
    Mutant(
        "azure_conflict_is_trouble",
        "A header that changed is told as a refusal of storage, and waited for.",
        "taskhub/azure/tables.py",
        '        "UpdateConditionNotSatisfied",\n',
        "",
        (f"{_CONTRACT}::test_a_commit_on_a_stale_etag_conflicts",),
    ),
    Mutant(
        "azure_insert_conflict_is_trouble",
        "A header that is there already is told as a refusal of storage.",
        "taskhub/azure/tables.py",
        '        "ConditionNotMet",\n        "EntityAlreadyExists",\n',
        '        "ConditionNotMet",\n',
        (f"{_CONTRACT}::test_inserting_a_header_that_exists_conflicts",),
    ),
    Mutant(
        "azure_deleted_header_is_trouble",
        "A header that is gone is told as a refusal of storage.",
        "taskhub/azure/tables.py",
        '        "ResourceNotFound",\n        "UpdateConditionNotSatisfied",\n',
        '        "UpdateConditionNotSatisfied",\n',
        (f"{_CONTRACT}::test_a_commit_on_a_header_that_is_gone_conflicts",),
    ),
    Mutant(
        "azure_writes_without_etag",
        "A header is replaced whatever it is by now.",
        "taskhub/azure/entities.py",
        '{**_WRITING, "If-Match": etag} if etag is not None else _WRITING',
        "_WRITING",
        (f"{_CONTRACT}::test_of_concurrent_commits_on_one_etag_one_wins[azurite]",),
    ),
    Mutant(
        "azure_missing_rows_fail_a_commit",
        "A commit whose rows another has deleted is refused for ever.",
        "taskhub/azure/tables.py",
        "                if error.status != 404 or answers.is_gone(error) or not 0 <= at < len(deletes):\n",
        "                if True:\n",
        (f"{_CONTRACT}::test_rows_that_are_already_gone_do_not_fail_a_commit[azurite]",),
    ),
    Mutant(
        "azure_row_inserted_before_is_trouble",
        "An inbox row whose insertion was not answered can never be inserted again.",
        "taskhub/azure/tables.py",
        '                if answers.code(error) != "EntityAlreadyExists":\n',
        "                if True:\n",
        (f"{_CONTRACT}::test_inserting_a_row_again_leaves_it_and_tells[azurite]",),
    ),
    Mutant(
        "azure_short_page_is_the_end",
        "A response without rows counts as the end of the inbox.",
        "taskhub/azure/tables.py",
        "        while not found and token:\n",
        "        while False:\n",
        (f"{_AZURE}::test_an_empty_response_with_a_continuation_is_not_the_end",),
    ),
    Mutant(
        "azure_lost_message_is_trouble",
        "A message that another worker has is told as a refusal of storage, and waited for.",
        "taskhub/azure/queues.py",
        '_LOST = frozenset({"MessageNotFound", "PopReceiptMismatch", "QueueNotFound"})',
        '_LOST = frozenset({"PopReceiptMismatch", "QueueNotFound"})',
        (f"{_CONTRACT}::test_a_message_can_be_deleted_once[azurite]",),
    ),
    Mutant(
        "azure_lost_receipt_is_trouble",
        "A receipt that is not ours any more is told as a refusal of storage.",
        "taskhub/azure/queues.py",
        '_LOST = frozenset({"MessageNotFound", "PopReceiptMismatch", "QueueNotFound"})',
        '_LOST = frozenset({"MessageNotFound", "QueueNotFound"})',
        (f"{_CONTRACT}::test_extending_changes_the_handle[azurite]",),
    ),
    Mutant(
        "azure_messages_expire",
        "A message is gone after a week.",
        "taskhub/azure/messages.py",
        '_NEVER = "-1"',
        '_NEVER = "604800"',
        (f"{_AZURE}::test_messages_never_expire",),
    ),
    Mutant(
        "azure_throttling_is_a_refusal",
        "Storage that asks to slow down counts as storage that refuses.",
        "taskhub/azure/answers.py",
        "if number is not None and 400 <= number < 500 and number not in (408, 429):",
        "if number is not None and 400 <= number < 500:",
        (f"{_AZURE}::test_refusals_are_told_apart",),
    ),
    Mutant(
        "azure_refusal_is_an_outage",
        "A refusal for lack of rights is told as storage that does not answer.",
        "taskhub/azure/answers.py",
        "    if number in (401, 403):\n",
        "    if False:\n",
        (
            f"{_AZURE}::test_refusals_are_told_apart",
            f"{_AZURE}::test_a_wrong_key_is_refused_with_the_mend_and_without_the_key",
        ),
    ),
)

_LIMITS = (
    Mutant(
        "oversize_message_sent",
        "A message that no queue takes is sent all the same.",
        "taskhub/limits.py",
        "    if len(body) > MAX_MESSAGE_CHARS or len(encoded) > _MAX_MESSAGE_BYTES:\n",
        "    if len(encoded) > 2 * _MAX_MESSAGE_BYTES:\n",
        (f"{_CONTRACT}::test_messages_beyond_the_limits_are_refused[sqlite]",),
    ),
    Mutant(
        "oversize_inbox_inserted",
        "Inbox rows that no transaction takes are sent all the same.",
        "taskhub/limits.py",
        '    _check_body(sum(len(row.body) for row in rows), MAX_COMMIT_BYTES, "A set of inbox rows inserted together")\n',
        "",
        (f"{_CONTRACT}::test_inbox_rows_beyond_the_limits_are_refused",),
    ),
    Mutant(
        "oversize_commit_sent",
        "A commit of more rows than a transaction takes is sent all the same.",
        "taskhub/limits.py",
        '        _check_count(rows, "rows in one commit")\n',
        "",
        (f"{_CONTRACT}::test_a_commit_beyond_the_limits_is_refused_and_changes_nothing",),
    ),
)

MUTANTS = (*_SQLITE, *_AZURE_STORAGE, *_LIMITS)
