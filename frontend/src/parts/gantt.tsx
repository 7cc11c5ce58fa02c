// The timeline as a chart: a lane for each thing that the orchestration did, bars along a common axis of time.
//
// Only lanes in sight are in the document. Everything that the mouse can do, keys and buttons can do too.

import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Step } from "../api/types";
import { now } from "../model/clock";
import { axisStep, hasOwnName, type Lane, outcomeWord, stepKey, stepName } from "../model/lanes";
import { moved, placed, type Span, zoomed } from "../model/span";
import { axisTime, duration, localTime } from "../model/words";
import { Density } from "./density";
import { KindSign } from "./kind_sign";
import { showRow, useSight } from "./virtual";

const ROW = 30;
const CLOSER = 0.6;
const FARTHER = 1 / CLOSER;
const PAN = 0.2;

interface GanttProps {
    lanes: readonly Lane[];
    began: number;
    /** NaN: it has not ended. */
    ended: number;
    /** The step that is looked at. */
    selected: Step | null;
    select: (step: Step | null) => void;
}

/** The chart. */
export function Gantt({ lanes, began, ended, selected, select }: GanttProps) {
    const scroller = useRef<HTMLDivElement>(null);
    const axis = useRef<HTMLDivElement>(null);
    const chosen = useSignal<Span | null>(null);
    const pointer = useSignal<number | null>(null);
    const brush = useSignal<Span | null>(null);
    const latest = useMemo(() => latestOf(lanes), [lanes]);
    const namesakes = useMemo(() => namesakesOf(lanes), [lanes]);
    const end = Number.isNaN(ended) ? Math.max(now.value, latest) : Math.max(ended, latest);
    // With room for what has no length at the beginning, and for words behind the last bar.
    const length = Math.max(end - began, 1);
    const all: Span = { from: began - length * 0.012, to: began + length * 1.09 };
    const span = chosen.value ? moved(chosen.value, 0, all) : all;
    const sight = useSight(scroller, lanes.length, ROW);
    const current = selected === null ? -1 : lanes.findIndex((lane) => lane.bars.some((bar) => bar.step === selected));

    const show = (next: Span): void => {
        chosen.value = next.to - next.from >= (all.to - all.from) * 0.999 ? null : next;
    };
    const zoom = (factor: number, at = (span.from + span.to) / 2): void => show(zoomed(span, factor, at, all));
    const pan = (share: number): void => show(moved(span, (span.to - span.from) * share, all));
    const momentAt = (clientX: number): number => {
        const box = axis.current?.getBoundingClientRect();
        if (!box || box.width === 0) return span.from;
        return span.from + ((clientX - box.left) / box.width) * (span.to - span.from);
    };
    const choose = (row: number): void => {
        const lane = lanes[Math.max(0, Math.min(row, lanes.length - 1))];
        if (!lane) return;
        select(lastOf(lane));
        showRow(scroller.current, lanes.indexOf(lane), ROW);
    };

    // The wheel with Ctrl stretches time, with Shift (or sideways) it moves it; alone it scrolls the lanes.
    const wheel = useRef<(event: WheelEvent) => void>(() => {});
    wheel.current = (event) => {
        if (event.ctrlKey || event.metaKey)
            zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY / 200))), momentAt(event.clientX));
        else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))
            pan((event.deltaX || event.deltaY) / 1000);
        else return;
        event.preventDefault();
    };
    useEffect(() => {
        const element = scroller.current;
        const turn = (event: WheelEvent): void => wheel.current(event);
        element?.addEventListener("wheel", turn, { passive: false });
        return () => element?.removeEventListener("wheel", turn);
    }, [lanes.length > 0]);

    const onKeyDown = (event: KeyboardEvent): void => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const act = {
            ArrowDown: () => choose(current + 1),
            ArrowUp: () => choose(Math.max(0, current - 1)),
            PageDown: () => choose(current + 15),
            PageUp: () => choose(current - 15),
            Home: () => choose(0),
            End: () => choose(lanes.length - 1),
            ArrowLeft: () => pan(-PAN),
            ArrowRight: () => pan(PAN),
            "+": () => zoom(CLOSER),
            "=": () => zoom(CLOSER),
            "-": () => zoom(FARTHER),
            "0": () => show(all),
            Escape: () => select(null),
        }[event.key];
        if (!act) return;
        event.preventDefault();
        event.stopPropagation();
        act();
    };
    const drag = useDrag((by) => {
        const width = axis.current?.clientWidth || 1;
        show(moved(span, (-by / width) * (span.to - span.from), all));
    });

    const width = axis.current?.clientWidth ?? 700;
    const marks = marksOf(span, width);
    const percent = (moment: number): string => `${((moment - span.from) / (span.to - span.from)) * 100}%`;
    return (
        <div class="gantt">
            <div class="gantt-tools" role="toolbar" aria-label="Zoom of the timeline">
                <button type="button" onClick={() => zoom(CLOSER)} aria-label="Zoom in" title="Zoom in (+)">
                    +
                </button>
                <button
                    type="button"
                    onClick={() => zoom(FARTHER)}
                    disabled={!chosen.value}
                    aria-label="Zoom out"
                    title="Zoom out (-)"
                >
                    −
                </button>
                <button
                    type="button"
                    onClick={() => pan(-PAN)}
                    disabled={!chosen.value}
                    aria-label="Earlier"
                    title="Earlier (Left)"
                >
                    ‹
                </button>
                <button
                    type="button"
                    onClick={() => pan(PAN)}
                    disabled={!chosen.value}
                    aria-label="Later"
                    title="Later (Right)"
                >
                    ›
                </button>
                <button type="button" onClick={() => show(all)} disabled={!chosen.value} title="All of it (0)">
                    Fit
                </button>
                <span class="muted gantt-span">{duration(span.to - span.from)} in sight</span>
            </div>
            <div class="gantt-head">
                <Density lanes={lanes} all={all} end={end} span={span} show={show} />
                <div
                    class="axis"
                    ref={axis}
                    onPointerDown={(event) => {
                        event.currentTarget.setPointerCapture(event.pointerId);
                        const at = momentAt(event.clientX);
                        brush.value = { from: at, to: at };
                    }}
                    onPointerMove={(event) => {
                        if (brush.value) brush.value = { ...brush.value, to: momentAt(event.clientX) };
                    }}
                    onPointerUp={() => {
                        const drawn = brush.value;
                        brush.value = null;
                        if (!drawn) return;
                        const [from, to] = drawn.from < drawn.to ? [drawn.from, drawn.to] : [drawn.to, drawn.from];
                        if (to - from > (span.to - span.from) / 200) show({ from, to });
                    }}
                    title="Drag to zoom to a part"
                >
                    {marks.at.map((mark) => (
                        <span key={mark} class="mark" style={{ left: percent(mark) }}>
                            {axisTime(mark, marks.step)}
                        </span>
                    ))}
                    {brush.value && <Brush brush={brush.value} span={span} />}
                </div>
            </div>
            <div
                ref={scroller}
                class="gantt-lanes"
                role="listbox"
                tabIndex={0}
                aria-label="Timeline. Up and down: steps; left and right: time; plus and minus: zoom"
                aria-activedescendant={current >= sight.first && current < sight.end ? `lane-${current}` : undefined}
                onKeyDown={onKeyDown}
                onPointerMove={(event) => {
                    pointer.value = event.pointerType === "mouse" && !drag.moving() ? momentAt(event.clientX) : null;
                }}
                onPointerLeave={() => (pointer.value = null)}
            >
                <div class="gantt-all" role="presentation" style={{ height: `${lanes.length * ROW}px` }}>
                    <div class="grid" role="presentation" aria-hidden="true">
                        {marks.at.map((mark) => (
                            <span key={mark} class="line" style={{ left: percent(mark) }} />
                        ))}
                        {pointer.value !== null && pointer.value >= span.from && (
                            <span class="line cursor" style={{ left: percent(pointer.value) }} />
                        )}
                    </div>
                    {lanes.slice(sight.first, sight.end).map((lane, at) => {
                        const row = sight.first + at;
                        return (
                            <div
                                key={stepKey(lane.first)}
                                id={`lane-${row}`}
                                class={`lane${row === current ? " is-selected" : ""}`}
                                role="option"
                                aria-selected={row === current}
                                aria-setsize={lanes.length}
                                aria-posinset={row + 1}
                                style={{ top: `${row * ROW}px` }}
                                onClick={(event) => {
                                    if (drag.moved()) return;
                                    const index = (event.target as HTMLElement).closest<HTMLElement>("[data-step]")
                                        ?.dataset.step;
                                    const bar = lane.bars.find((each) => String(each.step.index) === index);
                                    const step = bar?.step ?? lastOf(lane);
                                    select(step === selected ? null : step);
                                }}
                            >
                                <div class="lane-name" title={lane.first.target ?? lane.first.name}>
                                    <KindSign
                                        kind={lane.first.kind}
                                        said={hasOwnName(lane.first.name, lane.first.kind)}
                                    />
                                    <span class="lane-text">{stepName(lane.first)}</span>{" "}
                                    {lane.first.taskId !== null && namesakes.has(lane.first.name) && (
                                        <span class="lane-task">#{lane.first.taskId}</span>
                                    )}{" "}
                                    {lane.attempts > 1 && (
                                        <span class="attempts">
                                            ×{lane.attempts}
                                            <span class="unseen"> attempts</span>
                                        </span>
                                    )}{" "}
                                    <span class={lane.outcome === "failed" ? "lane-failed" : "unseen"}>
                                        {outcomeWord(lane.outcome).toLowerCase()}
                                    </span>{" "}
                                </div>
                                <div class="track" {...drag.handlers}>
                                    <Bars lane={lane} span={span} selected={selected} end={end} width={width} />
                                </div>
                            </div>
                        );
                    })}
                </div>
            </div>
            <p class="gantt-foot muted" aria-hidden="true">
                {pointer.value !== null && pointer.value >= span.from
                    ? `${localTime(pointer.value)} · ${duration(pointer.value - began)} after the start`
                    : "Ctrl + wheel zooms, Shift + wheel and dragging move; drag on the axis to zoom to a part."}
            </p>
        </div>
    );
}

