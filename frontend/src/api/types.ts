// What the monitor's data routes answer. Times are ISO 8601 in UTC.

export type Time = string;

/** A stored value: its JSON text where it is short, else only its size; null where there is none. */
export type Value = { size: number | null; text?: string; large?: boolean } | null;

export interface Failure {
    message: string;
    errorType: string;
    stackTrace: string | null;
    innerFailure: Failure | null;
}

export interface Finding {
    level: "info" | "warning" | "error";
    text: string;
    mend: string | null;
    instanceId?: string | null;
}

export interface Queue {
    name: string;
    role: "instances" | "activities" | "poison";
    messages: number;
}

export interface Overview {
    name: string;
    storage: string;
    formatVersion: number;
    takenAt: Time;
    version: string | null;
    queues: Queue[];
    counts: Record<string, number>;
    counted: number;
    complete: boolean;
    entities: number;
    oldestPending: Time | null;
    stuck: string[];
    rates: { seconds: number; created: number; completed: number; failed: number } | null;
    findings: Finding[];
    app: { orchestrators: string[]; activities: string[]; entities: string[] } | null;
}

export interface InstanceRow {
    instanceId: string;
    name: string;
    runtimeStatus: string;
    createdTime: Time | null;
    lastUpdatedTime: Time | null;
    completedTime: Time | null;
    version: string | null;
    tags: Record<string, string>;
    customStatus: Value;
    /** How many calls of tools a person has to decide on. */
    approvals: number;
    parentInstanceId: string | null;
    damaged: string | null;
}

export interface Page<T> {
    items: T[];
    continuationToken: string | null;
    examined?: number;
}

export interface Waiting {
    kind: StepKind;
    name: string;
    since: Time;
    due: Time | null;
    taskId: number | null;
    target: string | null;
    attempt: number;
    lastFailure: Failure | null;
    detail: string | null;
}

/** A call of a tool that a person has to decide on. */
export interface Approval {
    id: string;
    tool: string;
    /** JSON text; if it was cut, that of a text with its beginning. */
    arguments: string;
    argumentsCut: boolean;
    /** The external event that answers. */
    event: string;
    requestedAt: Time;
    /** From then on it counts as denied. */
    expiresAt: Time | null;
    /** Why an answer that came could not be used. */
    problem: string | null;
}

export interface Outgoing {
    what: string;
    name: string;
    target: string | null;
    since: Time | null;
    guard: string;
}

export interface Incoming {
    key: string;
    what: string;
    name: string | null;
    sender: string;
    sentAt: Time | null;
}

export type InstanceAction = "raiseEvent" | "terminate" | "suspend" | "resume" | "rewind" | "restart" | "purge";

export interface Inspection {
    instanceId: string;
    kind: "orchestration" | "entity";
    name: string;
    runtimeStatus: string;
    createdTime: Time | null;
    lastUpdatedTime: Time | null;
    completedTime: Time | null;
    executionId: string;
    generation: number;
    attempt: number;
    version: string | null;
    tags: Record<string, string>;
    parentInstanceId: string | null;
    customStatus: Value;
    input: Value;
    output: Value;
    failure: Failure | null;
    startAt: Time | null;
    nextWake: Time | null;
    lock: string | null;
    suspendedSince: Time | null;
    approvals: Approval[];
    waits: Waiting[];
    waitsLeftOut: number;
    outbox: Outgoing[];
    outboxLeftOut: number;
    inbox: Incoming[];
    inboxGoesOn: boolean;
    damaged: { key: string; reason: string }[];
    findings: Finding[];
    takenAt: Time;
    registered: boolean | null;
    can: Partial<Record<InstanceAction, boolean>>;
}

export type StepKind =
    | "activity"
    | "http"
    | "timer"
    | "retry_delay"
    | "event"
    | "event_sent"
    | "sub_orchestration"
    | "entity_call"
    | "entity_signal"
    | "lock"
    | "control";

export interface Step {
    index: number;
    kind: StepKind;
    name: string;
    taskId: number | null;
    began: Time;
    ended: Time | null;
    outcome: "open" | "completed" | "failed" | "void" | "cancelled";
    target: string | null;
    due: Time | null;
    attempt: number;
    retryOf: number | null;
    input: Value;
    result: Value;
    failure: Failure | null;
    detail: string | null;
}

export interface Timeline {
    instanceId: string;
    name: string;
    runtimeStatus: string;
    generation: number;
    began: Time;
    ended: Time | null;
    events: number;
    total: number;
    skip: number;
    leftOut: number;
    problem: string | null;
    failure: Failure | null;
    steps: Step[];
}

export interface HistoryEvent {
    index: number;
    type: string;
    timestamp?: Time | null;
    [field: string]: unknown;
}

export interface History {
    total: number;
    skip: number;
    generation: number;
    problem: string | null;
    events: HistoryEvent[];
}

export interface Relative {
    instanceId: string;
    name: string;
    runtimeStatus: string | null;
    createdTime: Time | null;
    lastUpdatedTime: Time | null;
    children: Relative[];
}

export interface Family {
    ancestors: Relative[];
    me: Relative;
    leftOut: number;
}

export interface EntityRow {
    name: string;
    key: string;
    instanceId: string;
    lastUpdatedTime: Time | null;
    lockedBy: string | null;
    backlog: number;
    damaged: string | null;
}

export interface EntityInspection extends Inspection {
    state: Value;
    backlog: number;
    backlogEntries: { what: string; name: string | null; sender: string }[];
}

export interface Schedule {
    scheduleId: string;
    status: string;
    orchestrationName: string;
    recurrence: string;
    nextRunAt: Time | null;
    lastRunAt: Time | null;
    createdAt: Time | null;
    lastInstanceId?: string | null;
    pausedReason?: string | null;
    runs?: number;
    missed?: number;
    skipped?: number;
    running?: string[];
    damaged?: string | null;
}
