// One instance: what it is, what is wrong with it, what it waits for, and all that it did.

import { useSignal } from "@preact/signals";
import { dataPath, get } from "../api/client";
import { usePolled } from "../api/polling";
import type { Approval, Inspection, Waiting } from "../api/types";
import { now } from "../model/clock";
import { hasOwnName, kindWord } from "../model/lanes";
import { changeQuery, linkTo, linkToInstance, place } from "../model/route";
import { isFinished } from "../model/status";
import { count, duration, localTime, millis } from "../model/words";
import { ask } from "../parts/action_dialog";
import { decide, instanceActions, raiseEvent } from "../parts/actions";
import { Copy, Empty, Findings, InstanceLink, Lasted, Loading, Panel, Status, Trouble, When } from "../parts/basics";
import { FailureView } from "../parts/failure";
import { Json, ValueView } from "../parts/json";
import { KindSign } from "../parts/kind_sign";
import { Fact } from "../parts/fact";
import { Stored } from "./stored";
import { FamilyView } from "./family";
import { HistoryView } from "./history";
import { TimelineView } from "./timeline";

const TABS = {
    timeline: "Timeline",
    data: "Input and output",
    family: "Family",
    history: "History",
    storage: "Stored",
};
type Tab = keyof typeof TABS;

/** The view. */
export function InstanceView({ id }: { id: string }) {
    const { data, error, refresh } = usePolled<Inspection>(id, (stop) => get(dataPath(["instances", id]), stop));
    if (!data) {
        return (
            <>
                <Crumbs id={id} />
                <h1 class="id">{id}</h1>
                {error?.status === 404 ? <Missing id={id} /> : <Trouble error={error} retry={refresh} />}
                {!error && <Loading />}
            </>
        );
    }
    const tab = (place.value.query.get("tab") ?? "timeline") as Tab;
    return (
        <>
            <Crumbs id={id} />
            <Head instance={data} />
            <Trouble error={error?.status === 404 ? null : error} retry={refresh} />
            {error?.status === 404 && (
                <div class="note is-warning" role="alert">
                    <p>
                        This instance is not there any more: it was purged. What is shown is the last that was known of
                        it.
                    </p>
                </div>
            )}
            <Findings findings={data.findings} />
            {data.failure && (
                <Panel title="Failure" id="failure-title">
                    <FailureView failure={data.failure} />
                </Panel>
            )}
            <Approvals instance={data} />
            <Waits instance={data} />
            <Tabs current={tab} />
            <div id="tab-panel" role="tabpanel" aria-labelledby={`tab-${tab}`} class="tab-panel">
                {tab === "data" ? (
                    <Values instance={data} />
                ) : tab === "family" ? (
                    <FamilyView instance={data} />
                ) : tab === "history" ? (
                    <HistoryView instance={data} />
                ) : tab === "storage" ? (
                    <Stored instance={data} />
                ) : (
                    <TimelineView instance={data} />
                )}
            </div>
        </>
    );
}

function Crumbs({ id }: { id: string }) {
    return (
        <nav class="crumbs" aria-label="Breadcrumb">
            <a href={linkTo(["instances"])}>Instances</a> <span aria-hidden="true">/</span> <span>{id}</span>
        </nav>
    );
}

function Missing({ id }: { id: string }) {
    return (
        <Empty>
            <p>
                There is no instance <code>{id}</code> in this task hub.
            </p>
            <p class="muted">It was purged, it was never started, or it is in another hub.</p>
            <a class="button" href={linkTo(["instances"], { search: id })}>
                Search for it
            </a>
        </Empty>
    );
}

