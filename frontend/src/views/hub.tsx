// The hub as a whole: is it well, what waits in it, and how much goes through it.

import type { ApiError } from "../api/client";
import { type Sample, samples } from "../api/overview";
import type { Overview, Queue } from "../api/types";
import { linkTo } from "../model/route";
import { STATUSES } from "../model/status";
import { count, duration } from "../model/words";
import { Findings, InstanceLink, Loading, Panel, Sign, Status, Trouble, When } from "../parts/basics";
import { LineChart, type Point } from "../parts/line_chart";
import { SIGNS } from "../model/status";

const ROLES: Record<Queue["role"], string> = {
    instances: "Turns of instances",
    activities: "Activities",
    poison: "Put aside as poison",
};

/** The view. */
export function Hub({ data, error, refresh }: { data: Overview | null; error: ApiError | null; refresh: () => void }) {
    if (!data) return <>{error ? <Trouble error={error} retry={refresh} /> : <Loading />}</>;
    const worst = data.findings.some((finding) => finding.level === "error")
        ? "error"
        : data.findings.some((finding) => finding.level === "warning") || data.stuck.length > 0
          ? "warning"
          : "good";
    return (
        <>
            <div class="title-line">
                <h1>{data.name}</h1>
                <span class={`health is-${worst}`}>
                    <Sign path={(worst === "good" ? SIGNS.Completed : SIGNS.Damaged) as string} />
                    {{ good: "All is well", warning: "Needs a look", error: "Something is wrong" }[worst]}
                </span>
            </div>
            <p class="muted">
                {data.storage} · format {data.formatVersion}
                {data.version && ` · azure-durable-py ${data.version}`} · looked at <When time={data.takenAt} />
            </p>
            <Trouble error={error} retry={refresh} />
            <Findings findings={data.findings} />
            <div class="cards">
                {data.queues.map((queue) => (
                    <div
                        key={queue.name}
                        class={`card${queue.role === "poison" && queue.messages > 0 ? " is-warning" : ""}`}
                    >
                        <span class="muted">{ROLES[queue.role]}</span>
                        <strong class="number">{queue.messages.toLocaleString()}</strong>
                        <small class="muted id">{queue.name}</small>
                    </div>
                ))}
                <div class="card">
                    <span class="muted">Oldest pending</span>
                    <strong>{data.oldestPending ? <When time={data.oldestPending} /> : "none"}</strong>
                    <small class="muted">started, and not yet begun</small>
                </div>
                {data.rates && <Rates rates={data.rates} />}
            </div>
            <Panel title="Over time" id="rates-title">
                <Charts taken={samples.value} />
            </Panel>
            <Panel
                title="Instances by status"
                id="counts-title"
                side={
                    <span class="muted">
                        {data.complete
                            ? count(data.counted, "instance")
                            : `the first ${data.counted.toLocaleString()}; there are more`}
                    </span>
                }
            >
                <Counts data={data} />
            </Panel>
            <Panel
                title="No sign of life"
                id="stuck-title"
                side={<span class="muted">{count(data.stuck.length, "instance")}</span>}
            >
                {data.stuck.length === 0 ? (
                    <p class="none">None: whatever is to go on, does.</p>
                ) : (
                    <ul class="plain">
                        {data.stuck.map((id) => (
                            <li key={id}>
                                <InstanceLink id={id} />
                            </li>
                        ))}
                    </ul>
                )}
            </Panel>
            <App app={data.app} />
        </>
    );
}

function Rates({ rates }: { rates: NonNullable<Overview["rates"]> }) {
    const per = `in the last ${duration(rates.seconds * 1000)}`;
    return (
        <>
            {(["created", "completed", "failed"] as const).map((which) => (
                <div key={which} class="card">
                    <span class="muted">{{ created: "Created", completed: "Completed", failed: "Failed" }[which]}</span>
                    <strong class="number">{rates[which].toLocaleString()}</strong>
                    <small class="muted">{per}</small>
                </div>
            ))}
        </>
    );
}

function Counts({ data }: { data: Overview }) {
    const shown = STATUSES.filter((status) => data.counts[status]);
    const most = Math.max(1, ...shown.map((status) => data.counts[status] ?? 0));
    if (shown.length === 0) return <p class="none">There are no instances.</p>;
    return (
        <ul class="counts">
            {shown.map((status) => (
                <li key={status}>
                    <a href={linkTo(["instances"], { status })}>
                        <Status status={status} />
                    </a>
                    <span class="count-bar" aria-hidden="true">
                        <span
                            class={`is-${status}`}
                            style={{ width: `${((data.counts[status] ?? 0) / most) * 100}%` }}
                        />
                    </span>
                    <span class="number">{(data.counts[status] ?? 0).toLocaleString()}</span>
                </li>
            ))}
            <li>
                <a href={linkTo(["entities"])}>Entities</a>
                <span />
                <span class="number">{data.entities.toLocaleString()}</span>
            </li>
        </ul>
    );
}

function Charts({ taken }: { taken: readonly Sample[] }) {
    return (
        <div class="charts">
            <LineChart
                name="Backlog"
                unit="messages"
                points={taken.map(({ at, backlog }) => ({ at, value: backlog }))}
            />
            <LineChart
                name="Under way"
                unit="instances"
                points={taken.map(({ at, active }) => ({ at, value: active }))}
            />
            <LineChart name="Ended" unit="a minute" points={ratesOf(taken, (sample) => sample.finished)} />
            <LineChart name="Failed" unit="a minute" points={ratesOf(taken, (sample) => sample.failed)} />
        </div>
    );
}

const SMOOTHED = 60_000;

/** How much was added a minute, over the minute before each look. */
function ratesOf(taken: readonly Sample[], of: (sample: Sample) => number | null): Point[] {
    const points: Point[] = [];
    let back = 0;
    taken.forEach((sample, at) => {
        while (back < at - 1 && sample.at - (taken[back + 1]?.at ?? 0) >= SMOOTHED) back++;
        const before = taken[back];
        const [now, then] = [of(sample), before ? of(before) : null];
        if (!before || before === sample || now === null || then === null) return;
        points.push({ at: sample.at, value: (Math.max(0, now - then) / (sample.at - before.at)) * 60_000 });
    });
    return points;
}

function App({ app }: { app: Overview["app"] }) {
    if (!app) return null;
    const kinds = { Orchestrators: app.orchestrators, Activities: app.activities, Entities: app.entities };
    return (
        <Panel title="Functions of the app" id="app-title">
            <dl class="facts tall">
                {Object.entries(kinds).map(([kind, names]) => (
                    <div key={kind}>
                        <dt>{kind}</dt>
                        <dd class="names">
                            {names.length === 0 && <span class="none">none</span>}
                            {names.map((name) =>
                                kind === "Orchestrators" ? (
                                    <a key={name} class="tag" href={linkTo(["instances"], { name })}>
                                        {name}
                                    </a>
                                ) : (
                                    <span key={name} class="tag">
                                        {name}
                                    </span>
                                ),
                            )}
                        </dd>
                    </div>
                ))}
            </dl>
        </Panel>
    );
}
