// The timeline of an instance, as a chart or as a table, with what is to be known of one step beside it.

import { useSignal } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import { dataPath } from "../api/client";
import { useStep, useTimeline } from "../api/timeline";
import type { Inspection, Step } from "../api/types";
import { now } from "../model/clock";
import { kindWord, type Lane, lanesOf, outcomeWord, stepKey, stepName } from "../model/lanes";
import { count, duration, millis } from "../model/words";
import { Empty, InstanceLink, Loading, Trouble, When } from "../parts/basics";
import { FailureView } from "../parts/failure";
import { Gantt } from "../parts/gantt";
import { ValueView } from "../parts/json";
import { KindSign } from "../parts/kind_sign";
import { useSight } from "../parts/virtual";

/** The tab. */
export function TimelineView({ instance }: { instance: Inspection }) {
    const { data, error, refresh } = useTimeline(instance);
    const form = useSignal<"chart" | "table">("chart");
    const which = useSignal<"all" | "failed" | "open">("all");
    const search = useSignal("");
    const selected = useSignal<string | null>(null);
    const lanes = useMemo(() => lanesOf(data?.steps ?? []), [data?.steps]);
    const wanted = search.value.trim().toLowerCase();
    const shown = useMemo(
        () =>
            which.value === "all" && !wanted
                ? lanes
                : lanes.filter(
                      (lane) =>
                          (which.value === "all" || isOf(lane, which.value)) && (!wanted || speaksOf(lane, wanted)),
                  ),
        [lanes, which.value, wanted],
    );
    const step = useMemo(
        () => (selected.value === null ? null : (data?.steps.find((each) => stepKey(each) === selected.value) ?? null)),
        [data?.steps, selected.value],
    );
    if (!data) return error ? <Trouble error={error} retry={refresh} /> : <Loading />;
    const select = (chosen: Step | null): void => {
        selected.value = chosen ? stepKey(chosen) : null;
    };
    return (
        <>
            <Trouble error={error} retry={refresh} />
            <div class="tools">
                <div class="switch" role="group" aria-label="Show as">
                    {(["chart", "table"] as const).map((each) => (
                        <button
                            key={each}
                            type="button"
                            aria-pressed={form.value === each}
                            onClick={() => (form.value = each)}
                        >
                            {each === "chart" ? "Chart" : "Table"}
                        </button>
                    ))}
                </div>
                <label class="inline">
                    <span class="unseen">Find a step</span>
                    <input
                        type="search"
                        placeholder="Find a step"
                        value={search.value}
                        onInput={(event) => (search.value = event.currentTarget.value)}
                    />
                </label>
                <label class="inline">
                    <span class="unseen">Which steps</span>
                    <select
                        value={which.value}
                        onChange={(event) => (which.value = event.currentTarget.value as "all" | "failed" | "open")}
                    >
                        <option value="all">All steps</option>
                        <option value="failed">With failures</option>
                        <option value="open">Open</option>
                    </select>
                </label>
                <span class="muted" role="status">
                    {shown.length === lanes.length
                        ? count(lanes.length, "step")
                        : `${shown.length} of ${count(lanes.length, "step")}`}
                    {data.missing > 0 && `, ${data.missing.toLocaleString()} still loading`}
                </span>
            </div>
            {data.problem && (
                <div class="note is-error" role="alert">
                    <p>The history cannot be read: {data.problem}</p>
                </div>
            )}
            {data.generation > 0 && (
                <p class="muted">
                    These are the steps since it continued as new ({count(data.generation, "time")}). What came before
                    is not kept.
                </p>
            )}
            {lanes.length === 0 ? (
                !data.problem && (
                    <Empty>
                        {instance.runtimeStatus === "Pending"
                            ? "It has not begun yet."
                            : "It did nothing that takes time."}
                    </Empty>
                )
            ) : shown.length === 0 ? (
                <Empty>No step matches.</Empty>
            ) : (
                <div class={`timeline${step ? " has-step" : ""}`}>
                    {form.value === "chart" ? (
                        <Gantt
                            lanes={shown}
                            began={millis(data.began)}
                            ended={data.ended ? millis(data.ended) : Number.NaN}
                            selected={step}
                            select={select}
                        />
                    ) : (
                        <StepTable lanes={shown} began={millis(data.began)} selected={step} select={select} />
                    )}
                    {step && (
                        <StepView
                            instance={instance}
                            step={step}
                            lane={lanes.find((lane) => lane.bars.some((bar) => bar.step.index === step.index))}
                            select={select}
                        />
                    )}
                </div>
            )}
        </>
    );
}

function isOf(lane: Lane, which: "failed" | "open"): boolean {
    return which === "open" ? lane.outcome === "open" : lane.bars.some((bar) => bar.step.outcome === "failed");
}

function speaksOf(lane: Lane, wanted: string): boolean {
    const { name, target, kind } = lane.first;
    return [name, target ?? "", kindWord(kind)].some((text) => text.toLowerCase().includes(wanted));
}

const ROW = 34;

