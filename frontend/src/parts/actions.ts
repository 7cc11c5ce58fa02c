// What can be done with instances and entities, each said beforehand.

import { act, pathOf } from "../api/client";
import type { Approval, EntityInspection, Inspection, InstanceAction, Overview, Waiting } from "../api/types";
import { goTo, linkTo, linkToInstance } from "../model/route";
import type { Action, Field } from "./action_dialog";

const REASON: Field = { name: "reason", label: "Reason", kind: "text", hint: "Kept in the history. May be empty." };
const RECURSIVE: Field = { name: "recursive", label: "Its sub-orchestrations too", kind: "check" };
const DATA = "JSON: a text needs double quotes. Empty means null.";

/** The actions that are possible now, in the order of their buttons. */
export function instanceActions(instance: Inspection): { key: InstanceAction; action: Action }[] {
    const can = instance.can;
    return (Object.keys(MAKERS) as InstanceAction[])
        .filter((key) => can[key])
        .map((key) => ({ key, action: MAKERS[key](instance) }));
}

const MAKERS: Record<InstanceAction, (instance: Inspection) => Action> = {
    raiseEvent: (instance) =>
        raiseEvent(
            instance,
            instance.waits.find((wait) => wait.kind === "event"),
        ),
    suspend: ({ instanceId: id }) => ({
        label: "Suspend",
        title: "Suspend this instance?",
        explains: `'${id}' takes no further step until it is resumed. Activities that are under way run to their end; their results wait.`,
        fields: [REASON],
        run: (values) => post(id, "suspend", { reason: values.reason }, `'${id}' is asked to suspend.`),
    }),
    resume: ({ instanceId: id }) => ({
        label: "Resume",
        title: "Resume this instance?",
        explains: `'${id}' goes on where it stopped, with everything that has arrived in the meantime.`,
        fields: [REASON],
        run: (values) => post(id, "resume", { reason: values.reason }, `'${id}' is asked to resume.`),
    }),
    rewind: ({ instanceId: id }) => ({
        label: "Rewind",
        title: "Rewind this instance?",
        explains: `What failed in '${id}' is taken back and tried again; what succeeded is kept. Failed sub-orchestrations are rewound as well.`,
        fields: [REASON],
        run: (values) => post(id, "rewind", { reason: values.reason }, `'${id}' is being rewound.`),
    }),
    restart: ({ instanceId: id, name }) => ({
        label: "Restart",
        title: "Start this once more?",
        explains: `'${name}' is started with the input that '${id}' had. Its activities run again, with all that they do in the world.`,
        fields: [
            {
                name: "newId",
                label: "With a new instance id",
                kind: "check",
                initial: "true",
                hint: "Else it takes the place of this one, whose history and result are lost.",
            },
        ],
        run: async (values) => {
            const path = pathOf(["instances", id, "restart"], {
                restartWithNewInstanceId: values.newId ? "true" : "false",
            });
            const told = await act<{ id?: string }>("POST", path);
            if (told?.id && told.id !== id) {
                goTo(linkToInstance(told.id));
                return `Started as '${told.id}'.`;
            }
            return `'${id}' is started anew.`;
        },
    }),
    terminate: ({ instanceId: id }) => ({
        label: "Terminate",
        title: "Terminate this instance?",
        explains: `'${id}' ends at once as terminated, and no code of it runs any more. Activities that are under way run to their end; nobody takes their results.`,
        grave: true,
        fields: [REASON, RECURSIVE],
        run: (values) =>
            post(id, "terminate", { reason: values.reason, recursive: values.recursive }, `'${id}' is asked to end.`),
    }),
    purge: ({ instanceId: id }) => ({
        label: "Purge",
        title: "Purge this instance?",
        explains: `Everything that is stored of '${id}' is deleted: its status, its history, its input and its output. This cannot be taken back.`,
        grave: true,
        fields: [RECURSIVE],
        run: async (values) => {
            const told = await act<{ instancesDeleted?: number }>(
                "DELETE",
                pathOf(["instances", id], { recursive: values.recursive }),
            );
            const number = told?.instancesDeleted ?? 1;
            goTo(linkTo(["instances"]));
            return number > 1 ? `'${id}' and ${number - 1} more are purged.` : `'${id}' is purged.`;
        },
    }),
};

