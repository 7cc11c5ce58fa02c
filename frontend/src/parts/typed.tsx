// A text field whose text takes effect when one stops typing.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

/** A text that takes effect when one stops typing. */
export function Typed({
    id,
    label,
    hint,
    value,
    set,
    choices,
    kind = "text",
}: {
    id: string;
    label: string;
    hint: string;
    value: string | undefined;
    set: (value: string | null) => void;
    choices?: readonly string[];
    kind?: "text" | "search";
}) {
    const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
    const typed = useSignal<string | null>(null);
    useEffect(() => {
        typed.value = null;
    }, [value]);
    const settle = (text: string): void => {
        clearTimeout(timer.current);
        set(text.trim() || null);
    };
    return (
        <div class="field">
            <label for={id}>{label}</label>
            <input
                id={id}
                type={kind}
                placeholder={hint}
                autoComplete="off"
                spellcheck={false}
                list={choices && `${id}-choices`}
                value={typed.value ?? value ?? ""}
                onInput={(event) => {
                    const text = event.currentTarget.value;
                    typed.value = text;
                    clearTimeout(timer.current);
                    timer.current = setTimeout(() => settle(text), 300);
                }}
                onChange={(event) => settle(event.currentTarget.value)}
            />
            {choices && (
                <datalist id={`${id}-choices`}>
                    {choices.map((choice) => (
                        <option key={choice} value={choice} />
                    ))}
                </datalist>
            )}
        </div>
    );
}
