// Asks for the key that the host wants.

import { useSignal } from "@preact/signals";
import { keyWanted, useKey } from "../api/client";
import { Dialog } from "./dialog";

/** The prompt, where a key is wanted. */
export function KeyPrompt() {
    return keyWanted.value === "no" ? null : <Prompt refused={keyWanted.value === "refused"} />;
}

function Prompt({ refused }: { refused: boolean }) {
    const typed = useSignal("");
    const submit = (event: Event): void => {
        event.preventDefault();
        if (typed.value.trim()) useKey(typed.value.trim());
    };
    return (
        <Dialog title="A key is needed" onClose={() => (keyWanted.value = "no")}>
            <form onSubmit={submit}>
                <p>This host shows its task hub only to who has the hub's system key.</p>
                {refused && (
                    <div class="note is-error" role="alert">
                        <p>The host did not take this key. It may have been rotated.</p>
                    </div>
                )}
                <div class="field">
                    <label for="key">System key</label>
                    <input
                        id="key"
                        type="password"
                        autoComplete="off"
                        value={typed.value}
                        onInput={(event) => (typed.value = event.currentTarget.value)}
                    />
                    <small>It is kept in this tab only, until it is closed, and is never part of the address.</small>
                </div>
                <footer>
                    <button type="submit" class="primary" disabled={!typed.value.trim()}>
                        Use this key
                    </button>
                </footer>
            </form>
        </Dialog>
    );
}
