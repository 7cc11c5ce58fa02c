// The instances of the hub: filters, counts, pages, and news that do not move what is being read.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { dataPath, get } from "../api/client";
import { overview } from "../api/overview";
import { usePolled } from "../api/polling";
import type { InstanceRow, Page } from "../api/types";
import { changeQuery, place } from "../model/route";
import { count } from "../model/words";
import { ask } from "../parts/action_dialog";
import { start } from "../parts/actions";
import { announce } from "../parts/announce";
import { FilterBar, RANGES, StatusFilter } from "./instance_filters";
import { Empty, InstanceLink, Lasted, Loading, Sign, Status, Trouble, When } from "../parts/basics";
import { Pager, usePages } from "../parts/pager";

const SIZES = ["50", "100", "200"];
const FILTERS = ["status", "name", "search", "prefix", "range", "from", "to", "roots"];

/** The view. */
export function Instances() {
    const filters = Object.fromEntries(place.value.query) as Record<string, string | undefined>;
    const filterKey = FILTERS.map((name) => filters[name] ?? "").join("\n") + (filters.top ?? "");
    const { tokens, token } = usePages(filterKey);
    const change = (changes: Record<string, string | null>): void => changeQuery({ ...filters, ...changes });
    const active = FILTERS.some((name) => filters[name]);

    const { data, error, refresh } = usePolled<Page<InstanceRow>>(`${filterKey}\n${token}`, (stop) =>
        get(dataPath(["instances"], queryOf(filters, token)), stop),
    );
    const { rows, news, showNews } = useCalmRows(data, `${filterKey}\n${token}`);

    return (
        <>
            <div class="title-line">
                <h1>Instances</h1>
                <button type="button" class="primary" onClick={() => ask(start(overview.value?.app ?? null))}>
                    Start…
                </button>
            </div>
            <StatusFilter chosen={filters.status ?? ""} change={change} />
            <FilterBar filters={filters} change={change} active={active} />
            <Trouble error={error} retry={refresh} />
            {news > 0 && (
                <button type="button" class="news" onClick={showNews}>
                    {count(news, "new instance")} · Show
                </button>
            )}
            {rows === null ? (
                !error && <Loading />
            ) : rows.length === 0 ? (
                <Nothing
                    active={active}
                    more={data?.continuationToken ?? null}
                    examined={data?.examined}
                    clear={() => changeQuery({ top: filters.top })}
                />
            ) : (
                <Rows rows={rows} />
            )}
            <footer class="pages">
                <label>
                    Rows{" "}
                    <select
                        value={filters.top ?? "50"}
                        onChange={(event) => change({ top: event.currentTarget.value })}
                    >
                        {SIZES.map((size) => (
                            <option key={size}>{size}</option>
                        ))}
                    </select>
                </label>
                <span class="muted">Page {tokens.value.length}</span>
                <Pager tokens={tokens} data={data} />
            </footer>
        </>
    );
}

function queryOf(
    filters: Record<string, string | undefined>,
    token: string | null,
): Record<string, string | undefined> {
    const range = filters.range ? RANGES[filters.range] : undefined;
    // To the minute, so that what is asked is the same for a while.
    const since = range && new Date(Math.floor(Date.now() / 60_000) * 60_000 - range.minutes * 60_000).toISOString();
    return {
        status: filters.status,
        name: filters.name,
        search: filters.search,
        prefix: filters.prefix,
        createdFrom: since ?? utc(filters.from),
        createdTo: range ? undefined : utc(filters.to),
        roots: filters.roots && "true",
        top: filters.top ?? "50",
        token: token ?? undefined,
    };
}

function utc(local: string | undefined): string | undefined {
    const moment = local ? new Date(local) : null;
    return moment && !Number.isNaN(moment.getTime()) ? moment.toISOString() : undefined;
}

