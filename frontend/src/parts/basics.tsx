// Small things that every view is made of: status, times, copying, notes.

import type { ComponentChildren } from "preact";
import { useSignal } from "@preact/signals";
import type { ApiError } from "../api/client";
import type { Finding, Time } from "../api/types";
import { now } from "../model/clock";
import { linkToInstance } from "../model/route";
import { SIGNS } from "../model/status";
import { age, duration, localTime, millis } from "../model/words";

/** A sign that is drawn; it means nothing to who does not see it. */
export function Sign({ path }: { path: string }) {
    return (
        <svg class="sign" viewBox="0 0 16 16" width="14" height="14" aria-hidden="true" focusable="false">
            <path d={path} fill="currentColor" fill-rule="evenodd" />
        </svg>
    );
}

/** The status of an instance: a sign, a word and a colour. */
export function Status({ status }: { status: string | null }) {
    const shown = status ?? "Absent";
    return (
        <span class={`status is-${shown in SIGNS ? shown : "Unknown"}`}>
            <Sign path={SIGNS[shown] ?? (SIGNS.Unknown as string)} />
            {(WORDS[shown] ?? shown) || "Unknown"}
        </span>
    );
}

const WORDS: Record<string, string> = { ContinuedAsNew: "Continued as new", Absent: "Not there" };

/** A moment: how long ago, and on hovering when. `whole` shows the local time as well. */
export function When({ time, whole = false }: { time: Time | null | undefined; whole?: boolean }) {
    if (!time) return <span class="none">–</span>;
    const ms = millis(time);
    const local = localTime(ms);
    return (
        <time dateTime={time} title={`${local}\n${time.replace("T", " ").replace("Z", "")} UTC`}>
            {whole ? `${local} (${age(ms, now.value)})` : age(ms, now.value)}
        </time>
    );
}

/** How long from one moment to another, or to now. */
export function Lasted({ from, to }: { from: Time | null; to: Time | null }) {
    if (!from) return <span class="none">–</span>;
    return <span class="number">{duration(Math.max(0, (to ? millis(to) : now.value) - millis(from)))}</span>;
}

/** A link to an instance. */
export function InstanceLink({ id, children }: { id: string; children?: ComponentChildren }) {
    return (
        <a class="id" href={linkToInstance(id)}>
            {children ?? id}
        </a>
    );
}

/** A button that copies a text. */
export function Copy({ text, what }: { text: string; what: string }) {
    const done = useSignal(false);
    const copy = async (): Promise<void> => {
        if (!(await copied(text))) return;
        done.value = true;
        setTimeout(() => {
            done.value = false;
        }, 1500);
    };
    return (
        <button
            type="button"
            class="quiet small"
            onClick={() => void copy()}
            aria-label={`Copy ${what}`}
            title={`Copy ${what}`}
        >
            {done.value ? "Copied" : "Copy"}
        </button>
    );
}

async function copied(text: string): Promise<boolean> {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        // There is no clipboard on pages that came over plain HTTP from another machine.
        const area = document.createElement("textarea");
        area.value = text;
        (document.querySelector("dialog[open]") ?? document.body).append(area);
        area.select();
        const done = document.execCommand("copy");
        area.remove();
        return done;
    }
}

/** What is wrong with the data of a view, calmly. */
export function Trouble({ error, retry }: { error: ApiError | null; retry: () => void }) {
    if (!error || error.status === 401 || error.status === 403) return null;
    return (
        <div class="note is-warning" role="alert">
            <p>{error.message}</p>
            <button type="button" onClick={retry}>
                Try again
            </button>
        </div>
    );
}

/** What is seen to be wrong, and the mend. */
export function Findings({ findings }: { findings: readonly Finding[] }) {
    if (findings.length === 0) return null;
    return (
        <ul class="findings" aria-label="Findings">
            {findings.map((finding) => (
                <li key={finding.text} class={`note is-${finding.level}`}>
                    <Sign path={FINDING_SIGNS[finding.level]} />
                    <div>
                        <p>
                            <strong>{LEVELS[finding.level]}:</strong> {withTimes(finding.text)}
                        </p>
                        {finding.mend && <p class="mend">{withTimes(finding.mend)}</p>}
                        {finding.instanceId && <InstanceLink id={finding.instanceId} />}
                    </div>
                </li>
            ))}
        </ul>
    );
}

/** A text in which moments in UTC are shown as everywhere on the page. */
function withTimes(text: string): ComponentChildren {
    return text
        .split(/(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)/)
        .map((part, at) => (at % 2 ? <When key={at} time={part} whole /> : part));
}

const LEVELS = { info: "Note", warning: "Warning", error: "Problem" };
const FINDING_SIGNS = {
    info: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM7.2 4.2h1.6v1.6H7.2zm0 2.7h1.6v4.9H7.2z",
    warning: SIGNS.Damaged as string,
    error: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM7.2 4.2h1.6v4.7H7.2zm0 5.9h1.6v1.6H7.2z",
};

/** What stands where there is nothing to show. */
export function Empty({ children }: { children: ComponentChildren }) {
    return <div class="empty">{children}</div>;
}

/** What stands where data is still to come. */
export function Loading() {
    return (
        <div class="empty" role="status">
            Loading…
        </div>
    );
}

/** A part of a view with a heading. */
export function Panel({
    title,
    side,
    id,
    children,
}: {
    title: string;
    side?: ComponentChildren;
    id: string;
    children: ComponentChildren;
}) {
    return (
        <section class="panel" aria-labelledby={id}>
            <header>
                <h2 id={id}>{title}</h2>
                {side && <div class="side">{side}</div>}
            </header>
            {children}
        </section>
    );
}
