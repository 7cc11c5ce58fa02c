// What came of what was done: messages that stay until they are put away.

import { signal } from "@preact/signals";
import { announce } from "./announce";

interface Outcome {
    number: number;
    text: string;
    kind: "good" | "bad";
}

const outcomes = signal<Outcome[]>([]);
let counted = 0;
const KEPT_FOR = 12_000;

/** Shows a message, and tells it to screen readers. */
export function say(text: string, kind: Outcome["kind"]): void {
    const number = ++counted;
    outcomes.value = [...outcomes.value.slice(-2), { number, text, kind }];
    announce(text);
    if (kind === "good") setTimeout(() => putAway(number), KEPT_FOR);
}

function putAway(number: number): void {
    outcomes.value = outcomes.value.filter((outcome) => outcome.number !== number);
}

/** Where they are shown; once on the page. */
export function Outcomes() {
    return (
        <aside class="outcomes" aria-label="What came of it">
            <ul aria-label="Messages">
                {outcomes.value.map((outcome) => (
                    <li key={outcome.number} class={`note ${outcome.kind === "good" ? "is-good" : "is-error"}`}>
                        <p>{outcome.text}</p>
                        <button
                            type="button"
                            class="quiet"
                            aria-label="Put this message away"
                            onClick={() => putAway(outcome.number)}
                        >
                            ✕
                        </button>
                    </li>
                ))}
            </ul>
        </aside>
    );
}
