// JSON texts for reading: with line breaks and indents, and told apart by kind. Numbers stay as they are written.

export interface Piece {
    kind: "name" | "text" | "number" | "word" | "plain";
    text: string;
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gs;

/** The text in pieces, broken into lines; one plain piece where it is no JSON. */
export function pieces(text: string): Piece[] {
    try {
        JSON.parse(text);
    } catch {
        return [{ kind: "plain", text }];
    }
    const tokens = text.match(TOKEN) ?? [];
    const made: Piece[] = [];
    let plain = "";
    let depth = 0;
    const end = (): void => {
        if (plain) made.push({ kind: "plain", text: plain });
        plain = "";
    };
    const line = (): void => {
        plain += `\n${"  ".repeat(depth)}`;
    };
    tokens.forEach((token, at) => {
        const next = tokens[at + 1];
        switch (token) {
            case "{":
            case "[":
                plain += token;
                if (next !== "}" && next !== "]") {
                    depth++;
                    line();
                }
                break;
            case "}":
            case "]": {
                const before = tokens[at - 1];
                if (before !== "{" && before !== "[") {
                    depth--;
                    line();
                }
                plain += token;
                break;
            }
            case ",":
                plain += ",";
                line();
                break;
            case ":":
                plain += ": ";
                break;
            default:
                end();
                made.push(leaf(token, next === ":"));
        }
    });
    end();
    return made;
}

function leaf(token: string, isName: boolean): Piece {
    if (token.startsWith('"')) {
        // Escapes that only ASCII needs are shown as the characters that they stand for.
        return { kind: isName ? "name" : "text", text: JSON.stringify(JSON.parse(token)) };
    }
    return { kind: /^[-\d]/.test(token) ? "number" : "word", text: token };
}

/** The whole text, formatted. */
export function formatted(text: string): string {
    return pieces(text)
        .map((piece) => piece.text)
        .join("");
}

/** Why a text is no JSON, with the place; null where it is, or is empty. */
export function mistakeIn(text: string): string | null {
    if (!text.trim()) return null;
    try {
        JSON.parse(text);
        return null;
    } catch (error) {
        const told = error instanceof Error ? error.message : String(error);
        const hint = /^[A-Za-z_]/.test(text.trim()) ? " A text needs double quotes." : "";
        return `This is not JSON: ${told.replace(/^JSON\.parse: /, "")}.${hint}`;
    }
}
