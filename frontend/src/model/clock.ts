// The time by the host's clock, ticking once in a second for whatever shows ages and open steps.

import { signal } from "@preact/signals";
import { clockAhead } from "../api/client";

/** Now, in milliseconds, as the host counts. */
export const now = signal(Date.now());

setInterval(() => {
    if (!document.hidden) now.value = Date.now() + clockAhead.peek();
}, 1000);
document.addEventListener("visibilitychange", () => {
    if (!document.hidden) now.value = Date.now() + clockAhead.peek();
});
