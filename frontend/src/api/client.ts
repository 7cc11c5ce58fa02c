// Requests to the management API: where it is, the caller's key, and what went wrong.

import { signal } from "@preact/signals";
import { forget, recall, remember } from "../model/memory";

/** An answer that is an error, or none at all (`status` 0). */
export class ApiError extends Error {
    constructor(
        readonly status: number,
        message: string,
        readonly retryAfter: number | null = null,
    ) {
        super(message);
    }
}

/** Whether the host wants a key: `refused` where it did not take the one that it was given. */
export const keyWanted = signal<"no" | "missing" | "refused">("no");
/** Counts up when there is a new key, so that what waits for one asks again. */
export const keyChanges = signal(0);
/** What went wrong with the newest request, as long as nothing has gone well since. */
export const trouble = signal<ApiError | null>(null);
/** How far the host's clock is ahead of this one, in milliseconds. */
export const clockAhead = signal(0);

const KEY = "durable-monitor-key";
const base = location.pathname.replace(/\/monitor\/?$/, "/");
let key = recall("sessionStorage", KEY);

/** Takes a key that is in the address, once, and removes it from there. */
export function takeKeyFromAddress(): void {
    const query = new URLSearchParams(location.search);
    const given = query.get("code");
    if (given === null) return;
    query.delete("code");
    const rest = query.toString();
    history.replaceState(null, "", location.pathname + (rest ? `?${rest}` : "") + location.hash);
    if (given) useKey(given);
}

/** Sends this key from now on; it is kept as long as this tab is open. */
export function useKey(given: string): void {
    key = given;
    remember("sessionStorage", KEY, given);
    keyWanted.value = "no";
    keyChanges.value++;
}

/** Forgets the key, and all that was shown with it. */
export function dropKey(): void {
    forget("sessionStorage", KEY);
    location.reload();
}

/** Whether a key is in use. */
export function hasKey(): boolean {
    return key !== null;
}

const cache = new Map<string, { etag: string; data: unknown }>();
const MOST_CACHED = 60;

/** Gets data of the monitor; what has not changed since it was last asked for is the very same object. */
export async function get<T>(path: string, stop?: AbortSignal): Promise<T> {
    const known = cache.get(path);
    const headers: Record<string, string> = known ? { "If-None-Match": known.etag } : {};
    const answer = await send("GET", path, headers, undefined, stop);
    if (answer.status === 304 && known) return known.data as T;
    const data = (await answer.json()) as T;
    const etag = answer.headers.get("ETag");
    cache.delete(path);
    if (etag) cache.set(path, { etag, data });
    if (cache.size > MOST_CACHED) cache.delete(cache.keys().next().value as string);
    return data;
}

/** Gets a value whole, as the JSON text that is stored. */
export async function getText(path: string): Promise<string> {
    return (await send("GET", path, {})).text();
}

/** Has something done. `body` is JSON text. */
export async function act<T = unknown>(method: "POST" | "DELETE", path: string, body?: string): Promise<T | null> {
    const headers: Record<string, string> = body === undefined ? {} : { "Content-Type": "application/json" };
    const text = await (await send(method, path, headers, body)).text();
    try {
        return text ? (JSON.parse(text) as T) : null;
    } catch {
        return null;
    }
}

async function send(
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: string,
    stop?: AbortSignal,
): Promise<Response> {
    const all = key === null ? headers : { ...headers, "x-functions-key": key };
    const sent = key;
    let answer: Response;
    try {
        answer = await fetch(base + path, {
            method,
            headers: all,
            body: body ?? null,
            signal: stop ?? null,
            cache: "no-store",
            credentials: "same-origin",
            redirect: "error",
        });
    } catch (error) {
        if (stop?.aborted) throw error;
        throw note(new ApiError(0, "The host does not answer. It may have been stopped, or the network is down."));
    }
    noteClock(answer);
    if (answer.ok || answer.status === 304) {
        trouble.value = null;
        return answer;
    }
    const after = Number.parseInt(answer.headers.get("Retry-After") ?? "", 10);
    const error = new ApiError(answer.status, await messageOf(answer), Number.isFinite(after) ? after : null);
    if (answer.status === 401 || answer.status === 403) {
        // Another request may have brought a key in the meantime.
        if (sent === key) keyWanted.value = sent === null ? "missing" : "refused";
        throw error;
    }
    if (answer.status >= 500) throw note(error);
    trouble.value = null;
    throw error;
}

function note(error: ApiError): ApiError {
    trouble.value = error;
    return error;
}

async function messageOf(answer: Response): Promise<string> {
    try {
        const told = (await answer.json()) as { Message?: unknown };
        if (typeof told.Message === "string" && told.Message) return told.Message;
    } catch {
        // Somebody between us and the host answered in words of his own.
    }
    return `The host answered ${answer.status}${answer.statusText ? ` (${answer.statusText})` : ""}.`;
}

function noteClock(answer: Response): void {
    const told = Date.parse(answer.headers.get("Date") ?? "");
    if (Number.isNaN(told)) return;
    // The header counts whole seconds: less than two are no difference.
    const ahead = told - Date.now();
    clockAhead.value = Math.abs(ahead) < 2000 ? 0 : ahead;
}

/** A path below the base, its segments encoded, with the parameters that have a value. */
export function pathOf(
    segments: string[],
    query: Record<string, string | number | boolean | null | undefined> = {},
): string {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
        if (value !== null && value !== undefined && value !== "" && value !== false)
            parameters.set(name, String(value));
    }
    const text = parameters.toString();
    return segments.map(encodeURIComponent).join("/") + (text ? `?${text}` : "");
}

/** A path of the monitor's own data. */
export function dataPath(
    segments: string[],
    query: Record<string, string | number | boolean | null | undefined> = {},
): string {
    return pathOf(["monitor", "api", ...segments], query);
}
