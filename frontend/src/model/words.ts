// How times, durations and sizes are said.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Milliseconds since 1970, with the fraction that the text has; NaN where it is no time. */
export function millis(time: string): number {
    const whole = Date.parse(time);
    // `Date` counts whole milliseconds; steps may be shorter than one.
    const fraction = /\.\d{3}(\d{1,6})/.exec(time)?.[1];
    return fraction ? whole + Number(`0.${fraction}`) : whole;
}

/** A duration with its two largest units: `2 h 5 min`, `3.2 s`, `48 ms`. */
export function duration(ms: number): string {
    if (Number.isNaN(ms)) return "–";
    if (ms < 0) return `−${duration(-ms)}`;
    if (ms < 1) return ms === 0 ? "0 ms" : "<1 ms";
    if (ms < SECOND) return `${Math.round(ms)} ms`;
    if (ms < 9_950) return `${(ms / SECOND).toFixed(1)} s`;
    if (ms < MINUTE) return `${Math.round(ms / SECOND)} s`;
    if (ms < HOUR) return two(ms, MINUTE, "min", SECOND, "s");
    if (ms < DAY) return two(ms, HOUR, "h", MINUTE, "min");
    return two(ms, DAY, "d", HOUR, "h");
}

function two(ms: number, large: number, largeName: string, small: number, smallName: string): string {
    const rest = Math.floor((ms % large) / small);
    return `${Math.floor(ms / large)} ${largeName}${rest ? ` ${rest} ${smallName}` : ""}`;
}

/** How long ago, or how far ahead, with one unit: `3 min ago`, `in 2 h`. */
export function age(time: number, now: number): string {
    const ms = Math.abs(now - time);
    if (ms < 5 * SECOND) return time > now ? "in a moment" : "just now";
    const [count, unit] =
        ms < MINUTE
            ? [ms / SECOND, "s"]
            : ms < HOUR
              ? [ms / MINUTE, "min"]
              : ms < DAY
                ? [ms / HOUR, "h"]
                : [ms / DAY, "d"];
    const ahead = time > now;
    const text = `${ahead ? Math.round(count) : Math.floor(count)} ${unit}`;
    return ahead ? `in ${text}` : `${text} ago`;
}

const LOCAL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const DATE = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

/** A moment as people here write it. */
export function localTime(ms: number): string {
    return Number.isNaN(ms) ? "–" : LOCAL.format(ms);
}

/** Only the time of day. */
export function clockTime(ms: number): string {
    return CLOCK.format(ms);
}

/** A mark of the time axis: as much as differs between marks that are `step` apart. */
export function axisTime(ms: number, step: number): string {
    if (step >= DAY) return DATE.format(ms);
    const clock = new Date(ms);
    const text = `${pad(clock.getHours())}:${pad(clock.getMinutes())}`;
    if (step >= MINUTE) return clock.getHours() + clock.getMinutes() === 0 ? DATE.format(ms) : text;
    const seconds = `${text}:${pad(clock.getSeconds())}`;
    return step >= SECOND ? seconds : `:${pad(clock.getSeconds())}.${String(clock.getMilliseconds()).padStart(3, "0")}`;
}

function pad(number: number): string {
    return String(number).padStart(2, "0");
}

/** How much a text of so many characters is. */
export function size(characters: number): string {
    if (characters < 1000) return count(characters, "character");
    if (characters < 1_000_000) return `${(characters / 1000).toFixed(1)} KB`;
    return `${(characters / 1_000_000).toFixed(1)} MB`;
}

/** `1 instance`, `2 instances`. */
export function count(number: number, one: string, many = `${one}s`): string {
    return `${number.toLocaleString()} ${number === 1 ? one : many}`;
}
