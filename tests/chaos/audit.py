"""Looks at a hub after a run: whether everything promised has come true, once, and nothing is left over.

Owns the verdict. It reads headers and rows as storage has them, and changes nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from azure_durable_py.ids import EntityId
from azure_durable_py.taskhub.entity_state import EntityState, is_entity
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.life import ACTIVE
from azure_durable_py.taskhub.payloads import decode_ref, unpack
from azure_durable_py.taskhub.protocol import Header, InstanceQuery, Kind
from azure_durable_py.taskhub.reading import read_value
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.taskhub.upgrades import Record, record_of
from tests.chaos.app import FIRST_BALANCE
from tests.chaos.effects import BEGIN, Note
from tests.chaos.place import Row
from tests.chaos.scenes import Expected, Stage

_AT_ONCE = 16
_SHOWN = 300


@dataclass(frozen=True)
class Violation:
    """Something that must not be: which instance shows it, if one does, and what it is."""

    what: str
    instance_id: str | None = None

    def __str__(self) -> str:
        return self.what if self.instance_id is None else f"{self.instance_id}: {self.what}"


class Audit:
    """Compares a hub with what the scenes promised. `finished` are the instances that were, when last looked at."""

    def __init__(self, hub: TaskHub, stage: Stage) -> None:
        self._hub = hub
        self._stage = stage
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self.finished: set[str] = set()

    # --- instances -------------------------------------------------------------------------------------

    async def look(self) -> None:
        """Look at every instance that was not finished at the last look, or is new."""
        # One listing spares a read of each of those that are under way.
        active = set(await self.listed(Kind.orchestration, ACTIVE))
        names = [name for name in self._stage.expected if name not in self.finished and name not in active]
        done = await asyncio.gather(*(self._is_finished(name) for name in names))
        self.finished |= {name for name, is_done in zip(names, done, strict=True) if is_done}

    async def unfinished(self) -> list[str]:
        """Look at all instances, and name those that are not finished."""
        self.finished.clear()
        await self.look()
        return [name for name in self._stage.expected if name not in self.finished]

    async def _is_finished(self, instance_id: str) -> bool:
        header = await self._header(instance_id)
        return self._stage.expected[instance_id].absent if header is None else header.is_terminal

    async def outcomes(self) -> list[Violation]:
        """Whether every instance ended as it should."""
        expected = self._stage.expected
        found = await asyncio.gather(*(self._outcome(name, wanted) for name, wanted in expected.items()))
        said = [Violation(what, name) for name, what in self._stage.complaints]
        return said + [violation for violation in found if violation is not None]

    async def _outcome(self, instance_id: str, wanted: Expected) -> Violation | None:
        header = await self._header(instance_id)
        if header is None:
            return None if wanted.absent else Violation(f"{wanted.kind}: there is no such instance", instance_id)
        status = header.columns.runtime_status
        if status != wanted.status:
            return Violation(f"{wanted.kind}: is {status}, not {wanted.status}", instance_id)
        if wanted.output is None:
            return None
        output = await self._output(header)
        if output == wanted.output:
            return None
        return Violation(f"{wanted.kind}: came to {_short(output)}, not {_short(wanted.output)}", instance_id)

    # --- entities --------------------------------------------------------------------------------------

    async def entities(self) -> list[Violation]:
        """Whether every signal and call had its effect once and in order, and no lock is left."""
        states = {header.instance_id: (header, await self._output(header)) for header in await self._entities()}
        violations = [*self._counters(states), *self._journals(states), *self._accounts(states)]
        for instance_id, (header, _) in states.items():
            entity = EntityState.of(InstanceState.decode(header.body))
            if not entity.is_idle:
                violations.append(Violation(f"is not idle: {_short(entity)}", instance_id))
        return violations

    async def _entities(self) -> list[Header]:
        names = await self.listed(Kind.entity)
        return [header for header in await asyncio.gather(*map(self._header, names)) if header is not None]

    def _counters(self, states: dict[str, tuple[Header, Any]]) -> Iterable[Violation]:
        for key, wanted in self._stage.counters.items():
            instance_id = str(EntityId("counter", key))
            total = states.get(instance_id, (None, None))[1]
            if total != wanted:
                yield Violation(f"the counter is {total}, not {wanted}", instance_id)

    def _journals(self, states: dict[str, tuple[Header, Any]]) -> Iterable[Violation]:
        for key, speakers in self._stage.said.items():
            instance_id = str(EntityId("journal", key))
            heard: defaultdict[str, list[int]] = defaultdict(list)
            for who, number in states.get(instance_id, (None, None))[1] or []:
                heard[who].append(number)
            step = 3 if key.endswith("-behind") else 1
            for who, count in speakers.items():
                if heard[who] != [step * number for number in range(count)]:
                    yield Violation(f"heard {heard[who]} of {count} numbers from {who}", instance_id)

    def _accounts(self, states: dict[str, tuple[Header, Any]]) -> Iterable[Violation]:
        prefix = "@account@"
        balances = {name: state["balance"] for name, (_, state) in states.items() if name.startswith(prefix) and state}
        wanted = FIRST_BALANCE * len(balances)
        if sum(balances.values()) != wanted:
            yield Violation(f"the accounts hold {sum(balances.values())} together, not {wanted}: {balances}")

    # --- effects ---------------------------------------------------------------------------------------

    def effects(self, notes: Iterable[Note]) -> list[Violation]:
        """Whether every activity that was to run did."""
        seen = {note.key for note in notes if note.word == BEGIN}
        missing = sorted(self._stage.effects - seen)
        return [Violation(f"activity {key} never ran", key.split("/")[0]) for key in missing]

    # --- rows ------------------------------------------------------------------------------------------

    async def leftovers(self, rows: Iterable[Row]) -> list[Row]:
        """Of all rows beside the headers, those that nobody needs: inbox rows, and blobs that no header leads to."""
        by_instance: defaultdict[str, list[Row]] = defaultdict(list)
        for row in rows:
            by_instance[row.instance_id].append(row)
        return [row for name, group in by_instance.items() for row in await self._unnamed(name, group)]

    async def _unnamed(self, instance_id: str, rows: list[Row]) -> list[Row]:
        inbox = [row for row in rows if row.key.startswith("10-")]
        stems: defaultdict[str, list[Row]] = defaultdict(list)
        for row in rows:
            if not row.key.startswith("10-"):
                stems[row.key.rpartition("-")[0]].append(row)
        header = await self._header(instance_id)
        texts = [] if header is None else [_text_of(header)]
        while texts:
            text = texts.pop()
            named = [stems.pop(stem) for stem in list(stems) if stem in text]
            texts += [await self._text(instance_id, group) for group in named]
        return inbox + [row for group in stems.values() for row in group]

    async def _text(self, instance_id: str, rows: list[Row]) -> str:
        keys = sorted(row.key for row in rows)
        bodies = await self._hub.store.get_blobs(instance_id, keys)
        return unpack(b"".join(bodies[key] for key in keys if key in bodies), record_of(keys[0]))

    # --- reading ---------------------------------------------------------------------------------------

    async def listed(self, kind: Kind, statuses: Collection[str] = ()) -> list[str]:
        """The ids of all instances of a kind; only those with one of these statuses, if any is given."""
        names: list[str] = []
        token: str | None = None
        while True:
            query = InstanceQuery(kind, statuses, with_values=False, page_size=1000, continuation_token=token)
            page = await self._hub.retry(lambda query=query: self._hub.store.query(query))
            names += [item.instance_id for item in page.items]
            token = page.continuation_token
            if token is None:
                return names

    async def describe(self, instance_id: str) -> str:
        """What to look at first when something is wrong with an instance."""
        loaded = await self._hub.store.load(instance_id)
        lines = [f"{instance_id} (expected: {_short(self._stage.expected.get(instance_id))})"]
        if loaded.header is None:
            lines.append("  there is no header")
        else:
            state = InstanceState.decode(loaded.header.body)
            lines += [f"  columns: {_short(loaded.header.columns, 1000)}", f"  state: {_short(state, 4000)}"]
            if is_entity(instance_id):
                lines.append(f"  entity: {_short(EntityState.of(state), 1000)}")
        lines += [f"  inbox: {row.key} taken {row.timestamp}: {_short(row.body)}" for row in loaded.inbox[:20]]
        return "\n".join(lines)

    async def _header(self, instance_id: str) -> Header | None:
        async with self._turns:
            return await self._hub.retry(lambda: self._hub.store.load_header(instance_id))

    async def _output(self, header: Header) -> Any:
        text = header.columns.output
        if header.columns.output_payload is not None:
            text = await read_value(self._hub.store, header.instance_id, decode_ref(header.columns.output_payload))
        return None if text is None else json.loads(text)


def _text_of(header: Header) -> str:
    """All that a header says, in one text: whatever it leads to is named in it."""
    columns = header.columns
    return f"{columns.input_payload} {columns.output_payload} {unpack(header.body, Record.header)}"


def _short(value: object, limit: int = _SHOWN) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"
