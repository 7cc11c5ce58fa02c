"""The rules of the protocol hold for every order of events within a budget of faults, and each of them is needed.

The budgets are what about a minute allows; larger ones are for the command (`python -m tests.model --help`).
"""

from __future__ import annotations

import pytest

from tests.model.rules import VARIANTS
from tests.model.scenarios import SCENARIOS
from tests.model.search import Result, explore
from tests.model.state import Budget


def check(variant: str, scenario: str, stop_at: str = "", limit: int = 100_000, **faults: int) -> Result:
    stops = frozenset({stop_at} - {""})
    return explore(VARIANTS[variant], SCENARIOS[scenario], Budget(**faults), limit, stops)


def holds(variant: str, scenario: str, **faults: int) -> None:
    """Every state within the budget is visited, and nothing is wrong in any."""
    result = check(variant, scenario, **faults)
    assert not result.broken, "\n".join(
        told for found in result.broken.values() for told in (found.wrong, *found.steps)
    )
    assert result.complete


def breaks(variant: str, scenario: str, name: str, limit: int = 100_000, **faults: int) -> str:
    """The steps of the shortest way to break the property `name`."""
    result = check(variant, scenario, stop_at=name, limit=limit, **faults)
    assert name in result.broken, f"{name} does not break: {', '.join(result.broken) or 'nothing does'}"
    return "\n".join((result.broken[name].wrong, *result.broken[name].steps))


# --- the rules hold -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scenario", "faults"),
    [
        pytest.param("one", {"crash": 1, "lost": 1, "back": 1}, id="one send, a fault of each kind"),
        pytest.param("one", {"crash": 3}, id="one send, three crashes or expiries"),
        pytest.param("two", {"crash": 2}, id="two sends, two crashes or expiries"),
        pytest.param("two", {"crash": 1, "lost": 1}, id="two sends, a crash and a lost answer"),
        pytest.param("tut", {"crash": 1}, id="two targets, a crash"),
        pytest.param("tut", {"lost": 1}, id="two targets, a lost answer"),
        pytest.param("act", {"crash": 1}, id="a local activity, a crash"),
        pytest.param("act", {"lost": 1}, id="a local activity, a lost answer"),
        pytest.param("work", {"crash": 1}, id="a work item, a crash"),
        pytest.param("work", {"lost": 1}, id="a work item, a lost answer"),
        pytest.param("finish", {"crash": 1}, id="an instance that finishes, a crash"),
        pytest.param("finish", {"lost": 1}, id="an instance that finishes, a lost answer"),
    ],
)
def test_nothing_is_lost_doubled_or_left_behind(scenario: str, faults: dict[str, int]) -> None:
    holds("V4", scenario, **faults)


@pytest.mark.parametrize(
    ("scenario", "faults"),
    [
        pytest.param("bare", {"crash": 1}, id="a timer alone, a crash"),
        pytest.param("bare", {"crash": 1, "skew": 1}, id="a timer alone, a crash and a clock apart"),
        pytest.param("bare", {"lost": 1, "skew": 1}, id="a timer alone, a lost answer and a clock apart"),
        pytest.param("timer", {"crash": 1}, id="one timer, a crash"),
        pytest.param("timer", {"lost": 1, "skew": 1}, id="one timer, a lost answer and a clock apart"),
        pytest.param("cancel-last", {"lost": 1}, id="the last timer cancelled, a lost answer"),
        pytest.param("cancel-last", {"skew": 1}, id="the last timer cancelled, a clock apart"),
        pytest.param("cancel-one", {}, id="the earlier of two cancelled"),
        pytest.param("cancel-renew", {}, id="one cancelled for a later one"),
        pytest.param("sooner", {}, id="an earlier one opened later"),
        pytest.param("chain", {}, id="one timer opens the next"),
        pytest.param("chain", {"lost": 1}, id="one timer opens the next, a lost answer"),
    ],
)
def test_one_alarm_fires_every_timer_and_is_not_left_behind(scenario: str, faults: dict[str, int]) -> None:
    holds("V4", scenario, **faults)


@pytest.mark.parametrize(
    ("scenario", "faults"),
    [
        pytest.param("bare", {"skew": 1}, id="a clock apart"),
        pytest.param("cancel-renew", {}, id="one cancelled for a later one"),
    ],
)
def test_an_alarm_that_comes_too_early_to_be_kept_is_armed_anew(scenario: str, faults: dict[str, int]) -> None:
    holds("far", scenario, **faults)


def test_any_message_in_hand_may_guard_an_empty_queue() -> None:
    holds("any-guard", "two", crash=1)


# --- each rule is needed --------------------------------------------------------------------------------------------


def test_without_a_fence_a_send_is_never_handed_over() -> None:
    assert "S1 stuck" in breaks("no-fence", "two", "S1", crash=2)


def test_a_fence_that_leaves_no_mark_does_not_stop_the_older_delivery() -> None:
    assert "S1 stuck" in breaks("fence-unmarked", "two", "S1", crash=2)


def test_a_message_that_the_header_does_not_name_needs_its_fence_too() -> None:
    assert "S1 stuck" in breaks("fence-named", "two", "S1", crash=2)


def test_a_finished_instance_that_does_not_name_the_message_needs_no_fence_and_bears_one() -> None:
    holds("finished-fences", "finish", crash=1)


def test_marks_without_an_order_let_two_workers_fence_each_other_off_for_ever() -> None:
    assert "S6" in breaks("nonce", "one", "S6", back=1)


def test_an_outranked_delivery_made_visible_again_goes_round_for_ever() -> None:
    assert "S6" in breaks("release-outranked", "one", "S6", back=1)


