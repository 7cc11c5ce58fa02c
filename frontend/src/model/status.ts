// The statuses of instances: their words, signs and order.

export const STATUSES = [
    "Running",
    "Pending",
    "Suspended",
    "Completed",
    "Failed",
    "Terminated",
    "Canceled",
    "ContinuedAsNew",
    "Damaged",
] as const;

/** Statuses that nothing comes after. */
export function isFinished(status: string): boolean {
    return ["Completed", "Failed", "Terminated", "Canceled"].includes(status);
}

/** What a status looks like beside its colour. */
export const SIGNS: Record<string, string> = {
    Running: "M5 3.5v9l7-4.5z",
    Pending: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zm.8 2.7v2.9l2 1.2-.7 1.2-2.7-1.7V5.2z",
    Suspended: "M4.5 3.5h2.6v9H4.5zm4.4 0h2.6v9H8.9z",
    Completed: "M6.6 12.2 2.9 8.5l1.3-1.3 2.4 2.4 5.2-5.3 1.3 1.3z",
    Failed: "M4.4 3.1 8 6.7l3.6-3.6 1.3 1.3L9.3 8l3.6 3.6-1.3 1.3L8 9.3l-3.6 3.6-1.3-1.3L6.7 8 3.1 4.4z",
    Terminated: "M4 4h8v8H4z",
    Canceled: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM5 7.2h6v1.6H5z",
    ContinuedAsNew: "M8 3a5 5 0 0 1 4.3 2.5L13.5 4.3V8.5H9.3l1.7-1.7A3.4 3.4 0 1 0 11.2 9.5h1.6A5 5 0 1 1 8 3z",
    Damaged: "M8 2 14.5 13.5h-13zm-.8 4v3.7h1.6V6zm0 4.7v1.5h1.6v-1.5z",
    Unknown:
        "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zm-.7 7.8h1.5v1.4H7.3zm.1-1.1c0-1.7 1.8-1.8 1.8-2.9 0-1.2-2.1-1.1-2.300.2l-1.3-.4C6 3.7 10.7 3.6 10.7 6.3c0 1.7-1.9 1.9-1.9 2.9z",
};
