// Going forth and back through the pages of a listing.

import { type Signal, useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { Page } from "../api/types";

/** Where the pages so far begin, that of the page that is shown last; the first begins without a token. */
export type Tokens = Signal<(string | null)[]>;

/** The pages of what is asked for: from the first again when something else is asked for. */
export function usePages(asked: string): { tokens: Tokens; token: string | null } {
    const tokens: Tokens = useSignal<(string | null)[]>([null]);
    const last = useRef(asked);
    if (last.current !== asked) {
        last.current = asked;
        tokens.value = [null];
    }
    return { tokens, token: tokens.value.at(-1) ?? null };
}

/** The buttons to the page before and the next. */
export function Pager({ tokens, data }: { tokens: Tokens; data: Page<unknown> | null }) {
    const next = data?.continuationToken;
    return (
        <>
            <button
                type="button"
                disabled={tokens.value.length < 2}
                onClick={() => (tokens.value = tokens.value.slice(0, -1))}
            >
                Previous
            </button>
            <button type="button" disabled={!next} onClick={() => (tokens.value = [...tokens.value, next ?? null])}>
                {next && data.items.length === 0 ? "Search on" : "Next"}
            </button>
        </>
    );
}
