// The history as it is stored, event by event; only what is in sight is asked for.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { ApiError, dataPath, get } from "../api/client";
import type { Failure, History, HistoryEvent, Inspection, Value } from "../api/types";
import { count, duration, localTime, millis } from "../model/words";
import { Empty, InstanceLink, Loading, Trouble, When } from "../parts/basics";
import { FailureView } from "../parts/failure";
import { Json, ValueView } from "../parts/json";
import { useSight } from "../parts/virtual";

const ROW = 34;
const PAGE = 200;

interface Known {
    total: number;
    problem: string | null;
    pages: ReadonlyMap<number, readonly HistoryEvent[]>;
}

/** The tab. */
export function HistoryView({ instance }: { instance: Inspection }) {
    const { instanceId: id } = instance;
    const scroller = useRef<HTMLDivElement>(null);
    const known = useSignal<Known | null>(null);
    const error = useSignal<ApiError | null>(null);
    const tries = useSignal(0);
    const selected = useSignal<number | null>(null);
    const identity = `${id} ${instance.executionId} ${instance.generation} ${instance.attempt}`;
    const total = known.value?.total ?? 0;
    const sight = useSight(scroller, total, ROW);
    const first = Math.max(0, Math.floor(sight.first / PAGE));
    const last = Math.max(first, Math.floor(Math.max(0, sight.end - 1) / PAGE));
    const asked = useRef("");

    useEffect(() => {
        const stop = new AbortController();
        if (asked.current !== identity) {
            asked.current = identity;
            known.value = null;
        }
        const load = async (): Promise<void> => {
            try {
                for (let page = first; page <= last; page++) {
                    const have = known.peek();
                    // A page that is full does not change any more: histories only grow.
                    if (have?.pages.get(page)?.length === PAGE) continue;
                    const got = await get<History>(
                        dataPath(["instances", id, "history"], { skip: page * PAGE, limit: PAGE }),
                        stop.signal,
                    );
                    if (stop.signal.aborted) return;
                    const pages = new Map(known.peek()?.pages).set(page, got.events);
                    known.value = { total: got.total, problem: got.problem, pages };
                }
                error.value = null;
            } catch (wrong) {
                if (!stop.signal.aborted)
                    error.value = wrong instanceof ApiError ? wrong : new ApiError(0, String(wrong));
            }
        };
        void load();
        return () => stop.abort();
    }, [identity, first, last, instance.lastUpdatedTime, tries.value]);

    const retry = (): void => {
        tries.value++;
    };
    const have = known.value;
    if (!have) return error.value ? <Trouble error={error.value} retry={retry} /> : <Loading />;
    const eventAt = (index: number): HistoryEvent | undefined =>
        have.pages.get(Math.floor(index / PAGE))?.[index % PAGE];
    // A turn begins after what it takes up: the first event is not the earliest.
    const starts = [0, 1].flatMap((index) => eventAt(index)?.timestamp ?? []).map(millis);
    const start = starts.length > 0 ? Math.min(...starts) : null;
    const chosen = selected.value === null ? undefined : eventAt(selected.value);
    return (
        <>
            <Trouble error={error.value} retry={retry} />
            {have.problem && (
                <div class="note is-error" role="alert">
                    <p>The history cannot be read whole: {have.problem}</p>
                </div>
            )}
            <p class="muted">{count(have.total, "event")}, as they are stored.</p>
            {have.total === 0 && !have.problem && <Empty>There are no events yet.</Empty>}
            <div class={`timeline${chosen ? " has-step" : ""}`}>
                <div class="scroll-table" ref={scroller} tabIndex={0} role="region" aria-label="Events">
                    <table class="rows fixed" aria-label="Events" aria-rowcount={have.total + 1}>
                        <thead>
                            <tr>
                                <th scope="col" class="number col-number">
                                    #
                                </th>
                                <th scope="col">Event</th>
                                <th scope="col">Of</th>
                                <th scope="col" class="number col-time">
                                    After
                                </th>
                            </tr>
                        </thead>
                        <tbody>
                            {sight.first > 0 && <Gap rows={sight.first} />}
                            {Array.from(
                                { length: Math.max(0, sight.end - sight.first) },
                                (_, at) => sight.first + at,
                            ).map((index) => {
                                const event = eventAt(index);
                                return (
                                    <tr
                                        key={index}
                                        aria-rowindex={index + 2}
                                        class={index === selected.value ? "is-selected" : ""}
                                    >
                                        <td class="number muted">{index}</td>
                                        <th scope="row">
                                            {event ? (
                                                <button
                                                    type="button"
                                                    class="link"
                                                    aria-pressed={index === selected.value}
                                                    onClick={() =>
                                                        (selected.value = index === selected.value ? null : index)
                                                    }
                                                >
                                                    {event.type}
                                                </button>
                                            ) : (
                                                <span class="none">…</span>
                                            )}
                                        </th>
                                        <td class="cut">{event && subject(event)}</td>
                                        <td
                                            class="number"
                                            title={event?.timestamp ? localTime(millis(event.timestamp)) : ""}
                                        >
                                            {event?.timestamp && start !== null
                                                ? duration(millis(event.timestamp) - start)
                                                : "–"}
                                        </td>
                                    </tr>
                                );
                            })}
                            {sight.end < have.total && <Gap rows={have.total - sight.end} />}
                        </tbody>
                    </table>
                </div>
                {chosen && <EventView id={id} event={chosen} close={() => (selected.value = null)} />}
            </div>
        </>
    );
}

function Gap({ rows }: { rows: number }) {
    return (
        <tr aria-hidden="true">
            <td colSpan={4} style={{ height: `${rows * ROW}px`, padding: 0, border: 0 }} />
        </tr>
    );
}

function subject(event: HistoryEvent): string {
    const parts = [event.name, event.operation, event.status, event.reason].filter(
        (part) => typeof part === "string" && part,
    );
    const task = event.taskId ?? event.id;
    if (typeof task === "number") parts.push(`task ${task}`);
    return parts.join(" · ");
}

function EventView({ id, event, close }: { id: string; event: HistoryEvent; close: () => void }) {
    const fields = Object.entries(event).filter(
        ([name, value]) => !["index", "type"].includes(name) && value !== null && value !== undefined,
    );
    return (
        <aside class="step" aria-label="Event">
            <header>
                <h3>{event.type}</h3>
                <button type="button" class="quiet" aria-label="Close the event" onClick={close}>
                    ✕
                </button>
            </header>
            <dl class="facts tall">
                {fields.map(([name, value]) => (
                    <div key={name}>
                        <dt>{name}</dt>
                        <dd>
                            <FieldView id={id} index={event.index} name={name} value={value} />
                        </dd>
                    </div>
                ))}
            </dl>
        </aside>
    );
}

function FieldView({ id, index, name, value }: { id: string; index: number; name: string; value: unknown }) {
    if (typeof value === "object" && value !== null) {
        if ("size" in value) {
            return (
                <ValueView
                    value={value as Value}
                    path={dataPath(["instances", id, "values", `event-${index}.${name}`])}
                    name={name}
                />
            );
        }
        if ("errorType" in value) return <FailureView failure={value as Failure} />;
        return <Json text={JSON.stringify(value)} name={name} />;
    }
    const text = String(value);
    if (/^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(text)) return <When time={text} whole />;
    if (name === "instanceId" || name === "parentInstanceId") return <InstanceLink id={text} />;
    return <span class="break">{text}</span>;
}