function Head({ instance }: { instance: Inspection }) {
    const { instanceId: id } = instance;
    const begun = instance.startAt && millis(instance.startAt) > now.value ? null : instance.createdTime;
    const ended = instance.completedTime ?? (isFinished(instance.runtimeStatus) ? instance.lastUpdatedTime : null);
    return (
        <header class="head">
            <div class="title-line">
                <h1>
                    <span class="id">{id}</span>
                </h1>
                <Copy text={id} what="instance id" />
                <div class="actions" role="group" aria-label="Actions">
                    {instanceActions(instance).map(({ key, action }) => (
                        <button
                            key={key}
                            type="button"
                            class={action.grave ? "grave-outline" : ""}
                            onClick={() => ask(action)}
                        >
                            {action.label}
                        </button>
                    ))}
                </div>
            </div>
            <dl class="facts">
                <Fact name="Status">
                    {(instance.runtimeStatus || instance.damaged.length === 0) && (
                        <Status status={instance.runtimeStatus} />
                    )}{" "}
                    {instance.damaged.length > 0 && <Status status="Damaged" />}
                    {instance.suspendedSince && (
                        <>
                            {" "}
                            since <When time={instance.suspendedSince} />
                        </>
                    )}
                </Fact>
                <Fact name="Orchestrator">
                    {instance.name}
                    {instance.registered === false && <span class="tag is-warning">not in this app</span>}
                </Fact>
                <Fact name="Duration">
                    <Lasted from={begun} to={ended} />
                </Fact>
                <Fact name="Created">
                    <When time={instance.createdTime} whole />
                </Fact>
                {instance.lastUpdatedTime !== instance.completedTime && (
                    <Fact name="Last change">
                        <When time={instance.lastUpdatedTime} whole />
                    </Fact>
                )}
                {instance.completedTime && (
                    <Fact name="Ended">
                        <When time={instance.completedTime} whole />
                    </Fact>
                )}
                {instance.startAt && millis(instance.startAt) > now.value && (
                    <Fact name="Starts">
                        <When time={instance.startAt} whole />
                    </Fact>
                )}
                {instance.parentInstanceId && (
                    <Fact name="Parent">
                        <InstanceLink id={instance.parentInstanceId} />
                    </Fact>
                )}
                {instance.version && <Fact name="Version">{instance.version}</Fact>}
                {instance.generation > 0 && <Fact name="Generation">{instance.generation} (continued as new)</Fact>}
                {instance.attempt > 0 && <Fact name="Rewound">{count(instance.attempt, "time")}</Fact>}
                {Object.keys(instance.tags).length > 0 && (
                    <Fact name="Tags">
                        {Object.entries(instance.tags).map(([name, value]) => (
                            <span key={name} class="tag">
                                {name}: {value}
                            </span>
                        ))}
                    </Fact>
                )}
                {instance.customStatus && (
                    <Fact name="Custom status">
                        {instance.customStatus.text !== undefined && instance.customStatus.text.length <= 120 ? (
                            <code>{instance.customStatus.text}</code>
                        ) : (
                            <a href={linkToInstance(id, { tab: "data" })}>see input and output</a>
                        )}
                    </Fact>
                )}
            </dl>
        </header>
    );
}

function Approvals({ instance }: { instance: Inspection }) {
    const { approvals } = instance;
    if (approvals.length === 0) return null;
    return (
        <Panel
            title="Waits for approval"
            id="approvals-title"
            side={<span class="muted">{count(approvals.length, "call")}</span>}
        >
            <ul class="approvals">
                {approvals.map((approval) => (
                    <li key={approval.id}>
                        <Asked approval={approval} instance={instance} />
                    </li>
                ))}
            </ul>
        </Panel>
    );
}

function Asked({ approval, instance }: { approval: Approval; instance: Inspection }) {
    const { tool, arguments: given, argumentsCut } = approval;
    return (
        <>
            <div class="approval-head">
                <div class="wait-text">
                    <span>
                        The agent wants to call <strong>{tool}</strong>
                    </span>
                    <span class="muted">
                        asked <When time={approval.requestedAt} whole />
                        {approval.expiresAt && (
                            <>
                                {" "}
                                · counts as denied <When time={approval.expiresAt} whole />
                            </>
                        )}
                    </span>
                    {approval.problem && <span class="problem">{approval.problem}</span>}
                </div>
                {instance.can.raiseEvent && (
                    <div class="actions" role="group" aria-label={`Decide on the call of ${tool}`}>
                        <button type="button" class="primary" onClick={() => ask(decide(instance, approval, true))}>
                            Approve…
                        </button>
                        <button
                            type="button"
                            class="grave-outline"
                            onClick={() => ask(decide(instance, approval, false))}
                        >
                            Deny…
                        </button>
                    </div>
                )}
            </div>
            {argumentsCut && <p class="muted">The arguments are too large to be shown; they begin:</p>}
            <Json text={argumentsCut ? String(JSON.parse(given)) : given} name={`Arguments of ${tool}`} />
        </>
    );
}