function Brush({ brush, span }: { brush: Span; span: Span }) {
    const place = placed(Math.min(brush.from, brush.to), Math.max(brush.from, brush.to), span);
    return place && <span class="brush" style={{ left: `${place.left}%`, width: `${place.width}%` }} />;
}

function Bars({
    lane,
    span,
    selected,
    end,
    width,
}: {
    lane: Lane;
    span: Span;
    selected: Step | null;
    end: number;
    width: number;
}) {
    let after: { left: number; text: string } | null = null;
    const bars = lane.bars.map(({ step, from, to }) => {
        const until = Number.isNaN(to) ? end : to;
        const place = placed(from, until, span);
        if (!place) return null;
        if (until <= span.to) after = { left: place.left + place.width, text: lasted(lane, end) };
        return (
            <span
                key={step.index}
                class={`bar kind-${step.kind} is-${step.outcome}${step === selected ? " is-selected" : ""}`}
                data-step={step.index}
                style={{ left: `${place.left}%`, width: `${place.width}%` }}
            />
        );
    });
    const label = after as { left: number; text: string } | null;
    const fits = label !== null && ((100 - label.left) / 100) * width > 8 + label.text.length * 7;
    return (
        <>
            {bars}
            {label?.text && (
                <span
                    class={`bar-text${fits ? "" : " is-left"}`}
                    style={fits ? { left: `${label.left}%` } : { right: `${100.3 - label.left}%` }}
                >
                    {label.text}
                </span>
            )}
        </>
    );
}

