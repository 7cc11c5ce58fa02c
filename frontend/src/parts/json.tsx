// Values as people read them: formatted JSON; large ones on demand.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ApiError, getText } from "../api/client";
import type { Value } from "../api/types";
import { formatted, pieces } from "../model/json_text";
import { size } from "../model/words";
import { Copy } from "./basics";

/** Characters that are shown at first, and of which kinds are told apart. */
const SHOWN = 200_000;
const COLOURED = 20_000;

/** A JSON text. */
export function Json({ text, name }: { text: string; name: string }) {
    const whole = useSignal(false);
    const long = text.length > SHOWN && !whole.value;
    const shown = long ? text.slice(0, SHOWN) : text;
    return (
        <div class="json">
            <pre tabIndex={0} role="group" aria-label={name}>
                {shown.length > COLOURED
                    ? long
                        ? shown
                        : formatted(shown)
                    : pieces(shown).map((piece, at) =>
                          piece.kind === "plain" ? (
                              piece.text
                          ) : (
                              <span key={at} class={`json-${piece.kind}`}>
                                  {piece.text}
                              </span>
                          ),
                      )}
            </pre>
            <div class="json-side">
                <span class="muted">{size(text.length)}</span>
                <Copy text={text} what={name} />
                {text.length > COLOURED && (
                    <button type="button" class="quiet small" onClick={() => save(text, name)}>
                        Save
                    </button>
                )}
                {long && (
                    <button type="button" class="quiet small" onClick={() => (whole.value = true)}>
                        Show all of it
                    </button>
                )}
            </div>
        </div>
    );
}

function save(text: string, name: string): void {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = `${name.replaceAll(/[^\w.-]+/g, "-").toLowerCase()}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/**
 * A value of the hub.
 *
 * @param path where it is to be had whole.
 * @param name what it is called: `Input`.
 */
export function ValueView({ value, path, name }: { value: Value; path: string; name: string }) {
    const fetched = useSignal<string | null>(null);
    const busy = useSignal(false);
    const problem = useSignal<string | null>(null);
    const key = `${path} ${value?.size ?? ""}`;
    useEffect(() => {
        fetched.value = null;
        problem.value = null;
    }, [key]);
    if (value === null || value === undefined) return <p class="none">None</p>;
    const text = value.text ?? fetched.value;
    if (text !== null && text !== undefined) return <Json text={text} name={name} />;
    const show = async (): Promise<void> => {
        busy.value = true;
        problem.value = null;
        try {
            fetched.value = await getText(path);
        } catch (error) {
            problem.value = error instanceof ApiError ? error.message : String(error);
        }
        busy.value = false;
    };
    return (
        <p>
            <button type="button" onClick={() => void show()} disabled={busy.value}>
                {busy.value
                    ? "Loading…"
                    : `Show ${name.toLowerCase()}${value.size === null ? "" : ` (${size(value.size)})`}`}
            </button>
            {problem.value && (
                <span class="problem" role="alert">
                    {problem.value}
                </span>
            )}
        </p>
    );
}
