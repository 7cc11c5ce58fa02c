// Where in the page one is: kept behind the `#` of the address, so that it works under every base and can be shared.

import { computed, signal } from "@preact/signals";

export interface Place {
    /** The parts of the path, decoded: `["instances", "order-1"]`. */
    path: string[];
    query: URLSearchParams;
}

const hash = signal(location.hash);
addEventListener("hashchange", () => {
    hash.value = location.hash;
});

/** Where one is. */
export const place = computed<Place>(() => parse(hash.value));

function parse(text: string): Place {
    const [path = "", query = ""] = text.replace(/^#\/?/, "").split(/\?(.*)/s, 2);
    return { path: path.split("/").filter(Boolean).map(decoded), query: new URLSearchParams(query) };
}

function decoded(part: string): string {
    try {
        return decodeURIComponent(part);
    } catch {
        return part;
    }
}

type Query = Record<string, string | null | undefined>;

/** The address of a place. */
export function linkTo(path: string[], query: Query = {}): string {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) if (value) parameters.set(name, value);
    const text = parameters.toString();
    return `#/${path.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

/** The address of an instance: of an entity that is its own page. */
export function linkToInstance(instanceId: string, query: Query = {}): string {
    const entity = entityOf(instanceId);
    return entity ? linkTo(["entities", entity.name, entity.key]) : linkTo(["instances", instanceId], query);
}

/** The name and key in the instance id of an entity. */
export function entityOf(instanceId: string): { name: string; key: string } | null {
    const found = /^@([^@]+)@(.+)$/s.exec(instanceId);
    return found ? { name: found[1] as string, key: found[2] as string } : null;
}

/** Goes somewhere, as a link would. */
export function goTo(link: string): void {
    location.hash = link;
    // The browser tells of it only later; until then what was left would go on.
    hash.value = location.hash;
}

/** Puts another query behind the place where one is, without a step in the browser's history. */
export function changeQuery(query: Query): void {
    history.replaceState(null, "", location.pathname + location.search + linkTo(place.peek().path, query));
    hash.value = location.hash;
}
