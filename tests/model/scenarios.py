"""What happens to the sender: which event, timer or result decides what."""

from __future__ import annotations

from dataclasses import dataclass, field

LOCAL = 9  # the "target" of an activity that a worker runs itself: unordered, may run again, its result decides

D1, D2, WORK, RESTART = 1, 2, 3, 4  # ids of the messages that a scenario starts with; alarms are numbered from 5
FIRST_ALARM = 5
RESTARTED = 3  # the event that a restart brings


@dataclass(frozen=True)
class Decision:
    """What a turn does for one of the causes that it takes."""

    sends: tuple[tuple[int, int], ...] = ()  # (sequence, target or LOCAL)
    opens: tuple[tuple[int, int], ...] = ()  # (number, fire time) of timers
    cancels: tuple[int, ...] = ()  # numbers of timers
    finishes: bool = False


@dataclass(frozen=True)
class Scenario:
    """Event 1 is there at the start, event 2 comes at any time."""

    name: str
    events: dict[int, Decision]
    timers: dict[int, Decision] = field(default_factory=dict)
    results: dict[int, Decision] = field(default_factory=dict)  # of local activities, by their sequence
    work: Decision | None = None  # what the result of the work item decides, if one is out at the start
    restart: Decision | None = None  # what event 3 decides, which starts the instance anew once it has finished
    targets: int = 1
    end: int = 0  # the last time at which a timer can fire


def sends(*items: tuple[int, int]) -> Decision:
    return Decision(sends=items)


T, U = 0, 1

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("one", {1: sends((1, T))}),
        Scenario("two", {1: sends((1, T)), 2: sends((2, T))}),
        Scenario("tut", {1: sends((1, T)), 2: sends((2, U), (3, T))}, targets=2),
        Scenario("act", {1: sends((1, LOCAL), (2, T)), 2: sends((3, T))}, results={1: sends((4, U))}, targets=2),
        Scenario("work", {1: sends((1, T))}, work=sends((2, T))),
        Scenario("bare", {1: Decision(opens=((1, 1),))}, timers={1: Decision()}, end=1),
        Scenario("timer", {1: Decision(sends=((1, T),), opens=((1, 1),))}, timers={1: sends((2, T))}, end=1),
        Scenario(
            "cancel-one",
            {1: Decision(opens=((1, 1), (2, 2))), 2: Decision(cancels=(1,))},
            timers={1: Decision(), 2: Decision()},
            end=2,
        ),
        Scenario(
            "cancel-last",
            {1: Decision(opens=((1, 1),)), 2: Decision(cancels=(1,))},
            timers={1: Decision()},
            end=1,
        ),
        Scenario(
            "cancel-renew",
            {1: Decision(opens=((1, 1),)), 2: Decision(cancels=(1,), opens=((2, 2),))},
            timers={1: Decision(), 2: Decision()},
            end=2,
        ),
        Scenario(
            "sooner",
            {1: Decision(opens=((2, 2),)), 2: Decision(opens=((1, 1),))},
            timers={1: Decision(), 2: Decision()},
            end=2,
        ),
        Scenario(
            "chain",
            {1: Decision(opens=((1, 1),))},
            timers={1: Decision(sends=((1, T),), opens=((2, 2),)), 2: sends((2, T))},
            end=2,
        ),
        Scenario("finish", {1: sends((1, T)), 2: Decision(sends=((2, T),), finishes=True)}),
        Scenario("restart", {1: Decision(sends=((1, T),), finishes=True)}, restart=sends((3, U)), targets=2),
        Scenario(
            "restart-timer",
            {1: Decision(opens=((1, 1),)), 2: Decision(finishes=True)},
            timers={1: Decision(), 2: Decision()},
            restart=Decision(opens=((2, 2),)),
            end=2,
        ),
    )
}
