// The part of time that a chart shows, and its moving and stretching.

/** From when to when, in milliseconds. */
export interface Span {
    from: number;
    to: number;
}

const SHORTEST = 1;

/** As long as `factor` says, with the moment `at` where it was; never beyond `all`. */
export function zoomed(span: Span, factor: number, at: number, all: Span): Span {
    const length = Math.min(Math.max((span.to - span.from) * factor, SHORTEST), all.to - all.from);
    const share = (at - span.from) / (span.to - span.from);
    return within({ from: at - length * share, to: at + length * (1 - share) }, all);
}

/** Moved by so many milliseconds, as far as `all` goes. */
export function moved(span: Span, by: number, all: Span): Span {
    return within({ from: span.from + by, to: span.to + by }, all);
}

function within(span: Span, all: Span): Span {
    const length = span.to - span.from;
    if (length >= all.to - all.from) return all;
    const from = Math.min(Math.max(span.from, all.from), all.to - length);
    return { from, to: from + length };
}

/** A bar's place in a span, in percent; null: it is out of sight. `to` NaN means that it goes on to the end. */
export function placed(from: number, to: number, span: Span): { left: number; width: number } | null {
    const end = Number.isNaN(to) ? span.to : to;
    if (end < span.from || from > span.to) return null;
    const length = span.to - span.from;
    const left = Math.max(0, (from - span.from) / length) * 100;
    const right = Math.min(1, (end - span.from) / length) * 100;
    return { left, width: Math.max(0, right - left) };
}
