"""The audit notices what it is there to notice."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.ids import EntityId
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.payloads import pack
from azure_durable_py.taskhub.protocol import BlobRow
from azure_durable_py.taskhub.upgrades import Record
from azure_durable_py.worker.worker import Worker
from tests.chaos import app, effects
from tests.chaos.audit import Audit, Violation
from tests.chaos.effects import BEGIN, END, Effects, Note
from tests.chaos.place import OneFile, Row
from tests.chaos.scenes import Stage
from tests.chaos.worker import SETTINGS


class Hub:
    """A hub in a file, with a stage and its audit; a worker only where one is started."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.place = OneFile(directory)
        self.hub = TaskHub(self.place.store())
        self.client = DurableOrchestrationClient(self.hub, SETTINGS)
        self.stage = Stage(self.client, random.Random(0))
        self.audit = Audit(self.hub, self.stage)
        self.worker = Worker(self.hub, app.build(Effects(directory)), SETTINGS)

    async def leftovers(self) -> list[Row]:
        return await self.audit.leftovers(await self.place.rows())


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    made = Hub(tmp_path)
    await made.hub.open()
    yield made
    await made.worker.stop(1.0)
    await made.hub.close()


async def test_it_finds_nothing_wrong_where_nothing_is(hub: Hub):
    await hub.worker.start()
    hub.stage.will_work("a", 2)
    hub.stage.expect("chain", "a", 2)
    await hub.stage.start("chain", "a", ["a", [0.0, 0.0]])
    await hub.stage.finished("a")
    assert await hub.audit.unfinished() == []
    assert await hub.audit.outcomes() == []
    assert await hub.audit.entities() == []
    assert hub.audit.effects(effects.read(hub.directory)) == []
    assert await hub.leftovers() == []


async def test_an_instance_that_is_not_finished(hub: Hub):
    hub.stage.expect("chain", "a", 2)
    await hub.stage.start("chain", "a", ["a", [0.0, 0.0]])
    assert await hub.audit.unfinished() == ["a"]
    assert await hub.audit.outcomes() == [Violation("chain: is Pending, not Completed", "a")]


async def test_a_wrong_output(hub: Hub):
    await hub.worker.start()
    hub.stage.expect("chain", "a", 3)
    await hub.stage.start("chain", "a", ["a", [0.0, 0.0]])
    await hub.stage.finished("a")
    assert await hub.audit.outcomes() == [Violation("chain: came to 2, not 3", "a")]


async def test_an_instance_that_is_missing(hub: Hub):
    hub.stage.expect("chain", "a", 2)
    hub.stage.expect("child", "b", absent=True)
    assert await hub.audit.outcomes() == [Violation("chain: there is no such instance", "a")]


async def test_a_signal_that_did_not_count_and_words_that_nobody_heard(hub: Hub):
    hub.stage.counters["c"] = 2
    hub.stage.will_say("j", "speaker", 2)
    await hub.worker.start()
    await hub.client.signal_entity(EntityId("counter", "c"), "add", 1)
    await hub.client.signal_entity(EntityId("journal", "j"), "say", ["speaker", 1])
    while len(await hub.client.hub.store.message_counts()) and await hub.leftovers():
        await hub.stage.nap(0.1)
    assert set(await hub.audit.entities()) == {
        Violation("the counter is 1, not 2", "@counter@c"),
        Violation("heard [1] of 2 numbers from speaker", "@journal@j"),
        Violation("heard [] of 1 numbers from speaker", "@journal@j-behind"),
    }


def test_an_activity_that_never_ran(hub: Hub):
    hub.stage.will_work("a", 2)
    notes = [Note(1.0, 1, BEGIN, "a/0")]
    assert hub.audit.effects(notes) == [Violation("activity a/1 never ran", "a")]


async def test_an_event_that_nobody_took(hub: Hub):
    await hub.stage.start("listens", "a", ["a", 1])
    await hub.client.raise_event("a", "item", 1)
    [row] = await hub.leftovers()
    assert row.instance_id == "a"
    assert row.key.startswith("10-inbox-")


async def test_a_payload_that_no_header_leads_to(hub: Hub):
    await hub.stage.start("bulky", "a", ["a", app.noise("a", 30_000)])
    assert len(await hub.place.rows()) == 1
    assert await hub.leftovers() == []
    stray = BlobRow("30-payload-nobody-0000-0000", pack("x", Record.payload))
    await hub.hub.store.put_blobs("a", [stray])
    await hub.hub.store.put_blobs("gone", [stray])
    assert set(await hub.leftovers()) == {Row("a", stray.key), Row("gone", stray.key)}


def test_the_time_until_another_begins_what_a_dead_process_had_in_hand():
    notes = [
        Note(1.0, 1, BEGIN, "done"),
        Note(1.5, 1, END, "done"),
        Note(1.8, 1, BEGIN, "in hand"),
        Note(2.0, 2, BEGIN, "elsewhere"),
        Note(4.5, 2, BEGIN, "in hand"),
        Note(5.0, 3, BEGIN, "done"),
    ]
    assert effects.takeovers(notes, {1: 2.0}) == [2.5]


def test_notes_are_read_as_they_were_made(tmp_path: Path):
    made = Effects(tmp_path)
    made.note(BEGIN, "a/1")
    assert made.is_first("a/1")
    assert not made.is_first("a/1")
    assert Counter((note.word, note.key) for note in effects.read(tmp_path)) == {(BEGIN, "a/1"): 1}
