"""Steps that no worker makes: time passes, events come, late writes land, a finished instance is started anew."""

from __future__ import annotations

from tests.model.scenarios import D1, D2, RESTART, RESTARTED, WORK, Scenario
from tests.model.state import (
    EMPTY,
    Budget,
    Flight,
    Header,
    Message,
    State,
    Target,
    landed,
    outdated,
    put_at,
    stale,
    with_one,
    without,
)
from tests.model.steps import Step


def start(scenario: Scenario, budget: Budget) -> State:
    queue = (Message(D1),)
    header = Header()
    if scenario.work:
        queue, header = with_one(queue, Message(WORK)), Header(work=1 << WORK)
    return State(
        rows=1 << 1,
        header=header,
        marks=(),
        queue=queue,
        taken=(),
        targets=(Target(),) * scenario.targets,
        workers=(EMPTY, EMPTY),
        flights=(),
        clock=0,
        arrived=2 not in scenario.events,
        decided=0,
        budget=budget,
    )


def moves(scenario: Scenario, state: State) -> list[Step]:
    steps = []
    if not state.arrived:
        rung = with_one(state.queue, Message(D2))
        after = state._replace(rows=state.rows | 1 << 2, queue=rung, arrived=True)
        steps.append(Step(False, "event 2 arrives, rings D2", after, None))
    if state.clock < scenario.end:
        steps.append(Step(False, f"it is {state.clock + 1} o'clock", state._replace(clock=state.clock + 1), None))
    if scenario.restart and state.header.finished and state.header.life == 1 and not state.header.sends:
        steps.append(Step(False, "is purged and started anew, rings D4", restarted(state), None))
    for flight in state.flights:
        gone = state._replace(flights=without(state.flights, flight))
        steps.append(Step(False, f"a late {flight.kind} never lands", gone, None))
        after = arrival(gone, flight)
        if after is not None:
            steps.append(Step(False, f"a late {flight.kind} lands", after, None))
    return steps


def restarted(state: State) -> State:
    """Marks go with the header. What the old life left in the queue stays."""
    return state._replace(
        rows=1 << RESTARTED,
        header=Header(life=2),
        marks=(),
        queue=with_one(state.queue, Message(RESTART)),
        workers=stale(state.workers),
        flights=outdated(state.flights),
    )


def arrival(state: State, flight: Flight) -> State | None:
    """What a write under way does when it lands; `state` is without it."""
    if flight.commit is not None:
        if not flight.commit.fresh:
            return None
        return state._replace(
            workers=stale(state.workers), flights=outdated(state.flights), **landed(state, flight.commit)
        )
    if flight.send is not None:
        target = state.targets[flight.send.to]
        rows = target._replace(rows=target.rows | 1 << flight.send.seq)
        return state._replace(targets=put_at(state.targets, flight.send.to, rows))
    if flight.kind == "put":
        return state._replace(queue=with_one(state.queue, flight.message))
    # A receipt has no effect once the message was delivered again.
    if flight.message in state.queue:
        return state._replace(queue=without(state.queue, flight.message))
    if flight.message in state.taken:
        return state._replace(taken=without(state.taken, flight.message))
    return None
