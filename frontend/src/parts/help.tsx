// The short cuts: what they do, and their being explained.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { live, refreshes } from "../api/polling";
import { goTo, linkTo } from "../model/route";
import { nextTheme, shortcuts } from "../model/preferences";
import { announce } from "./announce";
import { Dialog } from "./dialog";

const shown = signal(false);

/** Shows what the keys do. */
export function showHelp(): void {
    shown.value = true;
}

const KEYS: [string, string][] = [
    ["?", "This help"],
    ["g then i", "Instances"],
    ["g then e", "Entities"],
    ["g then s", "Schedules"],
    ["g then h", "Hub"],
    ["/", "Search"],
    ["j and k", "Next and previous row"],
    ["r", "Ask for everything anew"],
    ["p", "Stop and go on with live updates"],
    ["t", "Theme: that of the system, light, dark"],
];
const CHART_KEYS: [string, string][] = [
    ["↑ and ↓", "Next and previous step"],
    ["← and →", "Earlier and later"],
    ["+ and −", "Zoom in and out"],
    ["0", "All of it"],
    ["Esc", "Close the step"],
];
const PLACES: Record<string, string> = { i: "instances", e: "entities", s: "schedules", h: "hub" };

/** Makes the keys work; used once, by the frame of the page. */
export function useShortcuts(): void {
    useEffect(() => {
        let going = 0;
        const onKeyDown = (event: KeyboardEvent): void => {
            if (
                event.ctrlKey ||
                event.metaKey ||
                event.altKey ||
                event.defaultPrevented ||
                document.querySelector("dialog[open]")
            )
                return;
            const target = event.target as HTMLElement;
            if (target.closest("input, textarea, select, [contenteditable]")) return;
            if (!shortcuts.value && event.key !== "?") return;
            const after = Date.now() - going < 1500 ? PLACES[event.key] : undefined;
            going = event.key === "g" ? Date.now() : 0;
            if (after) goTo(linkTo([after]));
            else if (!press(event.key)) return;
            event.preventDefault();
        };
        document.addEventListener("keydown", onKeyDown);
        return () => document.removeEventListener("keydown", onKeyDown);
    }, []);
}

function press(key: string): boolean {
    switch (key) {
        case "?":
            showHelp();
            return true;
        case "/": {
            const search = document.querySelector<HTMLElement>("main input[type=search]");
            search?.focus();
            return search !== null;
        }
        case "r":
            refreshes.value++;
            announce("Asked anew.");
            return true;
        case "p":
            live.value = !live.value;
            announce(live.value ? "Live updates go on." : "Live updates are stopped.");
            return true;
        case "t":
            nextTheme();
            return true;
        case "j":
        case "k":
            return step(key === "j" ? 1 : -1);
        default:
            return false;
    }
}

/** Moves the focus from row to row of the table. */
function step(by: number): boolean {
    const rows = [...document.querySelectorAll<HTMLElement>("main table.rows tbody tr :is(th a, th button)")];
    if (rows.length === 0) return false;
    const at = rows.indexOf(document.activeElement as HTMLElement);
    rows[at === -1 ? 0 : Math.max(0, Math.min(rows.length - 1, at + by))]?.focus();
    return true;
}

/** The help, where it is asked for. */
export function Help() {
    if (!shown.value) return null;
    return (
        <Dialog title="Keys" onClose={() => (shown.value = false)}>
            <div class="keys">
                <KeyList keys={KEYS} name="Everywhere" />
                <KeyList keys={CHART_KEYS} name="In the timeline" />
            </div>
            <label class="check">
                <input
                    type="checkbox"
                    checked={shortcuts.value}
                    onChange={(event) => (shortcuts.value = event.currentTarget.checked)}
                />
                <span>Single keys are short cuts</span>
            </label>
            <footer>
                <button type="button" class="primary" onClick={() => (shown.value = false)}>
                    Close
                </button>
            </footer>
        </Dialog>
    );
}

function KeyList({ keys, name }: { keys: [string, string][]; name: string }) {
    return (
        <section>
            <h3>{name}</h3>
            <dl>
                {keys.map(([key, does]) => (
                    <div key={key}>
                        <dt>
                            <kbd>{key}</kbd>
                        </dt>
                        <dd>{does}</dd>
                    </div>
                ))}
            </dl>
        </section>
    );
}
