// Something to be done: what will happen, what is needed for it, and what came of it.

import { signal, useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { ApiError } from "../api/client";
import { atRest, refreshes } from "../api/polling";
import { mistakeIn } from "../model/json_text";
import { Dialog } from "./dialog";
import { say } from "./outcomes";

export interface Field {
    name: string;
    label: string;
    kind: "text" | "json" | "check" | "choice";
    hint?: string;
    required?: boolean;
    initial?: string;
    choices?: string[];
}

export interface Action {
    /** What the button says. */
    label: string;
    title: string;
    /** What will happen. */
    explains: string;
    fields: Field[];
    /** It cannot be taken back. */
    grave?: boolean;
    /** Does it, and tells what came of it. A check is `"true"` or `""`. */
    run: (values: Record<string, string>) => Promise<string>;
}

const asked = signal<Action | null>(null);

/** Asks whether to do it. */
export function ask(action: Action): void {
    asked.value = action;
}

/** Where it is asked; once on the page. */
export function ActionDialog() {
    const action = asked.value;
    return action && <Asked key={action.title} action={action} />;
}

function Asked({ action }: { action: Action }) {
    const values = useSignal<Record<string, string>>(
        Object.fromEntries(action.fields.map((field) => [field.name, field.initial ?? ""])),
    );
    const busy = useSignal(false);
    const problem = useSignal<string | null>(null);
    const tried = useSignal(false);
    const form = useRef<HTMLFormElement>(null);
    const mistakes = Object.fromEntries(
        action.fields.map((field) => [field.name, mistake(field, values.value[field.name] ?? "")]),
    );
    const close = (): void => {
        if (!busy.value) asked.value = null;
    };
    const submit = async (event: Event): Promise<void> => {
        event.preventDefault();
        if (busy.value) return;
        tried.value = true;
        const wrong = action.fields.find((field) => mistakes[field.name]);
        if (wrong) {
            form.current?.querySelector<HTMLElement>(`#field-${wrong.name}`)?.focus();
            return;
        }
        busy.value = true;
        problem.value = null;
        try {
            say(await atRest(() => action.run(values.value)), "good");
            asked.value = null;
        } catch (error) {
            problem.value = error instanceof ApiError ? error.message : String(error);
        } finally {
            busy.value = false;
            // What was asked for is done by the next turn: that takes a moment.
            for (const pause of [300, 1_000]) setTimeout(() => refreshes.value++, pause);
        }
    };
    return (
        <Dialog title={action.title} onClose={close}>
            <form ref={form} onSubmit={(event) => void submit(event)} noValidate>
                <p>{action.explains}</p>
                {action.fields.map((field) => (
                    <Input
                        key={field.name}
                        field={field}
                        value={values.value[field.name] ?? ""}
                        mistake={tried.value || field.kind === "json" ? (mistakes[field.name] ?? null) : null}
                        change={(value) => (values.value = { ...values.value, [field.name]: value })}
                        submit={() => form.current?.requestSubmit()}
                    />
                ))}
                {problem.value && (
                    <div class="note is-error" role="alert">
                        <p>{problem.value}</p>
                    </div>
                )}
                <footer>
                    <button type="button" onClick={close}>
                        Cancel
                    </button>
                    <button type="submit" class={action.grave ? "grave" : "primary"} disabled={busy.value}>
                        {busy.value ? "Working…" : action.label}
                    </button>
                </footer>
            </form>
        </Dialog>
    );
}

function mistake(field: Field, value: string): string | null {
    if (field.required && !value.trim()) return "This is needed.";
    return field.kind === "json" ? mistakeIn(value) : null;
}

function Input({
    field,
    value,
    mistake,
    change,
    submit,
}: {
    field: Field;
    value: string;
    mistake: string | null;
    change: (value: string) => void;
    submit: () => void;
}) {
    const id = `field-${field.name}`;
    const about = {
        id,
        "aria-describedby": `${id}-hint`,
        "aria-invalid": mistake !== null,
        required: field.required ?? false,
    };
    const onInput = (event: { currentTarget: { value: string } }): void => change(event.currentTarget.value);
    const quick = (event: KeyboardEvent): void => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit();
    };
    if (field.kind === "check") {
        return (
            <label class="check">
                <input
                    type="checkbox"
                    id={id}
                    checked={value === "true"}
                    onChange={(event) => change(event.currentTarget.checked ? "true" : "")}
                />
                <span>
                    {field.label}
                    {field.hint && <small>{field.hint}</small>}
                </span>
            </label>
        );
    }
    return (
        <div class="field">
            <label for={id}>{field.label}</label>
            {field.kind === "json" ? (
                <textarea {...about} rows={6} spellcheck={false} value={value} onInput={onInput} onKeyDown={quick} />
            ) : (
                <input
                    {...about}
                    type="text"
                    autoComplete="off"
                    spellcheck={false}
                    value={value}
                    onInput={onInput}
                    list={field.choices && `${id}-choices`}
                />
            )}
            {field.choices && (
                <datalist id={`${id}-choices`}>
                    {field.choices.map((choice) => (
                        <option key={choice} value={choice} />
                    ))}
                </datalist>
            )}
            <small id={`${id}-hint`} class={mistake ? "problem" : ""}>
                {mistake ?? field.hint ?? ""}
            </small>
        </div>
    );
}
