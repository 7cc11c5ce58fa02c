// The entities of the hub.

import { dataPath, get } from "../api/client";
import { overview } from "../api/overview";
import { usePolled } from "../api/polling";
import type { EntityRow, Page } from "../api/types";
import { changeQuery, linkTo, place } from "../model/route";
import { count } from "../model/words";
import { Empty, InstanceLink, Loading, Status, Trouble, When } from "../parts/basics";
import { Pager, usePages } from "../parts/pager";
import { Typed } from "../parts/typed";

/** The view. */
export function Entities() {
    const filters = Object.fromEntries(place.value.query) as Record<string, string | undefined>;
    const filterKey = [filters.name, filters.search].join("\n");
    const { tokens, token } = usePages(filterKey);
    const { data, error, refresh } = usePolled<Page<EntityRow>>(`${filterKey}\n${token}`, (stop) =>
        get(dataPath(["entities"], { name: filters.name, search: filters.search, top: 100, token }), stop),
    );
    const change = (changes: Record<string, string | null>): void => changeQuery({ ...filters, ...changes });
    return (
        <>
            <h1>Entities</h1>
            <form class="filters" role="search" aria-label="Entities" onSubmit={(event) => event.preventDefault()}>
                <Typed
                    id="search"
                    label="Search"
                    hint="Part of a key or name"
                    value={filters.search}
                    set={(search) => change({ search })}
                    kind="search"
                />
                <Typed
                    id="name"
                    label="Entity"
                    hint="Any"
                    value={filters.name}
                    set={(name) => change({ name })}
                    choices={overview.value?.app?.entities ?? []}
                />
            </form>
            <Trouble error={error} retry={refresh} />
            {!data ? (
                !error && <Loading />
            ) : data.items.length === 0 ? (
                <Empty>
                    {data.continuationToken ? (
                        <p>Nothing found among {(data.examined ?? 0).toLocaleString()} entities so far.</p>
                    ) : (
                        <p>
                            {filterKey.trim()
                                ? "No entity matches these filters."
                                : "There are no entities yet. One comes into being with its first operation."}
                        </p>
                    )}
                </Empty>
            ) : (
                <div class="scroll-x">
                    <table class="rows" aria-label="Entities">
                        <thead>
                            <tr>
                                <th scope="col">Entity</th>
                                <th scope="col">Key</th>
                                <th scope="col">Last operation</th>
                                <th scope="col">Locked by</th>
                                <th scope="col" class="number">
                                    Held back
                                </th>
                            </tr>
                        </thead>
                        <tbody>
                            {data.items.map((row) => (
                                <tr key={row.instanceId}>
                                    <td>{row.name}</td>
                                    <th scope="row" class="wide-cell">
                                        <a class="id" href={linkTo(["entities", row.name, row.key])}>
                                            {row.key}
                                        </a>
                                        {row.damaged && <Status status="Damaged" />}
                                    </th>
                                    <td data-label="Last operation">
                                        <When time={row.lastUpdatedTime} />
                                    </td>
                                    <td data-label="Locked by">
                                        {row.lockedBy ? (
                                            <InstanceLink id={row.lockedBy} />
                                        ) : (
                                            <span class="none">–</span>
                                        )}
                                    </td>
                                    <td class="number" data-label="Held back">
                                        {row.backlog.toLocaleString()}
                                    </td>
                                </tr>
                            ))}
                        </tbody>
                    </table>
                </div>
            )}
            <footer class="pages">
                <span class="muted">
                    {data ? count(data.items.length, "entity", "entities") : ""} · page {tokens.value.length}
                </span>
                <Pager tokens={tokens} data={data} />
            </footer>
        </>
    );
}
