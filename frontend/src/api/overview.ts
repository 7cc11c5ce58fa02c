// The overview of the hub, asked for once for all parts of the page that show something of it.

import { signal } from "@preact/signals";
import { dataPath, get } from "./client";
import { type Polled, usePolled } from "./polling";
import type { Overview } from "./types";

/** The newest overview, for parts that only take a word from it. */
export const overview = signal<Overview | null>(null);

/** What the hub held at a moment. */
export interface Sample {
    at: number;
    backlog: number;
    active: number;
    finished: number | null;
    failed: number | null;
}

/** What it held since the page was opened, oldest first. */
export const samples = signal<readonly Sample[]>([]);
const MOST_SAMPLES = 720;

/** The overview, renewed; used once, by the frame of the page. */
export function useOverview(): Polled<Overview> {
    return usePolled(
        "overview",
        async (stop, last) => {
            const data = await get<Overview>(dataPath(["overview"]), stop);
            if (data !== last) overview.value = data;
            samples.value = [...samples.peek().slice(1 - MOST_SAMPLES), sampleOf(data)];
            return data;
        },
        { quickest: 5_000, slowest: 10_000 },
    );
}

function sampleOf(data: Overview): Sample {
    const count = (...statuses: string[]): number =>
        statuses.reduce((sum, status) => sum + (data.counts[status] ?? 0), 0);
    return {
        at: Date.now(),
        backlog: data.queues.filter((queue) => queue.role !== "poison").reduce((sum, queue) => sum + queue.messages, 0),
        active: count("Running", "Pending", "Suspended"),
        // Of a part of the hub the difference between two looks means nothing.
        finished: data.complete ? count("Completed", "Terminated", "Canceled", "Failed") : null,
        failed: data.complete ? count("Failed") : null,
    };
}
