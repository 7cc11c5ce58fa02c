// A small chart of numbers over time, with its newest value and its highest in words.

/** A point: when, and how many. */
export interface Point {
    at: number;
    value: number;
}

const WIDTH = 300;
const HEIGHT = 60;

/** The chart. `unit` follows the number: `messages`. */
export function LineChart({ points, name, unit }: { points: readonly Point[]; name: string; unit: string }) {
    const first = points[0];
    const last = points.at(-1);
    const most = Math.max(1, ...points.map((point) => point.value));
    const span = first && last ? Math.max(1, last.at - first.at) : 1;
    const x = (point: Point): string => (((point.at - (first?.at ?? 0)) / span) * WIDTH).toFixed(1);
    const y = (point: Point): string => (HEIGHT - 2 - (point.value / most) * (HEIGHT - 8)).toFixed(1);
    const line = points.map((point, at) => `${at === 0 ? "M" : "L"}${x(point)} ${y(point)}`).join("");
    const text = last ? `${name}: ${shown(last.value)} ${unit} now, at most ${shown(most)}` : name;
    return (
        <figure class="chart">
            <figcaption>
                <span>{name}</span>
                <strong class="number">{last ? shown(last.value) : "–"}</strong>
                <span class="muted">{unit}</span>
            </figcaption>
            <svg
                viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
                preserveAspectRatio="none"
                role="img"
                aria-label={text}
                focusable="false"
            >
                {points.length > 1 && first && last && (
                    <>
                        <path class="chart-area" d={`${line}L${x(last)} ${HEIGHT}L${x(first)} ${HEIGHT}z`} />
                        <path class="chart-line" d={line} vector-effect="non-scaling-stroke" />
                    </>
                )}
            </svg>
            <span class="muted small-text">
                {points.length > 1 ? `since the page was opened; at most ${shown(most)}` : "drawn from what comes in"}
            </span>
        </figure>
    );
}

function shown(value: number): string {
    return value >= 100 || Number.isInteger(value) ? Math.round(value).toLocaleString() : value.toFixed(1);
}