/** The rows, each as it is now, but in the places where they were: what is new is only counted until it is asked for. */
function useCalmRows(data: Page<InstanceRow> | null, what: string) {
    const shown = useSignal<{ what: string; ids: string[] } | null>(null);
    const known = useRef(new Map<string, InstanceRow>());
    let current = shown.value;
    if (data && current?.what !== what) {
        current = { what, ids: data.items.map((row) => row.instanceId) };
        known.current = new Map();
        shown.value = current;
    }
    if (data) for (const row of data.items) known.current.set(row.instanceId, row);
    const ids = new Set(current?.ids);
    const fresh = current?.what === what && data ? data.items.filter((row) => !ids.has(row.instanceId)) : [];
    const news = current && current.ids.length > 0 ? fresh.length : 0;
    // Nothing is being read where there was nothing.
    if (current && current.ids.length === 0 && fresh.length > 0) {
        current = { what, ids: fresh.map((row) => row.instanceId) };
        shown.value = current;
    }
    useEffect(() => {
        if (news > 0) announce(`${count(news, "new instance")}.`);
    }, [news]);
    const here = new Set(data?.items.map((row) => row.instanceId));
    const full = (data?.items.length ?? 0) > 0 && data?.continuationToken !== null;
    const rows =
        current?.what === what
            ? // What is no more on the page is gone, unless news have pushed it off.
              current.ids
                  .filter((id) => here.has(id) || (full && news > 0))
                  .flatMap((id) => known.current.get(id) ?? [])
            : null;
    const showNews = (): void => {
        if (data) shown.value = { what, ids: data.items.map((row) => row.instanceId) };
    };
    return { rows, news, showNews };
}

function Rows({ rows }: { rows: readonly InstanceRow[] }) {
    return (
        <div class="scroll-x">
            <table class="rows" aria-label="Instances">
                <thead>
                    <tr>
                        <th scope="col">Status</th>
                        <th scope="col">Instance</th>
                        <th scope="col">Orchestrator</th>
                        <th scope="col">Created</th>
                        <th scope="col" class="number">
                            Duration
                        </th>
                        <th scope="col">Last change</th>
                    </tr>
                </thead>
                <tbody>
                    {rows.map((row) => (
                        <tr key={row.instanceId}>
                            <td>
                                <Status status={row.damaged ? "Damaged" : row.runtimeStatus} />
                            </td>
                            <th scope="row" class="wide-cell">
                                <InstanceLink id={row.instanceId} />
                                {row.approvals > 0 && (
                                    <span class="tag is-warning">waits for {count(row.approvals, "approval")}</span>
                                )}
                                {row.parentInstanceId && (
                                    <span class="tag" title={`Started by ${row.parentInstanceId}`}>
                                        <Sign path="M3 3h1.5v5.5h6L8.3 6.3l1-1L13.3 9.3l-4 4-1-1L10.500 10H3z" /> child
                                    </span>
                                )}
                            </th>
                            <td class="name-cell" data-label="Orchestrator">
                                {row.name}
                            </td>
                            <td data-label="Created">
                                <When time={row.createdTime} />
                            </td>
                            <td class="number" data-label="Duration">
                                <Lasted from={row.createdTime} to={row.completedTime} />
                            </td>
                            <td data-label="Last change">
                                <When time={row.lastUpdatedTime} />
                            </td>
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}

function Nothing({
    active,
    more,
    examined,
    clear,
}: {
    active: boolean;
    more: string | null;
    examined: number | undefined;
    clear: () => void;
}) {
    if (more) {
        return (
            <Empty>
                <p>
                    Nothing found among {(examined ?? 0).toLocaleString()} instances so far. There are more to look
                    through.
                </p>
            </Empty>
        );
    }
    if (!active) {
        return (
            <Empty>
                <p>There are no instances yet.</p>
                <p class="muted">
                    Start one with the button above, with a client of the app, or with the management API.
                </p>
            </Empty>
        );
    }
    return (
        <Empty>
            <p>No instance matches these filters.</p>
            <button type="button" onClick={clear}>
                Clear the filters
            </button>
        </Empty>
    );
}
