// Long lists of rows of one height: only those that are in sight are in the document.

import { useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect } from "preact/hooks";

export interface Sight {
    first: number;
    /** One past the last. */
    end: number;
}

const BEYOND = 8;

/** Which of `count` rows are in sight of a scrolling element, and a few beyond. */
export function useSight(scroller: RefObject<HTMLElement | null>, count: number, rowHeight: number): Sight {
    const view = useSignal({ top: 0, height: 30 });
    useEffect(() => {
        const element = scroller.current;
        if (!element) return;
        const look = (): void => {
            // In steps of rows: what does not change what is in sight, draws nothing.
            const top = Math.floor(Math.max(0, element.scrollTop) / rowHeight);
            const height = Math.ceil(element.clientHeight / rowHeight);
            const last = view.peek();
            if (last.top !== top || last.height !== height) view.value = { top, height };
        };
        const watcher = new ResizeObserver(look);
        watcher.observe(element);
        element.addEventListener("scroll", look, { passive: true });
        look();
        return () => {
            watcher.disconnect();
            element.removeEventListener("scroll", look);
        };
    }, [rowHeight, count > 0]);
    const first = Math.max(0, Math.min(view.value.top - BEYOND, count - 1));
    return { first, end: Math.min(count, view.value.top + view.value.height + BEYOND) };
}

/** Scrolls so that a row is in sight. */
export function showRow(scroller: HTMLElement | null, row: number, rowHeight: number): void {
    if (!scroller) return;
    const top = row * rowHeight;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + rowHeight > scroller.scrollTop + scroller.clientHeight) {
        scroller.scrollTop = top + rowHeight - scroller.clientHeight;
    }
}
