"""What instances send one another: the outbox, claims, the mailroom, and taking over from the dead."""

from __future__ import annotations

from tests.mutants.planting import Mutant

MUTANTS = (
    Mutant(
        "dropped_before_handed_over",
        "An entry leaves the header before it has arrived.",
        "worker/instance/mailroom.py",
        "                async with self._context.sends:\n                    await hand_over(",
        "                for item in batch:\n                    self._handed_over(item.sender, item.entry)\n"
        "                async with self._context.sends:\n                    await hand_over(",
        ("tests/protocol/test_rules_guards.py::test_r2_a_doorbell_stays_until_what_it_guards_is_handed_over",),
    ),
    Mutant(
        "never_dropped",
        "What is handed over leaves the header only with a turn that may never come.",
        "worker/instance/dispatcher.py",
        "        if self._first_done is None or state is None or not len(self._guards):\n",
        "        if True:\n",
        (
            "tests/protocol/test_rules_guards.py::test_r7_what_was_handed_over_is_in_no_header_where_it_could_be_taken_up_again",
        ),
    ),
    Mutant(
        "whoever_hands_over",
        "Entries under messages of other workers are handed over, too.",
        "worker/instance/dispatcher.py",
        "mine = [(guard, number) for guard, number in entries_of(state) if guards.is_mine(guard)]",
        "mine = list(entries_of(state))",
        (
            "tests/protocol/test_rules_guards.py::test_r5_an_activity_that_another_worker_runs_is_not_run_by_who_takes_the_next_turn",
        ),
    ),
    Mutant(
        "left_by_the_dead",
        "What another worker committed under a message in hand is not handed over.",
        "worker/instance/instance.py",
        "        if not self.dispatcher.is_to_claim:\n            return\n",
        "        return\n",
        ("tests/protocol/test_rules_guards.py::test_r2_a_doorbell_stays_until_what_it_guards_is_handed_over",),
    ),
    Mutant(
        "queue_stolen_by_each_commit",
        "Who adds to a queue of sends puts it under a message of its own.",
        "worker/instance/header_draft.py",
        "        if not self.state.has_sends:\n            self.state.queue_guard = guard\n",
        "        self.state.queue_guard = guard\n",
        (
            "tests/protocol/test_rules_guards.py::test_r5_who_adds_to_a_queue_that_another_guards_leaves_it_to_the_other",
        ),
    ),
    Mutant(
        "guard_of_an_empty_queue_kept",
        "A new queue of sends is put under the message that guarded the one before.",
        "worker/instance/header_draft.py",
        "        if not self.state.has_sends:\n            self.state.queue_guard = guard\n",
        "        self.state.queue_guard = self.state.queue_guard or guard\n",
        (
            "tests/protocol/test_rules_guards.py::test_r7_the_guard_of_a_queue_that_was_empty_is_the_message_that_filled_it",
        ),
    ),
    Mutant(
        "sends_guard_nothing",
        "The message that guards the queue of sends is not known as its guard.",
        "taskhub/state.py",
        "(self.queue_guard == guard and self.has_sends)",
        "False",
        ("tests/protocol/test_rules_guards.py::test_r2_a_doorbell_stays_until_what_it_guards_is_handed_over",),
    ),
    Mutant(
        "lost_queue_never_taken_over",
        "Sends under a message that is lost are never taken over.",
        "worker/instance/dispatcher.py",
        "return state.queued_at is None or (draft.now - state.queued_at).total_seconds() > self._context.take_over_after",
        "return False",
        (
            "tests/protocol/test_rules_guards.py::test_r8_sends_under_a_lost_message_are_taken_over_by_the_next_commit_after_two_minutes",
        ),
    ),
    Mutant(
        "live_queue_taken_over",
        "Sends are taken over from a worker that is alive.",
        "worker/instance/dispatcher.py",
        "return state.queued_at is None or (draft.now - state.queued_at).total_seconds() > self._context.take_over_after",
        "return True",
        (
            "tests/protocol/test_rules_guards.py::test_r5_who_adds_to_a_queue_that_another_guards_leaves_it_to_the_other",
        ),
    ),
    Mutant(
        "repair_takes_nothing_over",
        "A scan for life rings an instance, and what a lost message guarded stays where it is.",
        "worker/instance/dispatcher.py",
        "        self.take_over(draft, guard)\n        draft.take_activities_over(",
        "        draft.take_activities_over(",
        ("tests/protocol/test_rules_guards.py::test_r8_what_a_lost_message_guarded_is_handed_over_after_a_repair",),
    ),
    Mutant(
        "activities_taken_over_at_once",
        "A scan for life has an activity run again while another worker runs it.",
        "worker/instance/dispatcher.py",
        "TAKE_OVER_ACTIVITIES_AFTER = timedelta(days=1)",
        "TAKE_OVER_ACTIVITIES_AFTER = timedelta(seconds=1)",
        ("tests/protocol/test_rules_guards.py::test_r8_an_activity_whose_message_was_lost_runs_again_a_day_later",),
    ),
    Mutant(
        "no_order_per_target",
        "Two sends to one target are on their way at once.",
        "worker/instance/mailroom.py",
        "        waiting = self._waiting.get(send.target)\n        if waiting is None:\n"
        "            waiting = self._waiting[send.target] = {}\n"
        "            self._tasks.start(self._deliver(send.target, waiting),",
        "        place = f'{send.target} {entry}'\n        waiting = self._waiting.get(place)\n        if waiting is None:\n"
        "            waiting = self._waiting[place] = {}\n"
        "            self._tasks.start(self._deliver(place, waiting),",
        ("tests/protocol/test_rules_order.py::test_r9_an_event_does_not_overtake_the_start_of_its_target",),
    ),
    Mutant(
        "refusal_is_final",
        "A message that storage refuses for a while is thrown away.",
        "worker/instance/mailroom.py",
        "                await patience.wait(error)\n                continue\n",
        "                del error\n",
        ("tests/protocol/test_refusals.py",),
    ),
    Mutant(
        "alarm_given_up",
        "A timer's doorbell that storage refuses is not tried again.",
        "worker/instance/mailroom.py",
        "            except DurableError as error:\n                await patience.wait(error)\n        patience.over()\n        self._armed(",
        "            except DurableError as error:\n                await patience.wait(error)\n                return\n"
        "        patience.over()\n        self._armed(",
        ("tests/protocol/test_refusals.py",),
    ),
    Mutant(
        "first_of_a_batch_blamed",
        "One message that nobody can take costs the good ones that go with it.",
        "taskhub/handing_over.py",
        "            for send in batch:\n                await _insert_or_replace(hub, sender, send, why)\n",
        "            await _insert_or_replace(hub, sender, batch[0], why)\n",
        (
            "tests/protocol/test_rules_undeliverable.py::test_one_message_that_nobody_can_take_costs_none_that_goes_with_it",
        ),
    ),
    Mutant(
        "undeliverable_answer_dropped",
        "An answer that cannot be delivered is dropped, and who waits for it waits for ever.",
        "taskhub/handing_over.py",
        "        if instead is not None:\n",
        "        if False:\n",
        ("tests/protocol/test_rules_undeliverable.py::test_who_waits_for_an_answer_that_nobody_can_take_is_told_so",),
    ),
    Mutant(
        "undeliverable_start_dropped",
        "A child that cannot be started is dropped, and its parent waits for ever.",
        "taskhub/handing_over.py",
        "        await _refuse(hub, start, start.execution_id, shorten(FailureDetails.from_exception(error)))\n",
        "        del error\n",
        ("tests/protocol/test_rules_undeliverable.py::test_the_task_of_a_child_that_nobody_can_take_fails",),
    ),
    Mutant(
        "unsent_lost_with_the_generation",
        "Continue-as-new drops what was decided and not yet handed over.",
        "worker/instance/orchestration_draft.py",
        "                    self._state.messages.append(to_message(outgoing))\n",
        "                    pass\n",
        (
            "tests/protocol/test_rules_generations.py::test_what_was_not_handed_over_when_a_generation_ends_is_handed_over_by_the_next_worker",
        ),
    ),
    Mutant(
        "unsent_lost_with_the_end",
        "An instance that ends drops what it decided in earlier turns and has not yet handed over.",
        "worker/instance/orchestration_draft.py",
        "if self._sender.number(number) not in new and not _outlives(self._decision, number):",
        "if self._sender.number(number) not in new:",
        (
            "tests/protocol/test_rules_generations.py::test_what_was_not_handed_over_when_a_generation_ends_is_handed_over_by_the_next_worker",
        ),
    ),
    Mutant(
        "numbers_begin_again",
        "A sender counts from the start again after continue-as-new, and is taken for a repetition.",
        "taskhub/outgoing.py",
        "return number_of(self.generation, self.attempt, decision)",
        "return decision",
        ("tests/protocol/test_rules_order.py::test_r10_a_sender_goes_on_counting_over_continue_as_new",),
    ),
    Mutant(
        "children_not_terminated",
        "A recursive termination does not reach the children.",
        "worker/instance/orchestration_draft.py",
        "        if terminated is not None:\n",
        "        if False:\n",
        ("tests/protocol/test_rules_generations.py::test_a_termination_ends_the_children_if_it_says_so",),
    ),
    Mutant(
        "row_without_ring",
        "A row that is there already is not rung for: whoever put it may have died before it rang.",
        "taskhub/hub.py",
        "        await self.insert(target, events)\n        await self.ring(target, why)\n",
        "        known = {row.key for row in (await self.store.load(target)).inbox}\n"
        "        await self.insert(target, events)\n"
        "        if not known.issuperset(event.key for event in events):\n"
        "            await self.ring(target, why)\n",
        ("tests/protocol/test_rules_guards.py::test_r6_a_row_that_is_there_already_is_still_rung_for",),
    ),
    Mutant(
        "left_calls_overtaken",
        "What did not fit one insert of a client is overtaken by what was asked for later.",
        "client/gathering.py",
        "        self._waiting[:0] = left\n",
        "        self._waiting += left\n",
        ("tests/client/test_gathering.py::test_what_a_round_leaves_is_first_in_the_next",),
    ),
    Mutant(
        "one_leaves_for_all",
        "A caller that stops waiting takes those along whose events go with its own.",
        "client/gathering.py",
        "all(call.is_over for call in self._under_way)",
        "any(call.is_over for call in self._under_way)",
        ("tests/client/test_gathering.py::test_one_of_several_under_way_leaves_the_others",),
    ),
    Mutant(
        "five_minutes_anew",
        "An event that waited behind another is sent for longer than its receiver can tell a repetition.",
        "client/messenger.py",
        "                    oldest.until - self._hub.clock.monotonic(),\n",
        "                    GIVE_UP_SECONDS,\n",
        ("tests/client/test_sending.py::test_each_event_is_tried_for_its_own_five_minutes",),
    ),
    Mutant(
        "number_without_event",
        "What can never be stored uses up a number: what a receiver remembers of a client is no range any more.",
        "client/messenger.py",
        "                call.fail(error)\n                continue\n",
        "                call.fail(error)\n                counter.next += 1\n                continue\n",
        ("tests/client/test_sending.py::test_what_can_never_be_stored_fails_alone_and_has_no_number",),
    ),
    Mutant(
        "one_transaction_for_all",
        "Events for one instance are inserted at once, however many bytes they take together.",
        "taskhub/hub.py",
        "        for rows in limits.transactions([each.row for each in packed], MAX_COMMIT_ROWS):\n",
        "        for rows in [[each.row for each in packed]]:\n",
        ("tests/taskhub/test_hub.py::test_events_are_inserted_as_many_at_once_as_rows_and_bytes_allow",),
    ),
    Mutant(
        "long_failure_kept_whole",
        "A failure keeps more than its budget, and no message can carry it.",
        "shortening.py",
        "        if failure_bytes(_cut_to(links, room)) <= budget:\n",
        "        if room:\n",
        ("tests/test_shortening.py::test_any_failure_fits_the_budget_and_comes_back_as_it_was_stored",),
    ),
    Mutant(
        "own_start_taken_for_a_stranger",
        "A start whose answer was lost is told as an id that another instance has.",
        "taskhub/hub.py",
        "    if found.columns.execution_id == request.execution_id:\n        return True\n",
        "    if False:\n        return True\n",
        ("tests/protocol/test_rules_order.py::test_r14_a_start_whose_answer_was_lost_is_known_as_ours",),
    ),
    Mutant(
        "stranger_taken_for_a_child",
        "Another instance that has the id of a child is taken for it.",
        "taskhub/hub.py",
        "    return origin is not None and (\n",
        "    return True or (\n",
        ("tests/protocol/test_rules_order.py::test_r14_a_running_stranger_fails_the_task",),
    ),
)
