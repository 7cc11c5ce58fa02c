// Dialogs: what is asked, what goes wrong, and that nothing typed is lost when it does.

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

/**
 * A modal dialog. The browser keeps the focus inside, and gives it back to where it was.
 *
 * @param onClose it is closed, by whatever means.
 */
export function Dialog({
    title,
    onClose,
    children,
    wide = false,
}: {
    title: string;
    onClose: () => void;
    children: ComponentChildren;
    wide?: boolean;
}) {
    const element = useRef<HTMLDialogElement>(null);
    useEffect(() => {
        const dialog = element.current;
        if (!dialog) return;
        const before = document.activeElement;
        if (!dialog.open) dialog.showModal();
        return () => {
            dialog.close();
            if (before instanceof HTMLElement && before.isConnected) before.focus();
        };
    }, []);
    return (
        <dialog
            ref={element}
            class={wide ? "wide" : ""}
            aria-labelledby="dialog-title"
            onCancel={(event) => {
                event.preventDefault();
                onClose();
            }}
        >
            <header>
                <h2 id="dialog-title">{title}</h2>
                <button type="button" class="quiet" aria-label="Close" onClick={onClose}>
                    ✕
                </button>
            </header>
            {children}
        </dialog>
    );
}
