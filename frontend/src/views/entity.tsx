// One entity: its state, who holds its lock, and the operations that wait.

import { dataPath, get } from "../api/client";
import { usePolled } from "../api/polling";
import type { EntityInspection } from "../api/types";
import { linkTo } from "../model/route";
import { count } from "../model/words";
import { ask } from "../parts/action_dialog";
import { deleteEntity, signalEntity } from "../parts/actions";
import { Empty, Findings, InstanceLink, Loading, Panel, Trouble, When } from "../parts/basics";
import { ValueView } from "../parts/json";
import { Stored } from "./stored";

/** The view. */
export function EntityView({ name, key_ }: { name: string; key_: string }) {
    const { data, error, refresh } = usePolled<EntityInspection>(JSON.stringify([name, key_]), (stop) =>
        get(dataPath(["entities", name, key_]), stop),
    );
    const signal = (
        <button type="button" onClick={() => ask(signalEntity(name, key_))}>
            Signal…
        </button>
    );
    return (
        <>
            <nav class="crumbs" aria-label="Breadcrumb">
                <a href={linkTo(["entities"])}>Entities</a> <span aria-hidden="true">/</span>{" "}
                <a href={linkTo(["entities"], { name })}>{name}</a> <span aria-hidden="true">/</span>{" "}
                <span>{key_}</span>
            </nav>
            <header class="head">
                <div class="title-line">
                    <h1>
                        <span class="muted">{name}</span> <span class="id">{key_}</span>
                    </h1>
                    <div class="actions" role="group" aria-label="Actions">
                        {signal}
                        {data && (
                            <button
                                type="button"
                                class="grave-outline"
                                onClick={() => ask(deleteEntity(name, key_, data))}
                            >
                                Delete
                            </button>
                        )}
                    </div>
                </div>
                {data && (
                    <dl class="facts">
                        <div>
                            <dt>Last operation</dt>
                            <dd>
                                <When time={data.lastUpdatedTime} whole />
                            </dd>
                        </div>
                        <div>
                            <dt>Locked by</dt>
                            <dd>{data.lock ? <InstanceLink id={data.lock} /> : "nobody"}</dd>
                        </div>
                        <div>
                            <dt>Held back</dt>
                            <dd>{data.backlog.toLocaleString()}</dd>
                        </div>
                    </dl>
                )}
            </header>
            {error?.status === 404 ? (
                <Empty>
                    <p>There is no such entity (any more). A signal brings it into being.</p>
                </Empty>
            ) : (
                <Trouble error={error} retry={refresh} />
            )}
            {!data && !error && <Loading />}
            {data && (
                <>
                    <Findings findings={data.findings} />
                    <Panel title="State" id="state-title">
                        <ValueView value={data.state} path={dataPath(["entities", name, key_, "state"])} name="State" />
                    </Panel>
                    {data.backlog > 0 && (
                        <Panel
                            title="Operations held back"
                            id="backlog-title"
                            side={<span class="muted">{count(data.backlog, "operation")}</span>}
                        >
                            <table class="rows">
                                <thead>
                                    <tr>
                                        <th scope="col">Operation</th>
                                        <th scope="col">What</th>
                                        <th scope="col">From</th>
                                    </tr>
                                </thead>
                                <tbody>
                                    {data.backlogEntries.map((entry, at) => (
                                        <tr key={at}>
                                            <th scope="row">{entry.name ?? "–"}</th>
                                            <td data-label="What">{entry.what}</td>
                                            <td data-label="From">{entry.sender || "–"}</td>
                                        </tr>
                                    ))}
                                </tbody>
                            </table>
                        </Panel>
                    )}
                    <Stored instance={data} />
                </>
            )}
        </>
    );
}
