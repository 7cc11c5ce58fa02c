// The instances of the hub: filters, counts, pages, and news that do not move what is being read.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { dataPath, get } from "../api/client";
import { overview } from "../api/overview";
import { usePolled } from "../api/polling";
import type { InstanceRow, Page } from "../api/types";
import { changeQuery, place } from "../model/route";
import { STATUSES } from "../model/status";
import { count } from "../model/words";
import { ask } from "../parts/action_dialog";
import { start } from "../parts/actions";
import { announce } from "../parts/announce";
import { Empty, InstanceLink, Lasted, Loading, Sign, Status, Trouble, When } from "../parts/basics";

const SIZES = ["50", "100", "200"];
const RANGES: Record<string, { label: string; minutes: number }> = {
  "15m": { label: "Last 15 minutes", minutes: 15 },
  "1h": { label: "Last hour", minutes: 60 },
  "24h": { label: "Last day", minutes: 24 * 60 },
  "7d": { label: "Last week", minutes: 7 * 24 * 60 },
};
const FILTERS = ["status", "name", "search", "prefix", "range", "from", "to", "roots"];

/** The view. */
export function Instances() {
  const filters = Object.fromEntries(place.value.query) as Record<string, string | undefined>;
  // Where the pages before this one begin; the first begins without a token.
  const tokens = useSignal<(string | null)[]>([null]);
  const filterKey = FILTERS.map((name) => filters[name] ?? "").join("\n") + (filters.top ?? "");
  const lastKey = useRef(filterKey);
  if (lastKey.current !== filterKey) {
    lastKey.current = filterKey;
    tokens.value = [null];
  }
  const token = tokens.value.at(-1) ?? null;
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
        <Nothing active={active} more={data?.continuationToken ?? null} examined={data?.examined} clear={() => changeQuery({ top: filters.top })} />
      ) : (
        <Rows rows={rows} />
      )}
      <footer class="pages">
        <label>
          Rows{" "}
          <select value={filters.top ?? "50"} onChange={(event) => change({ top: event.currentTarget.value })}>
            {SIZES.map((size) => (
              <option key={size}>{size}</option>
            ))}
          </select>
        </label>
        <span class="muted">Page {tokens.value.length}</span>
        <button type="button" disabled={tokens.value.length < 2} onClick={() => (tokens.value = tokens.value.slice(0, -1))}>
          Previous
        </button>
        <button
          type="button"
          disabled={!data?.continuationToken}
          onClick={() => (tokens.value = [...tokens.value, data?.continuationToken ?? null])}
        >
          {rows?.length === 0 && data?.continuationToken ? "Search on" : "Next"}
        </button>
      </footer>
    </>
  );
}

function queryOf(filters: Record<string, string | undefined>, token: string | null): Record<string, string | undefined> {
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
        current.ids.filter((id) => here.has(id) || (full && news > 0)).flatMap((id) => known.current.get(id) ?? [])
      : null;
  const showNews = (): void => {
    if (data) shown.value = { what, ids: data.items.map((row) => row.instanceId) };
  };
  return { rows, news, showNews };
}

function StatusFilter({ chosen, change }: { chosen: string; change: (changes: Record<string, string | null>) => void }) {
  const on = new Set(chosen.split(",").filter(Boolean));
  const counts = overview.value?.counts ?? {};
  const toggle = (status: string): void => {
    const next = new Set(on);
    if (!next.delete(status)) next.add(status);
    change({ status: [...next].join(",") || null });
  };
  const shown = STATUSES.filter((status) => counts[status] || on.has(status) || ["Running", "Completed", "Failed"].includes(status));
  const whole = overview.value?.complete ?? true;
  return (
    <div class="chips" role="group" aria-label="Filter by status">
      {shown.map((status) => (
        <button key={status} type="button" class="chip" aria-pressed={on.has(status)} onClick={() => toggle(status)}>
          <Status status={status} />
          <span class="number">
            {(counts[status] ?? 0).toLocaleString()}
            {!whole && "+"}
          </span>
        </button>
      ))}
      {!whole && (
        <span class="muted small-text">of the first {overview.value?.counted.toLocaleString()} that were counted</span>
      )}
    </div>
  );
}

function FilterBar({
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
      <Typed id="search" label="Search" hint="Part of an id or name" value={filters.search} set={(search) => change({ search })} kind="search" />
      <Typed id="name" label="Orchestrator" hint="Any" value={filters.name} set={(name) => change({ name })} choices={names} />
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
        <input type="checkbox" checked={Boolean(filters.roots)} onChange={(event) => change({ roots: event.currentTarget.checked ? "true" : null })} />
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
          <Typed id="prefix" label="Id begins with" hint="" value={filters.prefix} set={(prefix) => change({ prefix })} />
          <Moment id="from" label="Created from" value={filters.from} set={(from) => change({ from, range: null })} />
          <Moment id="to" label="Created before" value={filters.to} set={(to) => change({ to, range: null })} />
        </div>
      )}
    </form>
  );
}

function Moment({ id, label, value, set }: { id: string; label: string; value: string | undefined; set: (value: string | null) => void }) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input id={id} type="datetime-local" value={value ?? ""} onChange={(event) => set(event.currentTarget.value || null)} />
    </div>
  );
}

/** A text that takes effect when one stops typing. */
export function Typed({
  id,
  label,
  hint,
  value,
  set,
  choices,
  kind = "text",
}: {
  id: string;
  label: string;
  hint: string;
  value: string | undefined;
  set: (value: string | null) => void;
  choices?: readonly string[];
  kind?: "text" | "search";
}) {
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const typed = useSignal<string | null>(null);
  useEffect(() => {
    typed.value = null;
  }, [value]);
  const settle = (text: string): void => {
    clearTimeout(timer.current);
    set(text.trim() || null);
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        type={kind}
        placeholder={hint}
        autoComplete="off"
        spellcheck={false}
        list={choices && `${id}-choices`}
        value={typed.value ?? value ?? ""}
        onInput={(event) => {
          const text = event.currentTarget.value;
          typed.value = text;
          clearTimeout(timer.current);
          timer.current = setTimeout(() => settle(text), 300);
        }}
        onChange={(event) => settle(event.currentTarget.value)}
      />
      {choices && (
        <datalist id={`${id}-choices`}>
          {choices.map((choice) => (
            <option key={choice} value={choice} />
          ))}
        </datalist>
      )}
    </div>
  );
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

function Nothing({ active, more, examined, clear }: { active: boolean; more: string | null; examined: number | undefined; clear: () => void }) {
  if (more) {
    return (
      <Empty>
        <p>Nothing found among {(examined ?? 0).toLocaleString()} instances so far. There are more to look through.</p>
      </Empty>
    );
  }
  if (!active) {
    return (
      <Empty>
        <p>There are no instances yet.</p>
        <p class="muted">Start one with the button above, with a client of the app, or with the management API.</p>
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
