// The steps of a timeline as lanes: the attempts of one call, and the pauses between them, share a lane.

import type { Step } from "../api/types";
import { millis } from "./words";

export interface Bar {
    step: Step;
    from: number;
    /** NaN: it is still open. */
    to: number;
}

export interface Lane {
    /** The first step of the lane. */
    first: Step;
    bars: Bar[];
    /** How many attempts there were. */
    attempts: number;
    outcome: Step["outcome"];
    from: number;
    /** NaN: the lane is still open. */
    to: number;
}

/** Lanes in the order in which they began. */
export function lanesOf(steps: readonly Step[]): Lane[] {
    const lanes: Lane[] = [];
    const byTask = new Map<number, Lane>();
    for (const step of steps) {
        const bar: Bar = { step, from: millis(step.began), to: step.ended === null ? Number.NaN : millis(step.ended) };
        const known = step.retryOf === null ? undefined : byTask.get(step.retryOf);
        if (known) {
            join(known, bar);
            continue;
        }
        const lane: Lane = { first: step, bars: [], attempts: 0, outcome: step.outcome, from: bar.from, to: bar.to };
        join(lane, bar);
        lanes.push(lane);
        // After a rewind an id may be used anew: what follows belongs to the newest.
        if (step.taskId !== null) byTask.set(step.taskId, lane);
    }
    // Events that are waited for come last, whenever that began.
    return lanes.sort((one, other) => one.from - other.from);
}

function join(lane: Lane, bar: Bar): void {
    lane.bars.push(bar);
    lane.to = bar.to;
    if (bar.step.kind === "retry_delay") {
        // While it pauses, the call goes on.
        if (bar.step.outcome === "open") lane.outcome = "open";
        return;
    }
    lane.attempts = Math.max(lane.attempts, bar.step.attempt);
    lane.outcome = bar.step.outcome;
}

const KINDS: Record<Step["kind"], string> = {
    activity: "Activity",
    http: "HTTP call",
    timer: "Timer",
    retry_delay: "Pause before a retry",
    event: "Event",
    event_sent: "Event sent",
    sub_orchestration: "Sub-orchestration",
    entity_call: "Entity call",
    entity_signal: "Entity signal",
    lock: "Lock",
    control: "Control",
};

/** A kind of steps, in words; one that a newer host has is named as it names it. */
export function kindWord(kind: Step["kind"]): string {
    return KINDS[kind] ?? kind;
}

/** What a step is called: its name, or its kind where it has no name of its own. */
export function stepName({ name, kind }: { name: string; kind: Step["kind"] }): string {
    return hasOwnName(name, kind) ? name : kindWord(kind);
}

/** Whether the name says more than the kind. */
export function hasOwnName(name: string, kind: Step["kind"]): boolean {
    return name !== "" && name.toLowerCase() !== kindWord(kind).toLowerCase();
}

/** What a step remains known by: places in the timeline may change as long as events are waited for. */
export function stepKey({ taskId, kind, name, began, attempt }: Step): string {
    return JSON.stringify([taskId, kind, name, began, attempt]);
}

/** An outcome, in words. */
export function outcomeWord(outcome: Step["outcome"]): string {
    return OUTCOMES[outcome] ?? outcome;
}

const OUTCOMES: Record<Step["outcome"], string> = {
    open: "Open",
    completed: "Completed",
    failed: "Failed",
    void: "Made void by a rewind",
    cancelled: "Cancelled",
};

/** A sensible distance between the marks of a time axis, in milliseconds, for about `marks` of them. */
export function axisStep(span: number, marks: number): number {
    const wanted = span / Math.max(marks, 1);
    return STEPS.find((step) => step >= wanted) ?? Math.ceil(wanted / 864e5) * 864e5;
}

const STEPS = [
    ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
    ...[1, 2, 5, 10, 15, 30].map((seconds) => seconds * 1000),
    ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * 60_000),
    ...[1, 2, 3, 6, 12].map((hours) => hours * 3_600_000),
    ...[1, 2, 5, 10].map((days) => days * 86_400_000),
];