function StepTable({
    lanes,
    began,
    selected,
    select,
}: {
    lanes: readonly Lane[];
    began: number;
    selected: Step | null;
    select: (step: Step | null) => void;
}) {
    const scroller = useRef<HTMLDivElement>(null);
    const bars = useMemo(() => lanes.flatMap((lane) => lane.bars), [lanes]);
    const sight = useSight(scroller, bars.length, ROW);
    return (
        <div class="scroll-table" ref={scroller} tabIndex={0} role="region" aria-label="Steps">
            <table class="rows fixed" aria-label="Steps" aria-rowcount={bars.length + 1}>
                <thead>
                    <tr>
                        <th scope="col" class="col-outcome">
                            Outcome
                        </th>
                        <th scope="col" class="col-kind">
                            Kind
                        </th>
                        <th scope="col">Step</th>
                        <th scope="col" class="number col-time">
                            Begins after
                        </th>
                        <th scope="col" class="number col-time">
                            Takes
                        </th>
                    </tr>
                </thead>
                <tbody>
                    {sight.first > 0 && <Gap rows={sight.first} />}
                    {bars.slice(sight.first, sight.end).map(({ step, from, to }, at) => (
                        <tr
                            key={step.index}
                            aria-rowindex={sight.first + at + 2}
                            class={step === selected ? "is-selected" : ""}
                        >
                            <td>
                                <OutcomeText outcome={step.outcome} />
                            </td>
                            <td>{kindWord(step.kind)}</td>
                            <th scope="row">
                                <button
                                    type="button"
                                    class="link"
                                    aria-pressed={step === selected}
                                    onClick={() => select(step === selected ? null : step)}
                                >
                                    {stepName(step)}
                                    {step.attempt > 1 && ` (attempt ${step.attempt})`}
                                </button>
                            </th>
                            <td class="number">{duration(from - began)}</td>
                            <td class="number">
                                {Number.isNaN(to)
                                    ? `${duration(Math.max(0, now.value - from))}…`
                                    : to > from
                                      ? duration(to - from)
                                      : "–"}
                            </td>
                        </tr>
                    ))}
                    {sight.end < bars.length && <Gap rows={bars.length - sight.end} />}
                </tbody>
            </table>
        </div>
    );
}

function Gap({ rows }: { rows: number }) {
    return (
        <tr aria-hidden="true">
            <td colSpan={5} style={{ height: `${rows * ROW}px`, padding: 0, border: 0 }} />
        </tr>
    );
}

/** The outcome of a step: a word and a colour. */
export function OutcomeText({ outcome }: { outcome: Step["outcome"] }) {
    return <span class={`outcome is-${outcome}`}>{outcomeWord(outcome)}</span>;
}

function StepView({
    instance,
    step,
    lane,
    select,
}: {
    instance: Inspection;
    step: Step;
    lane: Lane | undefined;
    select: (step: Step | null) => void;
}) {
    const { data } = useStep(instance.instanceId, step);
    const whole = data ?? step;
    const path = (which: string): string =>
        dataPath(["instances", instance.instanceId, "values", `step-${step.index}.${which}`]);
    const others = lane && lane.bars.length > 1 ? lane.bars : [];
    return (
        <aside class="step" aria-label="Step">
            <header>
                <h3>
                    <KindSign kind={step.kind} /> {stepName(step)}
                </h3>
                <button type="button" class="quiet" aria-label="Close the step" onClick={() => select(null)}>
                    ✕
                </button>
            </header>
            <dl class="facts">
                <div>
                    <dt>Kind</dt>
                    <dd>
                        {kindWord(step.kind)}
                        {step.attempt > 1 && `, attempt ${step.attempt}`}
                    </dd>
                </div>
                <div>
                    <dt>Outcome</dt>
                    <dd>
                        <OutcomeText outcome={step.outcome} />
                    </dd>
                </div>
                <div>
                    <dt>Began</dt>
                    <dd>
                        <When time={step.began} whole />
                    </dd>
                </div>
                {step.ended && step.ended !== step.began && (
                    <div>
                        <dt>Took</dt>
                        <dd>{duration(millis(step.ended) - millis(step.began))}</dd>
                    </div>
                )}
                {!step.ended && (
                    <div>
                        <dt>Open for</dt>
                        <dd>{duration(Math.max(0, now.value - millis(step.began)))}</dd>
                    </div>
                )}
                {step.due && (
                    <div>
                        <dt>Due</dt>
                        <dd>
                            <When time={step.due} whole />
                        </dd>
                    </div>
                )}
                {step.target && (
                    <div>
                        <dt>{step.kind === "sub_orchestration" ? "Child" : "Instance"}</dt>
                        <dd>
                            <InstanceLink id={step.target} />
                        </dd>
                    </div>
                )}
                {step.taskId !== null && (
                    <div>
                        <dt>Task</dt>
                        <dd>{step.taskId}</dd>
                    </div>
                )}
            </dl>
            {step.detail && <p>{step.detail}</p>}
            {others.length > 0 && (
                <ol class="attempts-list" aria-label="Attempts">
                    {others.map(({ step: other, from, to }) => (
                        <li key={other.index}>
                            <button
                                type="button"
                                class="link"
                                aria-pressed={other.index === step.index}
                                onClick={() => select(other)}
                            >
                                {other.kind === "retry_delay" ? "Pause" : `Attempt ${other.attempt}`}
                            </button>{" "}
                            <OutcomeText outcome={other.outcome} />{" "}
                            <span class="muted">{Number.isNaN(to) ? "" : duration(to - from)}</span>
                        </li>
                    ))}
                </ol>
            )}
            {(whole.failure ?? step.failure) && (
                <FailureView failure={(whole.failure ?? step.failure) as NonNullable<Step["failure"]>} />
            )}
            {whole.input && (
                <>
                    <h4>Input</h4>
                    <ValueView value={whole.input} path={path("input")} name="Input" />
                </>
            )}
            {whole.result && (
                <>
                    <h4>{step.kind === "event" ? "Data" : "Result"}</h4>
                    <ValueView
                        value={whole.result}
                        path={path("result")}
                        name={step.kind === "event" ? "Data" : "Result"}
                    />
                </>
            )}
        </aside>
    );
}