function Waits({ instance }: { instance: Inspection }) {
    const all = useSignal(false);
    // What a person decides on is shown above, with buttons that know what to send.
    const answering = new Set(instance.approvals.map((approval) => approval.event.toLowerCase()));
    const waits = instance.waits.filter((wait) => wait.kind !== "event" || !answering.has(wait.name.toLowerCase()));
    if (waits.length === 0) return null;
    const shown = all.value ? waits : waits.slice(0, 5);
    const left = waits.length - shown.length;
    return (
        <Panel
            title="Waits for"
            id="waits-title"
            side={<span class="muted">{count(waits.length + instance.waitsLeftOut, "thing")}</span>}
        >
            <ul class="waits">
                {shown.map((wait) => (
                    <li key={`${wait.kind} ${wait.taskId} ${wait.name} ${wait.target}`}>
                        <Wait wait={wait} instance={instance} />
                    </li>
                ))}
            </ul>
            {left > 0 && (
                <button type="button" class="quiet" onClick={() => (all.value = true)}>
                    Show {left} more
                </button>
            )}
            {all.value && instance.waitsLeftOut > 0 && (
                <p class="muted">{instance.waitsLeftOut} more are in the timeline.</p>
            )}
        </Panel>
    );
}

function Wait({ wait, instance }: { wait: Waiting; instance: Inspection }) {
    const since = millis(wait.since);
    return (
        <>
            <KindSign kind={wait.kind} />
            <div class="wait-text">
                <span>
                    {kindWord(wait.kind)} {hasOwnName(wait.name, wait.kind) && <strong>{wait.name}</strong>}
                    {wait.attempt > 1 && <span class="tag">attempt {wait.attempt}</span>}
                    {wait.target && (
                        <>
                            {" "}
                            in <InstanceLink id={wait.target} />
                        </>
                    )}
                </span>
                <span class="muted">
                    for{" "}
                    <time dateTime={wait.since} title={`since ${localTime(since)}`}>
                        {duration(Math.max(0, now.value - since))}
                    </time>
                    {wait.due && (
                        <>
                            {" "}
                            · due <When time={wait.due} whole />
                        </>
                    )}
                    {wait.detail && ` · ${wait.detail}`}
                </span>
                {wait.lastFailure && (
                    <span class="problem">
                        Failed before: {wait.lastFailure.errorType.split(".").at(-1)}: {wait.lastFailure.message}
                    </span>
                )}
            </div>
            {wait.kind === "event" && instance.can.raiseEvent && (
                <button type="button" onClick={() => ask(raiseEvent(instance, wait))}>
                    Raise…
                </button>
            )}
        </>
    );
}

function Tabs({ current }: { current: Tab }) {
    const keys = Object.keys(TABS) as Tab[];
    const choose = (tab: Tab): void => changeQuery({ tab: tab === "timeline" ? null : tab });
    const onKeyDown = (event: KeyboardEvent): void => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        event.preventDefault();
        const next = keys[(keys.indexOf(current) + step + keys.length) % keys.length] as Tab;
        choose(next);
        document.getElementById(`tab-${next}`)?.focus();
    };
    return (
        <div class="tabs" role="tablist" aria-label="Parts of the instance" onKeyDown={onKeyDown}>
            {keys.map((tab) => (
                <button
                    key={tab}
                    id={`tab-${tab}`}
                    type="button"
                    role="tab"
                    aria-selected={tab === current}
                    aria-controls="tab-panel"
                    tabIndex={tab === current ? 0 : -1}
                    onClick={() => choose(tab)}
                >
                    {TABS[tab]}
                </button>
            ))}
        </div>
    );
}

function Values({ instance }: { instance: Inspection }) {
    const path = (which: string): string => dataPath(["instances", instance.instanceId, "values", which]);
    return (
        <div class="values">
            <Panel title="Input" id="input-title">
                <ValueView value={instance.input} path={path("input")} name="Input" />
            </Panel>
            <Panel title="Output" id="output-title">
                {instance.output === null && !isFinished(instance.runtimeStatus) ? (
                    <p class="none">Not yet: it has not ended.</p>
                ) : (
                    <ValueView value={instance.output} path={path("output")} name="Output" />
                )}
            </Panel>
            <Panel title="Custom status" id="custom-title">
                <ValueView value={instance.customStatus} path={path("customStatus")} name="Custom status" />
            </Panel>
        </div>
    );
}
