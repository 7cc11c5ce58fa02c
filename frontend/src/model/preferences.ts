// What a person has chosen for himself: the theme, and whether single keys do something.

import { effect, signal } from "@preact/signals";
import { recall, remember } from "./memory";

export type Theme = "auto" | "light" | "dark";
const THEMES: Theme[] = ["auto", "light", "dark"];

const recalled = recall("localStorage", "durable-monitor-theme") as Theme | null;
/** The theme; `auto` is that of the system. */
export const theme = signal<Theme>(recalled && THEMES.includes(recalled) ? recalled : "auto");
/** Whether single keys are short cuts. */
export const shortcuts = signal(recall("localStorage", "durable-monitor-keys") !== "off");

const dark = matchMedia("(prefers-color-scheme: dark)");
const systemIsDark = signal(dark.matches);
dark.addEventListener("change", () => {
    systemIsDark.value = dark.matches;
});

effect(() => {
    const shown = theme.value === "auto" ? (systemIsDark.value ? "dark" : "light") : theme.value;
    document.documentElement.dataset.theme = shown;
    remember("localStorage", "durable-monitor-theme", theme.value);
});
effect(() => remember("localStorage", "durable-monitor-keys", shortcuts.value ? "on" : "off"));

/** Takes the next theme. */
export function nextTheme(): void {
    theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] as Theme;
}
