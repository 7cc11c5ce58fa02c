// What screen readers are told without being asked.

import { signal } from "@preact/signals";

const said = signal("");

/** Says a text when the reader has time. */
export function announce(text: string): void {
    // The same text twice is two messages.
    said.value = said.peek() === text ? `${text} ` : text;
}

/** Where it is said; once on the page. */
export function Announcer() {
    return (
        <div class="unseen" role="status" aria-live="polite">
            {said.value}
        </div>
    );
}
