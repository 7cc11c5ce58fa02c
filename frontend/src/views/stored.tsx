// What the store holds of an instance beside its history.

import type { Inspection } from "../api/types";
import { count } from "../model/words";
import { InstanceLink, Panel, When } from "../parts/basics";
import { Fact } from "../parts/fact";

/** What the store holds of it beside its history: for whoever looks for what got stuck. */
export function Stored({ instance }: { instance: Inspection }) {
    return (
        <>
            {instance.damaged.length > 0 && (
                <Panel title="Damaged rows" id="damaged-title">
                    <ul class="plain">
                        {instance.damaged.map((row) => (
                            <li key={row.key}>
                                <code>{row.key}</code>: {row.reason}
                            </li>
                        ))}
                    </ul>
                </Panel>
            )}
            <Panel
                title="Arrived, not yet taken up"
                id="inbox-title"
                side={
                    <span class="muted">
                        {count(instance.inbox.length, "message")}
                        {instance.inboxGoesOn && " and more"}
                    </span>
                }
            >
                {instance.inbox.length === 0 ? (
                    <p class="none">Nothing</p>
                ) : (
                    <table class="rows">
                        <thead>
                            <tr>
                                <th scope="col">What</th>
                                <th scope="col">Name</th>
                                <th scope="col">From</th>
                                <th scope="col">Sent</th>
                            </tr>
                        </thead>
                        <tbody>
                            {instance.inbox.map((entry) => (
                                <tr key={entry.key}>
                                    <th scope="row">{entry.what}</th>
                                    <td data-label="Name">{entry.name ?? "–"}</td>
                                    <td data-label="From">{entry.sender || "–"}</td>
                                    <td data-label="Sent">
                                        <When time={entry.sentAt} />
                                    </td>
                                </tr>
                            ))}
                        </tbody>
                    </table>
                )}
            </Panel>
            <Panel
                title="Decided, not yet handed over"
                id="outbox-title"
                side={<span class="muted">{count(instance.outbox.length + instance.outboxLeftOut, "message")}</span>}
            >
                {instance.outbox.length === 0 ? (
                    <p class="none">Nothing</p>
                ) : (
                    <table class="rows">
                        <thead>
                            <tr>
                                <th scope="col">What</th>
                                <th scope="col">Name</th>
                                <th scope="col">To</th>
                                <th scope="col">Since</th>
                            </tr>
                        </thead>
                        <tbody>
                            {instance.outbox.map((entry, at) => (
                                <tr key={at}>
                                    <th scope="row">{entry.what}</th>
                                    <td data-label="Name">{entry.name}</td>
                                    <td data-label="To">{entry.target ? <InstanceLink id={entry.target} /> : "–"}</td>
                                    <td data-label="Since">
                                        <When time={entry.since} />
                                    </td>
                                </tr>
                            ))}
                        </tbody>
                    </table>
                )}
            </Panel>
            <Panel title="Identity" id="identity-title">
                <dl class="facts">
                    <Fact name="Execution id">
                        <code>{instance.executionId || "–"}</code>
                    </Fact>
                    <Fact name="Generation">{instance.generation}</Fact>
                    <Fact name="Wakes itself">
                        <When time={instance.nextWake} whole />
                    </Fact>
                </dl>
            </Panel>
        </>
    );
}
