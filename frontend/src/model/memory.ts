// What a browser remembers for the page; a browser that refuses to (private windows) costs nothing but the memory.

type Where = "sessionStorage" | "localStorage";

/** What was remembered by this name, if anything. */
export function recall(where: Where, name: string): string | null {
    try {
        return window[where].getItem(name);
    } catch {
        return null;
    }
}

/** Remembers a text. */
export function remember(where: Where, name: string, text: string): void {
    try {
        window[where].setItem(name, text);
    } catch {
        // Then it lasts as long as the page.
    }
}

/** Forgets it. */
export function forget(where: Where, name: string): void {
    try {
        window[where].removeItem(name);
    } catch {
        // There was nothing.
    }
}
