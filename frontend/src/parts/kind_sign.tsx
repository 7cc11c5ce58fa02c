// The kinds of steps as signs.

import type { StepKind } from "../api/types";
import { kindWord } from "../model/lanes";
import { Sign } from "./basics";

const PATHS: Record<StepKind, string> = {
    activity: "M9 1.5 3.5 9H7l-1 5.5L12 7H8.3z",
    http: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM3.1 8.7h2.1c.1 1.200.3 2.200.6 3A5 5 0 0 1 3.1 8.7zm2.1-1.4H3.1a5 5 0 0 1 2.7-3c-.3.8-.5 1.8-.6 3zm3.5 5.4V8.7h1.4c-.1 2-.7 3.4-1.4 4zm-1.4 0c-.7-.6-1.3-2-1.4-4h1.4zm0-5.4H5.9c.1-2 .7-3.4 1.4-4zm1.4 0v-4c.7.6 1.3 2 1.4 4zm1.5 4.4c.3-.8.5-1.800.6-3h2.1a5 5 0 0 1-2.7 3zm.6-4.4c-.1-1.2-.3-2.2-.6-3a5 5 0 0 1 2.7 3z",
    timer: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zm0 1.4a4.1 4.1 0 1 1 0 8.2 4.1 4.1 0 0 1 0-8.2zM7.3 5.2v3.2l2.3 1.400.7-1.2-1.6-1V5.2zM6 .8h4v1.2H6z",
    retry_delay: "M3 3h2v10H3zm4 0h2v10H7zm4 0h2v10h-2z",
    event: "M2 4.5 8 9l6-4.5V12H2zm.8-1.5h10.4L8 7z",
    event_sent: "M2 2.5 14.5 8 2 13.5V9l7-1-7-1z",
    sub_orchestration: "M3 2h4v3.5H6V7h5V6h-1 4v3.5H11V8.4H6v3.2h5v-1h3V14h-4v-1H4.6V5.5H3z",
    entity_call:
        "M8 1.5c3.3 0 5.5 1 5.5 2.5v8c0 1.5-2.2 2.5-5.5 2.5S2.5 13.5 2.5 12V4C2.5 2.5 4.7 1.5 8 1.5zM8 3C5.7 3 4.2 3.6 4.2 4S5.7 5 8 5s3.8-.6 3.8-1S10.3 3 8 3z",
    entity_signal:
        "M8 2c3.3 0 5.5 1 5.5 2.5v7C13.5 13 11.3 14 8 14s-5.5-1-5.5-2.5v-7C2.5 3 4.7 2 8 2zM4 6.7v4.8c0 .4 1.6 1.1 4 1.1s4-.7 4-1.1V6.7C11 7.3 9.6 7.6 8 7.6S5 7.3 4 6.7z",
    lock: "M4.5 7V5a3.5 3.5 0 0 1 7 0v2H13v7H3V7zM6 7h4V5a2 2 0 0 0-4 0z",
    control: "M7.2 1.5h1.6V8H7.2zM4.6 3.4l1 1.3a4.1 4.1 0 1 0 4.8 0l1-1.3a5.7 5.7 0 1 1-6.8 0z",
};

/** The sign of a kind, with its name for whoever hovers, and for screen readers where it does not stand beside it. */
export function KindSign({ kind, said = false }: { kind: StepKind; said?: boolean }) {
    return (
        <span class={`kind kind-${kind}`} title={kindWord(kind)}>
            <Sign path={PATHS[kind] ?? PATHS.control} />
            {said && <span class="unseen">{kindWord(kind)} </span>}
        </span>
    );
}
