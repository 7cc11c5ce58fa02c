"""The end of a run: everything that must be true is looked at, and what is wrong is shown.

Owns what counts as a violation. It begins when all is idle, and ends the workers.
"""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.messages import Cause, Doorbell, MalformedMessageError
from azure_durable_py.taskhub.protocol import Kind
from tests.chaos import effects
from tests.chaos.audit import Audit, Violation
from tests.chaos.crew import Crew, has_died_in_silence
from tests.chaos.place import Place, Row
from tests.chaos.report import Report
from tests.chaos.scenes import Stage

_SHOWN, _DESCRIBED = 40, 10


class Verdict:
    """Fills a report.

    :param say: takes what people are to read.
    """

    def __init__(
        self, place: Place, hub: TaskHub, crew: Crew, stage: Stage, audit: Audit, say: Callable[[str], None]
    ) -> None:
        self._place = place
        self._hub = hub
        self._crew = crew
        self._stage = stage
        self._audit = audit
        self._say = say

    async def give(self, report: Report, directory: Path) -> None:
        """Look at everything, add what is wrong to the report, and show it.

        :param directory: where workers keep notes; gets a file with all violations.
        """
        crew, stage, audit = self._crew, self._stage, self._audit
        messages = sum((await self._hub.retry(self._hub.store.message_counts)).values())
        texts = self._place.messages()
        await crew.end()
        notes = effects.read(directory)
        report.instances, report.kinds, report.timers = stage.started, stage.kinds, stage.timers
        report.kills, report.suicides, report.stops = crew.kills, crew.suicides, crew.stops
        report.faults = Counter(self._place.faults)
        report.takeovers = effects.takeovers(notes, crew.killed)
        report.orchestrations = len(await audit.listed(Kind.orchestration))
        report.entities = len(await audit.listed(Kind.entity))
        report.violations += [
            *await audit.outcomes(),
            *await audit.entities(),
            *audit.effects(notes),
            *self._rows(report, await audit.leftovers(await self._place.rows())),
            *await self._messages(report, messages, texts),
            *self._workers(),
        ]
        report.violations = list(dict.fromkeys(report.violations))
        if report.violations:
            await self._show(report.violations, texts, directory)

    def _rows(self, report: Report, left: list[Row]) -> list[Violation]:
        """Rows left over, but for those that storage took late, and what the dead could not tell anybody of."""
        late = [row for row in left if self._place.was_late(row)]
        inbox = [row for row in left if row not in late and row.key.startswith("10-")]
        strays = [row for row in left if row not in late and not row.key.startswith("10-")]
        report.late, report.strays = len(late), len(strays)
        # Who dies between staging a large value and the commit or the insert that names it leaves one behind.
        excused = len(strays) <= report.kills + report.suicides + report.stops
        by_instance: defaultdict[str, list[str]] = defaultdict(list)
        for row in inbox if excused else inbox + strays:
            by_instance[row.instance_id].append(row.key)
        return [
            Violation(f"{len(keys)} rows are left, such as {keys[0]}", instance_id)
            for instance_id, keys in by_instance.items()
        ]

    async def _messages(self, report: Report, count: int, texts: list[str] | None) -> list[Violation]:
        """Messages left over; where their texts cannot be read, so many may be doorbells of long timers.

        One for each that a worker died with before it could name it, and one for each put that nobody heard of.
        """
        if texts is None:
            deaths = report.kills + report.suicides + report.stops
            most = report.timers + deaths + self._place.unheard_messages
            report.timer_messages = min(count, most)
            if count <= most:
                return []
            return [Violation(f"{count} messages are left, of {most} that might be doorbells of long timers")]
        needed = [text for text in texts if await self._is_waited_for(text)]
        report.timer_messages = len(needed)
        return [Violation(f"a message is left: {text[:200]}") for text in texts if text not in needed]

    async def _is_waited_for(self, text: str) -> bool:
        """Whether it is the doorbell of a timer of an instance that still runs."""
        try:
            doorbell = Doorbell.decode(text)
        except MalformedMessageError:
            return False
        header = await self._hub.retry(lambda: self._hub.store.load_header(doorbell.instance_id))
        return doorbell.cause is Cause.timer and header is not None and header.columns.wake_time is not None

    def _workers(self) -> list[Violation]:
        """Workers that ended by themselves or not at all, and tasks of theirs that died in silence."""
        found = [Violation(complaint) for complaint in self._crew.complaints]
        for member in self._crew.members:
            found += [Violation(f"{member.name}: {line}") for line in has_died_in_silence(member.log)]
        return found

    async def _show(self, violations: list[Violation], texts: list[str] | None, directory: Path) -> None:
        self._say("\n" + "\n".join(f"VIOLATION {violation}" for violation in violations[:_SHOWN]))
        file = directory / "violations.txt"
        file.write_text("\n".join(map(str, violations)), encoding="utf-8")
        if len(violations) > _SHOWN:
            self._say(f"... and {len(violations) - _SHOWN} more, see {file}")
        named = dict.fromkeys(found.instance_id for found in violations if found.instance_id is not None)
        for instance_id in list(named)[:_DESCRIBED]:
            # What is to be shown may be what is damaged.
            with contextlib.suppress(Exception):
                self._say(await self._audit.describe(instance_id))
            for text in texts or ():
                if f'"{instance_id}"' in text:
                    self._say(f"  message: {text[:300]}")
        self._say(f"queues: {await self._hub.store.message_counts()}")
        self._say(f"hub, logs and notes are kept in {directory}")
