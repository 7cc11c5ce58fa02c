// The frame of the page: where one can go, whether what is shown is live, and the view that is asked for.

import { useEffect } from "preact/hooks";
import { dropKey, hasKey, keyChanges, trouble } from "./api/client";
import { useOverview } from "./api/overview";
import { live, refreshes } from "./api/polling";
import { linkTo, place } from "./model/route";
import { nextTheme, theme } from "./model/preferences";
import { ActionDialog } from "./parts/action_dialog";
import { Announcer } from "./parts/announce";
import { Empty, Sign } from "./parts/basics";
import { Help, showHelp, useShortcuts } from "./parts/help";
import { KeyPrompt } from "./parts/key_prompt";
import { Outcomes } from "./parts/outcomes";
import { Entities } from "./views/entities";
import { EntityView } from "./views/entity";
import { Hub } from "./views/hub";
import { InstanceView } from "./views/instance";
import { Instances } from "./views/instances";
import { Schedules } from "./views/schedules";

const ROOMS = { instances: "Instances", entities: "Entities", schedules: "Schedules", hub: "Hub" };
const THEME_SIGNS = {
    auto: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM8 3v10A5 5 0 0 1 8 3z",
    light: "M8 4.8a3.2 3.2 0 1 0 0 6.4 3.2 3.2 0 0 0 0-6.4zM7.3 1h1.4v2.2H7.3zm0 11.8h1.4V15H7.3zM1 7.3h2.2v1.4H1zm11.8 0H15v1.4h-2.2zM3 4l1-1 1.6 1.6-1 1zm7.4 7.4 1-1L13 12l-1 1zM3 12l1.6-1.6 1 1L4 13zm7.4-7.4L12 3l1 1-1.6 1.6z",
    dark: "M6.5 2a6 6 0 1 0 7.5 7.5A5 5 0 0 1 6.5 2z",
};

/** The page. */
export function App() {
    const hub = useOverview();
    useShortcuts();
    const [room = "instances", ...rest] = place.value.path;
    const title = rest.length > 0 ? rest.join(" ") : (ROOMS[room as keyof typeof ROOMS] ?? "Nothing here");
    const name = hub.data?.name;
    useEffect(() => {
        document.title = `${title} · ${name ?? "Durable monitor"}`;
    }, [title, name]);
    return (
        <>
            <a class="skip" href="#main" onClick={skip}>
                Skip to the content
            </a>
            <header class="topbar">
                <a class="brand" href={linkTo(["instances"])}>
                    <svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true" focusable="false">
                        <path d="M4 6h9v3H4zM8 11h12v3H8zM13 16h7v3h-7z" fill="currentColor" />
                    </svg>
                    <span>{name ?? "Durable monitor"}</span>
                </a>
                <nav aria-label="Main">
                    {Object.entries(ROOMS).map(([key, word]) => (
                        <a key={key} href={linkTo([key])} aria-current={key === room ? "page" : undefined}>
                            {word}
                            {key === "hub" &&
                                hub.data &&
                                hub.data.findings.some((finding) => finding.level !== "info") && (
                                    <span class="dot">
                                        <span class="unseen">needs a look</span>
                                    </span>
                                )}
                        </a>
                    ))}
                </nav>
                <div class="topbar-tools">
                    <Live />
                    <button
                        type="button"
                        class="quiet icon"
                        onClick={() => refreshes.value++}
                        aria-label="Refresh"
                        title="Refresh (r)"
                    >
                        <Sign path="M8 3a5 5 0 0 1 4.3 2.4V3h1.5v5h-5V6.5h2.4A3.5 3.5 0 1 0 11.3 9.5h1.6A5 5 0 1 1 8 3z" />
                    </button>
                    <button
                        type="button"
                        class="quiet icon"
                        onClick={nextTheme}
                        aria-label={`Theme: ${{ auto: "that of the system", light: "light", dark: "dark" }[theme.value]}`}
                        title="Theme (t)"
                    >
                        <Sign path={THEME_SIGNS[theme.value]} />
                    </button>
                    {keyChanges.value >= 0 && hasKey() && (
                        <button type="button" class="quiet small" onClick={dropKey}>
                            Forget key
                        </button>
                    )}
                    <button type="button" class="quiet icon" onClick={showHelp} aria-label="Keys" title="Keys (?)">
                        ?
                    </button>
                </div>
            </header>
            <Connection />
            <main id="main" tabIndex={-1}>
                <View room={room} rest={rest} hub={hub} />
            </main>
            <Outcomes />
            <Announcer />
            <ActionDialog />
            <Help />
            <KeyPrompt />
        </>
    );
}

function View({ room, rest, hub }: { room: string; rest: string[]; hub: ReturnType<typeof useOverview> }) {
    const [first, second] = rest;
    if (room === "instances") return first === undefined ? <Instances /> : <InstanceView key={first} id={first} />;
    if (room === "entities" && first !== undefined && second !== undefined) {
        return <EntityView key={`${first} ${second}`} name={first} key_={second} />;
    }
    if (room === "entities") return <Entities />;
    if (room === "schedules") return <Schedules />;
    if (room === "hub") return <Hub data={hub.data} error={hub.error} refresh={hub.refresh} />;
    return (
        <Empty>
            <p>There is nothing here.</p>
            <a class="button" href={linkTo(["instances"])}>
                To the instances
            </a>
        </Empty>
    );
}

function Live() {
    const on = live.value;
    return (
        <button
            type="button"
            class={`live${on ? " is-on" : ""}`}
            aria-pressed={on}
            onClick={() => (live.value = !on)}
            title="Live updates (p)"
        >
            <span class="live-dot" aria-hidden="true" />
            {on ? "Live" : "Stopped"}
        </button>
    );
}

/** Says that the host gives no answer, as long as it is so. What is shown stays. */
function Connection() {
    const wrong = trouble.value;
    return (
        <div aria-live="polite">
            {wrong && (
                <div class="connection">
                    <span>
                        {wrong.message}{" "}
                        {live.value && "It is asked again by itself; what you see is the last that is known."}
                    </span>
                    <button type="button" class="small" onClick={() => refreshes.value++}>
                        Try now
                    </button>
                </div>
            )}
        </div>
    );
}

function skip(event: Event): void {
    event.preventDefault();
    document.getElementById("main")?.focus();
}
