// A fact with its name, in a list of facts.

import type { ComponentChildren } from "preact";

/** The fact. */
export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
    return (
        <div>
            <dt>{name}</dt>
            <dd>{children}</dd>
        </div>
    );
}
