"""Taking instances away: what goes with which header, what is said before, and who may take over; the scan for life."""

from __future__ import annotations

from tests.mutants.planting import Mutant

_RULES = "tests/protocol/test_rules_deletion.py"
_CLEANING = "tests/entities/test_client.py"
_REPAIR = "tests/worker/test_lifeless.py"
_CARETAKER = "tests/worker/test_caretaker.py"
_CONTRACT = "tests/taskhub/test_store_contract.py"
_REUSE = "tests/client/test_id_reuse.py"
_TARGETS = "tests/protocol/test_rules_targets.py"

MUTANTS = (
    Mutant(
        "parent_purged_before_its_children",
        "A recursive purge that dies after it has deleted the parent leaves the children, which nobody else knows.",
        "client/purger.py",
        "        deleted = 0\n        for child in await self._children(instance_id) if recursive else ():\n",
        "        children = await self._children(instance_id) if recursive else ()\n"
        "        deleted = int(await purge(self._hub, instance_id))\n        for child in children:\n",
        ("tests/client/test_recursion.py::test_a_purge_that_was_broken_off_can_be_repeated",),
    ),
    Mutant(
        "another_instance_replaced",
        "A start replaces the instance that it finds, and not the one that its policy lets it replace.",
        "taskhub/handing_over.py",
        "only not in (None, found.columns.execution_id)",
        "False",
        (f"{_REUSE}::test_an_instance_that_has_come_meanwhile_is_judged_by_the_state_that_it_is_in",),
    ),
    Mutant(
        "deleted_without_its_rest",
        "A finished instance is taken away with what it still had to say.",
        "taskhub/handing_over.py",
        "        await hand_over_rest(hub, header, state)\n        return state\n",
        "        return state\n",
        ("tests/protocol/test_rules_time.py::test_r17_a_child_that_is_purged_still_tells_its_parent",),
    ),
    Mutant(
        "running_instance_purged",
        "An instance that runs is taken away.",
        "taskhub/handing_over.py",
        "    if not header.is_terminal:\n        status = ",
        "    if False:\n        status = ",
        ("tests/client/test_reading.py::test_a_running_instance_is_not_purged",),
    ),
    Mutant(
        "header_deleted_before_its_rows",
        "A purge that dies after it has deleted the header leaves the rows for ever.",
        "taskhub/clearing.py",
        "            deletion = Commit(instance_id, None, header.etag, rest.inbox, (), rest.blobs)\n"
        "            await hub.reliable.commit(deletion)\n",
        "            deletion = Commit(instance_id, None, header.etag)\n"
        "            await hub.reliable.commit(deletion)\n"
        "            await hub.store.delete_inbox(instance_id, rest.inbox)\n"
        "            await hub.store.delete_blobs(instance_id, rest.blobs)\n",
        (f"{_RULES}::test_a_purge_that_dies_at_any_call_is_finished_by_another_process",),
    ),
    Mutant(
        "next_instance_purged",
        "A purge whose last answer was lost takes the instance away that took the place.",
        "taskhub/clearing.py",
        "if loaded.header is None or (seen is not None and execution != seen):",
        "if loaded.header is None:",
        (f"{_RULES}::test_a_purge_whose_last_answer_is_lost_does_not_take_the_next_instance_for_the_last",),
    ),
    Mutant(
        "purge_denied",
        "A purge whose last answer was lost says that there was nothing.",
        "taskhub/clearing.py",
        "            return seen is not None\n",
        "            return False\n",
        (
            "tests/protocol/test_rules_deletion.py::test_a_purge_whose_last_answer_is_lost_does_not_take_the_next_instance_for_the_last",
        ),
    ),
    Mutant(
        "rows_on_their_way_deleted",
        "A purge deletes the rows of a start that is just being made.",
        "taskhub/handing_over.py",
        "    return what is None or key in names or ",
        "    return True or key in names or ",
        (f"{_RULES}::test_rows_of_a_start_that_is_not_written_yet_are_left_alone_until_they_are_old",),
    ),
    Mutant(
        "rows_left_behind",
        "Rows of an instance that is gone stay for ever.",
        "taskhub/handing_over.py",
        "    return header, Rows(tuple(inbox), tuple(blobs))\n",
        "    return header, Rows(tuple(inbox), ())\n",
        ("tests/protocol/test_rules_time.py::test_r17_a_purge_that_died_half_way_is_finished_by_the_next",),
    ),
    Mutant(
        "purge_forgets_names",
        "A purge that another process finishes leaves the rows of events behind.",
        "taskhub/handing_over.py",
        "        garbage=[key for key in left if is_staged(key)][:MOST_NAMES],\n",
        "",
        (f"{_RULES}::test_a_purge_that_dies_at_any_call_is_finished_by_another_process",),
    ),
    Mutant(
        "values_of_events_stay",
        "The rows of values that came with events are kept when their history is gone.",
        "worker/instance/orchestration_turn.py",
        "        draft.state.garbage += accepted.spent\n",
        "",
        (f"{_RULES}::test_an_eternal_orchestration_keeps_no_rows_of_generations_that_are_over",),
    ),
    Mutant(
        "inputs_of_generations_stay",
        "The input of each generation is kept when the next has begun.",
        "worker/instance/orchestration_draft.py",
        "            refs[ref.key] = ref\n",
        "            pass\n",
        (f"{_RULES}::test_an_eternal_orchestration_keeps_no_rows_of_generations_that_are_over",),
    ),
    Mutant(
        "stranger_terminated",
        "A recursive termination ends another instance that has the id of the child.",
        "worker/instance/orchestration_draft.py",
        "target = Target(child_execution(self._sender, task_id, child.attempt))",
        "target = Target()",
        (f"{_TARGETS}::test_recursive_termination_leaves_a_stranger_alone_that_has_the_id_of_the_child",),
    ),
    Mutant(
        "empty_entity_forgets_early",
        "An empty entity is deleted while what it took may be sent again.",
        "taskhub/clearing.py",
        "if not entity.is_idle or quiet < (LONG_QUIET if state.sender_pages else QUIET):",
        "if not entity.is_idle:",
        (f"{_CLEANING}::test_cleaning_removes_what_is_left_of_empty_entities",),
    ),
    Mutant(
        "orphaned_lock_kept",
        "A lock whose owner is gone is held for ever.",
        "taskhub/clearing.py",
        "    if header is None or header.is_terminal:\n        return True\n",
        "    if header is None or header.is_terminal:\n        return False\n",
        (f"{_CLEANING}::test_cleaning_releases_locks_whose_holder_is_gone",),
    ),
    Mutant(
        "waiting_instances_rung",
        "The scan for life rings every instance that waits for an event.",
        "taskhub/life.py",
        "    return columns.runtime_status == OrchestrationRuntimeStatus.Pending.value\n",
        "    return True\n",
        (f"{_REPAIR}::test_instances_that_wait_for_an_event_are_left_in_peace",),
    ),
    Mutant(
        "waiting_rows_overlooked",
        "The scan for life does not see an event whose ring was lost.",
        "worker/lifeless.py",
        "        await _ring(hub, instance_id, rung)\n    if rung:\n",
        "        pass\n    if rung:\n",
        (f"{_REPAIR}::test_an_event_whose_ring_was_lost_is_rung_for",),
    ),
    Mutant(
        "overdue_timers_overlooked",
        "The scan for life does not see a timer whose doorbell was lost.",
        "taskhub/life.py",
        "        return now - columns.wake_time > OVERDUE\n",
        "        return False\n",
        (f"{_REPAIR}::test_a_timer_is_rung_for_when_it_is_overdue_and_not_before",),
    ),
    Mutant(
        "every_worker_scans",
        "Each worker that starts looks through the whole hub, whoever else has just done so.",
        "worker/caretaker.py",
        "if await self._hub.reliable.claim_scan(unless_within):",
        "if True:",
        (f"{_CARETAKER}::test_however_many_workers_start_within_an_hour_one_scans",),
    ),
    Mutant(
        "young_instance_purged",
        "A purge by age takes an instance that has begun and ended anew since it was listed.",
        "taskhub/clearing.py",
        "if seen is None and unchanged_since is not None and changed > unchanged_since:",
        "if False:",
        (f"{_CARETAKER}::test_what_began_again_since_it_was_listed_stays",),
    ),
    Mutant(
        "first_page_purged",
        "A purge by age ends with its first page.",
        "taskhub/clearing.py",
        "        if page.continuation_token is None:\n            return purged\n",
        "        return purged\n",
        (f"{_CARETAKER}::test_what_is_old_is_purged_page_by_page_on_every_store[sqlite]",),
    ),
    Mutant(
        "every_asker_scans",
        "On Azure a scan is granted to all who ask, however short ago the last one began.",
        "taskhub/azure/tables.py",
        "if found is not None and datetime.now(UTC) - rows.taken_at(found) < every:",
        "if False:",
        (f"{_CONTRACT}::test_a_scan_is_granted_to_one_of_those_who_ask_at_once_where_it_costs_much[azurite]",),
    ),
)