/** Raising an event, the one that is waited for if it is known. */
export function raiseEvent({ instanceId: id, waits }: Inspection, wait?: Waiting): Action {
    return {
        label: "Raise event",
        title: "Raise an event",
        explains: `The event is delivered to '${id}'. One that nobody waits for yet is kept until somebody does.`,
        fields: [
            {
                name: "event",
                label: "Name of the event",
                kind: "text",
                required: true,
                initial: wait?.name ?? "",
                choices: [...new Set(waits.filter((each) => each.kind === "event").map((each) => each.name))],
            },
            { name: "data", label: "Data", kind: "json", hint: DATA },
        ],
        run: async (values) => {
            const event = (values.event ?? "").trim();
            await act("POST", pathOf(["instances", id, "raiseEvent", event]), values.data?.trim() || "null");
            return `Event '${event}' is on its way to '${id}'.`;
        },
    };
}

/** Deciding on a call of a tool. */
export function decide({ instanceId: id }: Inspection, approval: Approval, approved: boolean): Action {
    const tool = approval.tool;
    return {
        label: approved ? "Approve" : "Deny",
        title: approved ? `Approve the call of '${tool}'?` : `Deny the call of '${tool}'?`,
        explains: approved
            ? `'${id}' goes on and calls '${tool}'. This cannot be taken back.`
            : `'${id}' goes on without calling '${tool}', and the agent is told why.`,
        grave: !approved,
        fields: [
            { name: "reason", label: "Reason", kind: "text", hint: "The agent is told. May be empty." },
            { name: "by", label: "Decided by", kind: "text", hint: "Kept in the history. May be empty." },
            ...(approved
                ? [
                      {
                          name: "arguments",
                          label: "Other arguments",
                          kind: "json" as const,
                          hint: "JSON. Empty: the tool is called with what was asked for.",
                      },
                  ]
                : []),
        ],
        run: async (values) => {
            const told = { approved, reason: values.reason?.trim() || undefined, by: values.by?.trim() || undefined };
            const given = values.arguments?.trim();
            // As it was typed: numbers that a browser cannot hold stay what they are.
            const data = JSON.stringify(told).slice(0, -1) + (given ? `,"arguments":${given}}` : "}");
            await act("POST", pathOf(["instances", id, "raiseEvent", approval.event]), data);
            return `The call of '${tool}' is ${approved ? "approved" : "denied"}.`;
        },
    };
}

async function post(
    id: string,
    verb: string,
    query: Record<string, string | undefined>,
    outcome: string,
): Promise<string> {
    await act("POST", pathOf(["instances", id, verb], query));
    return outcome;
}

/** Starting an orchestration. */
export function start(app: Overview["app"]): Action {
    return {
        label: "Start",
        title: "Start an orchestration",
        explains: "A new instance begins as soon as a worker of the app takes it up.",
        fields: [
            { name: "name", label: "Orchestrator", kind: "text", required: true, choices: app?.orchestrators ?? [] },
            { name: "id", label: "Instance id", kind: "text", hint: "Empty: one is made." },
            { name: "input", label: "Input", kind: "json", hint: DATA },
        ],
        run: async (values) => {
            const id = values.id?.trim();
            const segments = ["orchestrators", (values.name ?? "").trim(), ...(id ? [id] : [])];
            const told = await act<{ id?: string }>("POST", pathOf(segments), values.input?.trim() || undefined);
            const made = told?.id ?? id ?? "";
            if (made) goTo(linkToInstance(made));
            return `Started '${made}'.`;
        },
    };
}

/** Signalling an entity. */
export function signalEntity(name: string, key: string): Action {
    return {
        label: "Signal",
        title: "Signal this entity",
        explains: `The operation is sent to entity '${name}' with key '${key}', which does it when its turn comes. Nobody is told its result.`,
        fields: [
            { name: "operation", label: "Operation", kind: "text", required: true },
            { name: "input", label: "Input", kind: "json", hint: DATA },
        ],
        run: async (values) => {
            const operation = (values.operation ?? "").trim();
            await act("POST", pathOf(["entities", name, key], { op: operation }), values.input?.trim() || "null");
            return `Operation '${operation}' is on its way to '${name}' '${key}'.`;
        },
    };
}

/** Deleting an entity. */
export function deleteEntity(name: string, key: string, entity: EntityInspection): Action {
    return {
        label: "Delete",
        title: "Delete this entity?",
        explains:
            `The state of entity '${name}' with key '${key}' is deleted when its turn comes. This cannot be taken back.` +
            (entity.lock ? ` It is locked by '${entity.lock}': it is deleted when that lets go.` : ""),
        grave: true,
        fields: [],
        run: async () => {
            await act("DELETE", pathOf(["entities", name, key]));
            return `'${name}' '${key}' is asked to delete itself.`;
        },
    };
}
