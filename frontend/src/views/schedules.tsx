// The schedules of the hub: what is started again and again, and when next.

import { dataPath, get } from "../api/client";
import { usePolled } from "../api/polling";
import type { Page, Schedule } from "../api/types";
import { Empty, InstanceLink, Loading, Sign, Trouble, When } from "../parts/basics";
import { SIGNS } from "../model/status";
import { Pager, usePages } from "../parts/pager";

const SHOWN_AS: Record<string, { word: string; as: string }> = {
    active: { word: "Active", as: "Running" },
    paused: { word: "Paused", as: "Suspended" },
    completed: { word: "Over", as: "Completed" },
};

/** The view. */
export function Schedules() {
    const { tokens, token } = usePages("schedules");
    const { data, error, refresh } = usePolled<Page<Schedule>>(`schedules ${token}`, (stop) =>
        get(dataPath(["schedules"], { top: 100, token }), stop),
    );
    return (
        <>
            <h1>Schedules</h1>
            <Trouble error={error} retry={refresh} />
            {!data ? (
                !error && <Loading />
            ) : data.items.length === 0 ? (
                <Empty>
                    <p>There are no schedules.</p>
                    <p class="muted">A client of the app creates them; they start orchestrations again and again.</p>
                </Empty>
            ) : (
                <div class="scroll-x">
                    <table class="rows" aria-label="Schedules">
                        <thead>
                            <tr>
                                <th scope="col">Status</th>
                                <th scope="col">Schedule</th>
                                <th scope="col">Starts</th>
                                <th scope="col">When</th>
                                <th scope="col">Next</th>
                                <th scope="col">Last</th>
                                <th scope="col" class="number">
                                    Runs
                                </th>
                            </tr>
                        </thead>
                        <tbody>
                            {data.items.map((schedule) => (
                                <tr key={schedule.scheduleId}>
                                    <td>
                                        <ScheduleStatus schedule={schedule} />
                                    </td>
                                    <th scope="row" class="wide-cell id">
                                        {schedule.scheduleId}
                                        {schedule.pausedReason && <small class="muted">{schedule.pausedReason}</small>}
                                    </th>
                                    <td data-label="Starts">{schedule.orchestrationName}</td>
                                    <td data-label="When">{schedule.recurrence}</td>
                                    <td data-label="Next">
                                        <When time={schedule.nextRunAt} />
                                    </td>
                                    <td data-label="Last">
                                        {schedule.lastInstanceId ? (
                                            <InstanceLink id={schedule.lastInstanceId}>
                                                <When time={schedule.lastRunAt} />
                                            </InstanceLink>
                                        ) : (
                                            <When time={schedule.lastRunAt} />
                                        )}
                                    </td>
                                    <td class="number" data-label="Runs">
                                        {schedule.runs ?? "–"}
                                        {Boolean(schedule.missed) && (
                                            <small class="muted"> {schedule.missed} missed</small>
                                        )}
                                        {Boolean(schedule.skipped) && (
                                            <small class="muted"> {schedule.skipped} skipped</small>
                                        )}
                                    </td>
                                </tr>
                            ))}
                        </tbody>
                    </table>
                </div>
            )}
            {(tokens.value.length > 1 || data?.continuationToken) && (
                <footer class="pages">
                    <Pager tokens={tokens} data={data} />
                </footer>
            )}
        </>
    );
}

function ScheduleStatus({ schedule }: { schedule: Schedule }) {
    const { word, as } = schedule.damaged
        ? { word: "Damaged", as: "Damaged" }
        : (SHOWN_AS[schedule.status] ?? { word: schedule.status, as: "Unknown" });
    return (
        <span class={`status is-${as}`} title={schedule.damaged ?? undefined}>
            <Sign path={SIGNS[as] as string} />
            {word}
        </span>
    );
}
