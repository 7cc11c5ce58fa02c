// How much happened when: a strip over the whole of a timeline, on which the part in sight is marked and can be moved.

import { useMemo, useRef } from "preact/hooks";
import type { Lane } from "../model/lanes";
import { moved, placed, type Span } from "../model/span";

const SLOTS = 160;
const HEIGHT = 28;

/** The strip. It repeats what the chart says, so it is not for screen readers. */
export function Density({
    lanes,
    all,
    end,
    span,
    show,
}: {
    lanes: readonly Lane[];
    all: Span;
    /** Where open bars end. */
    end: number;
    span: Span;
    show: (span: Span) => void;
}) {
    const strip = useRef<HTMLDivElement>(null);
    const length = all.to - all.from;
    // Its grain is coarser than a second of an instance that runs: it is counted anew when lanes change, or a lot of time has passed.
    const grain = Math.round(Math.log(length) * 40);
    const counted = useMemo(() => countSlots(lanes, all, end), [lanes, grain]);
    const move = (event: PointerEvent): void => {
        const box = strip.current?.getBoundingClientRect();
        if (!box || (event.buttons & 1) === 0) return;
        const middle = all.from + ((event.clientX - box.left) / box.width) * length;
        show(moved(span, middle - (span.from + span.to) / 2, all));
    };
    const window = placed(span.from, span.to, all);
    return (
        <div class="density" ref={strip} aria-hidden="true" onPointerDown={move} onPointerMove={move}>
            <svg viewBox={`0 0 ${SLOTS} ${HEIGHT}`} preserveAspectRatio="none" focusable="false">
                <path class="density-all" d={barsOf(counted.all, counted.most)} />
                <path class="density-failed" d={barsOf(counted.failed, counted.most)} />
            </svg>
            {window && window.width < 99.9 && (
                <span class="density-window" style={{ left: `${window.left}%`, width: `${window.width}%` }} />
            )}
        </div>
    );
}

function countSlots(
    lanes: readonly Lane[],
    all: Span,
    open: number,
): { all: number[]; failed: number[]; most: number } {
    // Differences first, so that a long bar costs no more than a short one.
    const every = new Array<number>(SLOTS + 1).fill(0);
    const failed = new Array<number>(SLOTS + 1).fill(0);
    const slot = (moment: number): number =>
        Math.max(0, Math.min(SLOTS - 1, Math.floor(((moment - all.from) / (all.to - all.from)) * SLOTS)));
    for (const lane of lanes) {
        for (const bar of lane.bars) {
            const first = slot(bar.from);
            const end = slot(Number.isNaN(bar.to) ? open : bar.to) + 1;
            every[first] = (every[first] ?? 0) + 1;
            every[end] = (every[end] ?? 0) - 1;
            if (bar.step.outcome !== "failed") continue;
            failed[first] = (failed[first] ?? 0) + 1;
            failed[end] = (failed[end] ?? 0) - 1;
        }
    }
    for (let at = 1; at < SLOTS; at++) {
        every[at] = (every[at] ?? 0) + (every[at - 1] ?? 0);
        failed[at] = (failed[at] ?? 0) + (failed[at - 1] ?? 0);
    }
    const shown = every.slice(0, SLOTS);
    return { all: shown, failed: failed.slice(0, SLOTS), most: Math.max(1, ...shown) };
}

function barsOf(counts: readonly number[], most: number): string {
    let path = "";
    counts.forEach((count, at) => {
        if (count <= 0) return;
        const height = Math.max(1.5, (count / most) * (HEIGHT - 3));
        path += `M${at} ${HEIGHT}v${-height.toFixed(2)}h1v${height.toFixed(2)}z`;
    });
    return path;
}
