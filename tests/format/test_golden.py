"""What is stored is stored as it was: today's code writes the golden bytes, and reads those of every version."""

from __future__ import annotations

import json
import re

import pytest

from azure_durable_py.history import codec
from azure_durable_py.taskhub import upgrades
from azure_durable_py.taskhub.messages import Cause
from azure_durable_py.taskhub.naming import RowKind, kind_of
from azure_durable_py.taskhub.outgoing import to_message
from azure_durable_py.taskhub.payloads import unpack
from azure_durable_py.taskhub.state import SendKind
from tests.format import samples
from tests.format.document import DOCUMENT, filled, shown
from tests.format.golden import FOLDER, GOLDEN, older, path_of

_HEADER = upgrades.Record.header
each = pytest.mark.parametrize("name", sorted(GOLDEN))


@each
def test_what_is_written_is_what_was_written_before(name: str):
    golden, path = GOLDEN[name], path_of(name)
    assert path.exists(), f"{path.name} is missing: write it with `python -m tests.format`, and commit it."
    if golden.text(golden.write()) != golden.text(path.read_bytes()):
        pytest.fail(
            f"{name} is stored in other bytes than before, under the same version ({golden.version}). Hubs hold the "
            f"old ones, and older workers could not read the new ones. If that is meant: raise {golden.raise_it}, "
            f"with a step from version {golden.version}; leave {path.name} as it is, and write the files of the new "
            "version with `python -m tests.format`. docs/format.md says more."
        )


@each
def test_what_was_written_before_is_read(name: str):
    golden = GOLDEN[name]
    assert older(name)
    for path in older(name):
        found = golden.read(path.read_bytes())
        # Samples grow with their versions: what an older one held is less, and is read all the same.
        assert path != path_of(name) or found == golden.sample, (
            f"{path.name} is not read as what it was written for: see to the steps in "
            "azure_durable_py/taskhub/upgrades.py."
        )


def test_there_is_a_sample_of_every_event():
    held = {type(event) for event in (*samples.HISTORY, *(event for event, _ in samples.ARRIVALS.values()))}
    missing = sorted(kind.__name__ for kind in set(codec._EVENTS.values()) - held)
    assert not missing, (
        f"{missing} can be stored, and workers of the version before cannot read it: add it to HISTORY or ARRIVALS, "
        "and raise `history` and `header` (and `inbox_event`) in azure_durable_py/taskhub/upgrades.py."
    )


def test_no_file_is_left_that_nobody_reads():
    read = {path for name in GOLDEN for path in older(name)}
    assert set(FOLDER.iterdir()) == read


@pytest.mark.parametrize("record", upgrades.Record)
def test_steps_lead_from_every_version_to_todays(record: upgrades.Record):
    steps = [version for kind, version in upgrades.STEPS if kind is record]
    assert upgrades.lead_to(upgrades.VERSIONS[record], 1, steps), f"{record.name}: add the missing step to STEPS"


def test_there_is_a_sample_of_everything():
    assert {bell.cause for bell in samples.DOORBELLS.values()} == set(Cause)
    assert [message.kind for message in map(to_message, samples.SENDS.values())] == [
        SendKind.start_child,
        SendKind.resume_child,
        SendKind.start_new,
        SendKind.deliver,
    ]
    assert len(samples.SENDS) == len(SendKind)
    kinds = {kind_of(key) for keys in samples.KEYS.values() for key in ([keys] if isinstance(keys, str) else keys)}
    assert kinds - {None} == set(RowKind)


def test_the_document_shows_everything_as_it_is():
    assert shown() == set(GOLDEN)
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == filled(text), "`python -m tests.format` writes the examples of docs/format.md"


def test_the_document_names_every_kind_of_row_and_every_field_of_a_header():
    text = DOCUMENT.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([0-9]0-[a-z]+-?)` \|", text, re.MULTILINE)
    assert rows == [kind.value for kind in RowKind]
    fields = re.search(r"^\| field \|.*?\n\n", text, re.MULTILINE | re.DOTALL)
    assert fields is not None
    named = set(re.findall(r"`(\w+)`", "\n".join(line.split("|")[1] for line in fields[0].strip().splitlines())))
    written = {name for state in samples.STATES.values() for name in json.loads(unpack(state.encode(), _HEADER))[0]}
    assert named == written
