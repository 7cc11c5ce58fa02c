// A failure with its stack and what led to it.

import type { Failure } from "../api/types";
import { Copy } from "./basics";

/** The failure, and its causes below it. */
export function FailureView({ failure, depth = 0 }: { failure: Failure; depth?: number }) {
    const dot = failure.errorType.lastIndexOf(".");
    return (
        <div class="failure">
            <p class="failure-head">
                {depth > 0 && <span class="muted">Caused by </span>}
                <strong title={failure.errorType}>{failure.errorType.slice(dot + 1)}</strong>
                {dot > 0 && <span class="muted"> {failure.errorType.slice(0, dot)}</span>}
            </p>
            <p class="failure-text">{failure.message}</p>
            {failure.stackTrace && (
                <details open={!failure.innerFailure}>
                    <summary>Stack trace</summary>
                    <div class="json">
                        <pre tabIndex={0} role="group" aria-label="Stack trace">
                            {failure.stackTrace.trimEnd()}
                        </pre>
                        <div class="json-side">
                            <Copy text={failure.stackTrace} what="stack trace" />
                        </div>
                    </div>
                </details>
            )}
            {failure.innerFailure && <FailureView failure={failure.innerFailure} depth={depth + 1} />}
        </div>
    );
}
