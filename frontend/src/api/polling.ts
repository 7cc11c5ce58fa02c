// Asks for data again and again, quicker while it changes; not while nobody looks.

import { signal, useSignal } from "@preact/signals";
import { useCallback, useEffect, useRef } from "preact/hooks";
import { ApiError, keyChanges } from "./client";

/** Whether data is renewed by itself. */
export const live = signal(true);
/** Counts up when everything on the page is to be asked for anew. */
export const refreshes = signal(0);

const resting = signal(false);
const underWay = new Set<AbortController>();

/**
 * Does something while nothing is asked for: answers would tell of before, and what is being deleted is not there to be
 * asked for. Afterwards everything is asked for anew.
 */
export async function atRest<T>(act: () => Promise<T>): Promise<T> {
    resting.value = true;
    for (const asked of underWay) asked.abort();
    try {
        return await act();
    } finally {
        resting.value = false;
        refreshes.value++;
    }
}

const QUICKEST = 2_000;
const SLOWEST = 10_000;
const SLOWEST_IN_TROUBLE = 30_000;

export interface Polled<T> {
    data: T | null;
    error: ApiError | null;
    /** Asks at once. */
    refresh: () => void;
}

/**
 * The newest answer of `ask`. While it fails, the last good one stays.
 *
 * @param what changes when another thing is asked for: then what is known of the former is forgotten.
 * @param isPart whether there is more of it to be had at once.
 */
export function usePolled<T>(
    what: string | null,
    ask: (stop: AbortSignal, last: T | null) => Promise<T>,
    {
        quickest = QUICKEST,
        slowest = SLOWEST,
        isPart,
    }: { quickest?: number; slowest?: number; isPart?: (data: T) => boolean } = {},
): Polled<T> {
    const known = useSignal<{ what: string | null; data: T | null; error: ApiError | null }>({
        what: null,
        data: null,
        error: null,
    });
    const asking = useRef(ask);
    asking.current = ask;
    const now = useRef<() => void>(() => {});
    const isLive = live.value;
    const isResting = resting.value;
    const nudge = `${keyChanges.value}.${refreshes.value}`;

    useEffect(() => {
        if (what === null || isResting) return;
        const stop = new AbortController();
        underWay.add(stop);
        let timer: ReturnType<typeof setTimeout> | undefined;
        let pause = quickest;
        let busy = false;
        let again = false;

        const look = async (): Promise<void> => {
            clearTimeout(timer);
            if (busy) {
                again = true;
                return;
            }
            busy = true;
            let goesOn = false;
            const mine = known.peek().what === what ? known.peek() : { what, data: null, error: null };
            try {
                const data = await asking.current(stop.signal, mine.data);
                if (stop.signal.aborted) return;
                goesOn = data !== mine.data && (isPart?.(data) ?? false);
                pause = data === mine.data ? Math.min(pause * 1.5, slowest) : quickest;
                if (data !== mine.data || mine.error || mine !== known.peek())
                    known.value = { what, data, error: null };
            } catch (error) {
                if (stop.signal.aborted) return;
                const told = error instanceof ApiError ? error : new ApiError(0, String(error));
                pause = Math.min(Math.max(pause * 2, (told.retryAfter ?? 0) * 1000), SLOWEST_IN_TROUBLE);
                known.value = { what, data: mine.data, error: told };
            } finally {
                busy = false;
            }
            if (again || goesOn) {
                again = false;
                void look();
            } else if (isLive && !document.hidden) {
                timer = setTimeout(() => void look(), pause);
            }
        };
        now.current = () => {
            pause = quickest;
            void look();
        };
        const seen = (): void => {
            clearTimeout(timer);
            if (isLive && !document.hidden) now.current();
        };
        document.addEventListener("visibilitychange", seen);
        void look();
        return () => {
            stop.abort();
            underWay.delete(stop);
            clearTimeout(timer);
            document.removeEventListener("visibilitychange", seen);
        };
    }, [what, isLive, isResting, nudge, quickest, slowest]);

    const refresh = useCallback(() => now.current(), []);
    const current = known.value;
    // For one render after a change it is still what was asked for before.
    if (current.what !== what) return { data: null, error: null, refresh };
    return { data: current.data, error: current.error, refresh };
}
