// The filters of the list of instances; they are part of the address.

import { useSignal } from "@preact/signals";
import { overview } from "../api/overview";
import { changeQuery } from "../model/route";
import { STATUSES } from "../model/status";
import { Status } from "../parts/basics";
import { Typed } from "../parts/typed";

/** Ranges of creation that end now. */
export const RANGES: Record<string, { label: string; minutes: number }> = {
    "15m": { label: "Last 15 minutes", minutes: 15 },
    "1h": { label: "Last hour", minutes: 60 },
    "24h": { label: "Last day", minutes: 24 * 60 },
    "7d": { label: "Last week", minutes: 7 * 24 * 60 },
};

/** Counts by status, each a switch. */
export function StatusFilter({
    chosen,
    change,
}: {
    chosen: string;
    change: (changes: Record<string, string | null>) => void;
}) {
    const on = new Set(chosen.split(",").filter(Boolean));
    const counts = overview.value?.counts ?? {};
    const toggle = (status: string): void => {
        const next = new Set(on);
        if (!next.delete(status)) next.add(status);
        change({ status: [...next].join(",") || null });
    };
    const shown = STATUSES.filter(
        (status) => counts[status] || on.has(status) || ["Running", "Completed", "Failed"].includes(status),
    );
    const whole = overview.value?.complete ?? true;
    return (
        <div class="chips" role="group" aria-label="Filter by status">
            {shown.map((status) => (
                <button
                    key={status}
                    type="button"
                    class="chip"
                    aria-pressed={on.has(status)}
                    onClick={() => toggle(status)}
                >
                    <Status status={status} />
                    <span class="number">
                        {(counts[status] ?? 0).toLocaleString()}
                        {!whole && "+"}
                    </span>
                </button>
            ))}
            {!whole && (
                <span class="muted small-text">
                    of the first {overview.value?.counted.toLocaleString()} that were counted
                </span>
            )}
        </div>
    );
}

/** The other filters. */
export function FilterBar({
    filters,
    change,
    active,
}: {
    filters: Record<string, string | undefined>;
    change: (changes: Record<string, string | null>) => void;
    active: boolean;
}) {
    const more = useSignal(Boolean(filters.prefix || filters.from || filters.to));
    const names = overview.value?.app?.orchestrators ?? [];
    return (
        <form class="filters" role="search" aria-label="Instances" onSubmit={(event) => event.preventDefault()}>
            <Typed
                id="search"
                label="Search"
                hint="Part of an id or name"
                value={filters.search}
                set={(search) => change({ search })}
                kind="search"
            />
            <Typed
                id="name"
                label="Orchestrator"
                hint="Any"
                value={filters.name}
                set={(name) => change({ name })}
                choices={names}
            />
            <div class="field">
                <label for="range">Created</label>
                <select
                    id="range"
                    value={filters.range ?? (more.value && (filters.from || filters.to) ? "own" : "")}
                    onChange={(event) => {
                        const range = event.currentTarget.value;
                        if (range === "own") more.value = true;
                        change({ range: range === "own" ? null : range, from: null, to: null });
                    }}
                >
                    <option value="">Any time</option>
                    {Object.entries(RANGES).map(([key, { label }]) => (
                        <option key={key} value={key}>
                            {label}
                        </option>
                    ))}
                    <option value="own">From … to …</option>
                </select>
            </div>
            <label class="check">
                <input
                    type="checkbox"
                    checked={Boolean(filters.roots)}
                    onChange={(event) => change({ roots: event.currentTarget.checked ? "true" : null })}
                />
                <span>Without parent only</span>
            </label>
            <button type="button" class="quiet" aria-expanded={more.value} onClick={() => (more.value = !more.value)}>
                {more.value ? "Fewer filters" : "More filters"}
            </button>
            {active && (
                <button type="button" class="quiet" onClick={() => changeQuery({ top: filters.top })}>
                    Clear
                </button>
            )}
            {more.value && (
                <div class="more-filters">
                    <Typed
                        id="prefix"
                        label="Id begins with"
                        hint=""
                        value={filters.prefix}
                        set={(prefix) => change({ prefix })}
                    />
                    <Moment
                        id="from"
                        label="Created from"
                        value={filters.from}
                        set={(from) => change({ from, range: null })}
                    />
                    <Moment
                        id="to"
                        label="Created before"
                        value={filters.to}
                        set={(to) => change({ to, range: null })}
                    />
                </div>
            )}
        </form>
    );
}

function Moment({
    id,
    label,
    value,
    set,
}: {
    id: string;
    label: string;
    value: string | undefined;
    set: (value: string | null) => void;
}) {
    return (
        <div class="field">
            <label for={id}>{label}</label>
            <input
                id={id}
                type="datetime-local"
                value={value ?? ""}
                onChange={(event) => set(event.currentTarget.value || null)}
            />
        </div>
    );
}