def test_a_work_item_run_again_without_a_fence_hands_its_sends_over_twice() -> None:
    assert "S4b" in breaks("work-unfenced", "work", "S4b", crash=1)


def test_a_guard_of_its_own_for_each_commit_lets_a_later_send_overtake() -> None:
    assert "dropped as a duplicate" in breaks("own-guards", "two", "S1", crash=1)


def test_deleting_before_what_was_handed_over_is_out_leaves_a_queue_without_a_guard() -> None:
    assert "S1 stuck" in breaks("no-drop", "two", "S1", crash=1)


def test_taking_out_what_another_guards_leaves_its_holder_to_hand_it_over_again() -> None:
    assert "S4b" in breaks("drop-all", "two", "S4b", crash=2)


def test_a_refusal_taken_for_handed_over_loses_the_send() -> None:
    assert "S1" in breaks("give-up", "two", "S1", lost=1)


@pytest.mark.parametrize("faults", [{"crash": 1}, {"lost": 1}], ids=["a crash", "a lost answer"])
def test_taking_the_queue_over_at_will_hands_over_again_and_does_nothing_worse(faults: dict[str, int]) -> None:
    assert set(check("take-at-will", "two", **faults).broken) == {"S4b"}


def test_two_messages_of_one_body_are_handed_over_by_two_workers() -> None:
    assert "S4b" in breaks("same-tag", "one", "S4b", lost=1, back=1)


def test_the_older_of_two_deliveries_of_one_body_goes_round_for_ever_if_it_is_let_go() -> None:
    assert "S6" in breaks("same-tag-let-go", "timer", "S6", lost=1)


def test_a_delete_after_a_lost_answer_may_come_before_the_commit_itself() -> None:
    assert "S1 stuck" in breaks("unsettled", "timer", "S1", lost=1, skew=1)


# --- the alarm -------------------------------------------------------------------------------------------------------


def test_an_alarm_deleted_while_the_header_names_it_leaves_its_timer_open() -> None:
    assert "a timer never fires" in breaks("alarm-forgotten", "cancel-renew", "S1")


@pytest.mark.parametrize("variant", ["alarm-unheld", "alarm-stays"])
def test_the_alarm_that_is_named_is_safe_by_being_taken_out_or_by_not_being_deleted(variant: str) -> None:
    holds(variant, "bare", crash=1)
    holds(variant, "bare", lost=1)


def test_an_alarm_that_comes_before_its_name_is_known_and_is_deleted_is_named_afterwards() -> None:
    assert "a timer never fires" in breaks("alarm-goes", "cancel-renew", "S1")


def test_an_alarm_that_leaves_the_arming_to_another_may_be_the_one_that_is_named_next() -> None:
    assert "a timer never fires" in breaks("arming-if-changed", "cancel-renew", "S1")


def test_an_arming_is_replaced_by_whoever_changes_anything_for_the_sake_of_lost_messages_only() -> None:
    holds("arming-if-woken", "cancel-one")


def test_an_alarm_that_is_known_by_its_time_is_taken_out_needlessly_and_does_nothing_worse() -> None:
    holds("alarm-by-due", "bare", crash=1)
    holds("alarm-by-due", "bare", lost=1)


def test_an_alarm_named_taken_out_and_armed_anew_in_one_commit_is_not_named_again() -> None:
    assert "commits for ever" in breaks("named-again", "bare", "S6", skew=1)


def test_an_alarm_named_by_a_commit_that_landed_without_an_answer_must_not_be_silenced() -> None:
    told = breaks("silence-named", "bare", "S1", lost=1)
    assert "a timer never fires" in told
    assert "a late silence lands" in told


def test_an_alarm_that_a_commit_under_way_may_name_must_not_be_silenced() -> None:
    told = breaks("silence-unsettled", "bare", "S1", crash=1, lost=1)
    assert "a timer never fires" in told
    assert "a late silence lands" in told


def test_an_alarm_that_is_not_silenced_comes_and_finds_nothing_to_do() -> None:
    holds("no-silence", "cancel-last", skew=1)


# --- an instance started anew -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "faults", [{"crash": 2}, {"crash": 1, "lost": 1}], ids=["two crashes", "a crash and a lost answer"]
)
def test_a_worker_that_asks_which_messages_are_still_its_own_outlives_a_restart(faults: dict[str, int]) -> None:
    holds("V4", "restart", **faults)


def test_marks_that_go_with_a_purge_do_not_stop_a_delivery_of_the_life_before() -> None:
    told = breaks("unconfirmed", "restart", "S1", crash=2)
    assert "S1 stuck" in told
    assert "conflicts, loads" in told


def test_a_delivery_that_stalls_until_its_first_load_knows_of_no_life_before() -> None:
    told = breaks("confirms-known", "restart", "S1", crash=2)
    assert "S1 stuck" in told
    assert "stalls: it expires" in told


def test_a_delivery_past_its_visibility_may_as_well_be_let_go_at_any_load() -> None:
    holds("lets-go", "restart", crash=2)


# --- the checker itself -----------------------------------------------------------------------------------------------


def test_a_counterexample_names_each_worker_the_same_all_along_and_marks_faults() -> None:
    steps = breaks("work-unfenced", "work", "S4b", crash=1).splitlines()
    assert steps[1] == "  W1 receives D3 (0.0.1), loads []"
    assert [step for step in steps if step.startswith("!")] == [
        "! W2 receives D3 (0.0.2), which expired in other hands, loads [e1/D3]"
    ]
    assert steps[-1] == "  W2 hands over e1"


def test_a_search_that_stops_early_does_not_call_itself_complete() -> None:
    assert not check("V4", "two", limit=100, crash=1).complete
