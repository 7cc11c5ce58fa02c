// The timeline of an instance: its steps, of which only those that may have changed are asked for again.

import { stepKey } from "../model/lanes";
import { dataPath, get } from "./client";
import { type Polled, usePolled } from "./polling";
import type { Inspection, Step, Timeline } from "./types";

/** A timeline with the steps of all its pages. */
export interface WholeTimeline extends Timeline {
    /** Still to come. */
    missing: number;
}

const MOST = 5000;

/** The whole timeline without values, renewed; a restart or a rewind begins it anew. */
export function useTimeline(instance: Inspection): Polled<WholeTimeline> {
    const { instanceId, executionId, generation, attempt } = instance;
    return usePolled<WholeTimeline>(
        JSON.stringify([instanceId, executionId, generation, attempt]),
        (stop, last) => read(instanceId, stop, last),
        { isPart: (data) => data.missing > 0 },
    );
}

async function read(id: string, stop: AbortSignal, last: WholeTimeline | null): Promise<WholeTimeline> {
    const known = last?.steps ?? [];
    const open = known.findIndex((step) => step.outcome === "open");
    const skip = open === -1 ? known.length : open;
    const page = await get<Timeline>(
        dataPath(["instances", id, "timeline"], { skip, limit: MOST, values: "false" }),
        stop,
    );
    if (last && page.generation !== last.generation) return read(id, stop, null);
    const complete = last?.missing === 0;
    if (last && complete && same(known, page, skip, last)) return last;
    const steps = [...known.slice(0, skip), ...page.steps];
    return { ...page, steps, missing: page.steps.length === 0 ? 0 : Math.max(0, page.total - steps.length) };
}

function same(known: readonly Step[], page: Timeline, skip: number, last: WholeTimeline): boolean {
    return (
        page.total === last.total &&
        page.ended === last.ended &&
        page.problem === last.problem &&
        page.runtimeStatus === last.runtimeStatus &&
        page.steps.every((step, at) => sameStep(step, known[skip + at]))
    );
}

function sameStep(one: Step, other: Step | undefined): boolean {
    return other !== undefined && (one === other || (one.outcome === other.outcome && one.ended === other.ended));
}

/** One step with its values; they are null in the timeline. */
export function useStep(id: string, step: Step): Polled<Step> {
    return usePolled<Step>(JSON.stringify([id, step.index, step.outcome]), async (stop, last) => {
        const page = await get<Timeline>(
            dataPath(["instances", id, "timeline"], { skip: step.index, limit: 1, values: "true" }),
            stop,
        );
        const found = page.steps[0];
        if (!found || stepKey(found) !== stepKey(step)) return last ?? step;
        return last && sameStep(found, last) ? last : found;
    });
}