function lasted(lane: Lane, end: number): string {
    const to = Number.isNaN(lane.to) ? end : lane.to;
    return to - lane.from > 0 ? duration(to - lane.from) : "";
}

function lastOf(lane: Lane): Step {
    const attempts = lane.bars.filter((bar) => bar.step.kind !== "retry_delay");
    return (attempts.at(-1) ?? lane.bars[0])?.step ?? lane.first;
}

/** The names that more than one lane has. */
function namesakesOf(lanes: readonly Lane[]): ReadonlySet<string> {
    const once = new Set<string>();
    const more = new Set<string>();
    for (const { first } of lanes) (once.has(first.name) ? more : once).add(first.name);
    return more;
}

function latestOf(lanes: readonly Lane[]): number {
    let latest = Number.NEGATIVE_INFINITY;
    for (const lane of lanes) {
        if (lane.from > latest) latest = lane.from;
        if (lane.to > latest) latest = lane.to;
    }
    return latest;
}

function marksOf(span: Span, width: number): { step: number; at: number[] } {
    const step = axisStep(span.to - span.from, width / 110);
    // Marks stand on whole steps of the local time.
    const shift = new Date(span.from).getTimezoneOffset() * 60_000;
    const at: number[] = [];
    for (let mark = Math.ceil((span.from - shift) / step) * step + shift; mark <= span.to; mark += step) at.push(mark);
    return { step, at };
}

/** Dragging sideways with the mouse. Fingers scroll. */
function useDrag(drag: (by: number) => void) {
    const state = useRef({ down: false, x: 0, far: false });
    const handlers = {
        onPointerDown: (event: PointerEvent) => {
            if (event.button === 0 && event.pointerType === "mouse")
                state.current = { down: true, x: event.clientX, far: false };
        },
        onPointerMove: (event: PointerEvent) => {
            const now = state.current;
            if (!now.down) return;
            if ((event.buttons & 1) === 0) {
                now.down = false;
                return;
            }
            const by = event.clientX - now.x;
            if (!now.far && Math.abs(by) < 4) return;
            if (!now.far) (event.currentTarget as Element).setPointerCapture(event.pointerId);
            now.far = true;
            now.x = event.clientX;
            drag(by);
        },
        onPointerUp: () => {
            state.current.down = false;
        },
    };
    return {
        handlers,
        moving: () => state.current.down && state.current.far,
        /** Whether what has just ended was a drag; asked by the click that follows it. */
        moved: () => {
            const far = state.current.far;
            state.current.far = false;
            return far;
        },
    };
}
