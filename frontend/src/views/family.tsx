// Who started whom: from the root down to this instance, and what is below it.

import { useSignal } from "@preact/signals";
import { dataPath, get } from "../api/client";
import { usePolled } from "../api/polling";
import type { Family, Inspection, Relative } from "../api/types";
import { count } from "../model/words";
import { Empty, InstanceLink, Lasted, Loading, Status, Trouble } from "../parts/basics";
import { isFinished } from "../model/status";

/** The tab. */
export function FamilyView({ instance }: { instance: Inspection }) {
    const { data, error, refresh } = usePolled<Family>(instance.instanceId, (stop) =>
        get(dataPath(["instances", instance.instanceId, "family"]), stop),
    );
    if (!data) return error ? <Trouble error={error} retry={refresh} /> : <Loading />;
    const alone = data.ancestors.length === 0 && data.me.children.length === 0;
    return (
        <>
            <Trouble error={error} retry={refresh} />
            {alone && <Empty>Nobody started it but a client, and it started nobody.</Empty>}
            {!alone && <Line ancestors={data.ancestors} me={data.me} />}
            {data.leftOut > 0 && <p class="muted">{count(data.leftOut, "more sub-orchestration")} not shown.</p>}
        </>
    );
}

function Line({ ancestors, me }: { ancestors: readonly Relative[]; me: Relative }) {
    const [first, ...rest] = ancestors;
    return (
        <ul class="tree" aria-label="Family">
            {first ? (
                <li>
                    <Person relative={first} />
                    <Line ancestors={rest} me={me} />
                </li>
            ) : (
                <Branch relative={me} isMe />
            )}
        </ul>
    );
}

const SHOWN = 50;

function Branch({ relative, isMe = false }: { relative: Relative; isMe?: boolean }) {
    const open = useSignal(isMe || relative.children.length <= SHOWN);
    const all = useSignal(false);
    const children = all.value ? relative.children : relative.children.slice(0, SHOWN);
    const left = relative.children.length - children.length;
    return (
        <li>
            {relative.children.length > 0 && !isMe && (
                <button
                    type="button"
                    class="quiet small fold"
                    aria-expanded={open.value}
                    aria-label={`Children of ${relative.instanceId}`}
                    onClick={() => (open.value = !open.value)}
                >
                    {open.value ? "▾" : "▸"}
                </button>
            )}
            <Person relative={relative} isMe={isMe} />
            {relative.children.length > 0 && open.value && (
                <ul>
                    {children.map((child) => (
                        <Branch key={child.instanceId} relative={child} />
                    ))}
                    {left > 0 && (
                        <li>
                            <button type="button" class="quiet" onClick={() => (all.value = true)}>
                                Show {left} more
                            </button>
                        </li>
                    )}
                </ul>
            )}
        </li>
    );
}

function Person({ relative, isMe = false }: { relative: Relative; isMe?: boolean }) {
    const ended = relative.runtimeStatus && isFinished(relative.runtimeStatus) ? relative.lastUpdatedTime : null;
    return (
        <span class={`person${isMe ? " is-me" : ""}`}>
            <Status status={relative.runtimeStatus} />
            <strong>{relative.name || "?"}</strong>
            {isMe ? <span class="id">{relative.instanceId}</span> : <InstanceLink id={relative.instanceId} />}
            {isMe && <span class="tag">this one</span>}
            {relative.createdTime && (
                <span class="muted">
                    <Lasted from={relative.createdTime} to={ended} />
                </span>
            )}
        </span>
    );
}
