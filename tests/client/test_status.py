"""Statuses and results that are made by hand, and what they show of values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import pytest

from azure_durable_py.client.entities import EntityMetadata, EntityStateResponse
from azure_durable_py.client.status import DurableOrchestrationStatus, PurgeHistoryResult
from azure_durable_py.errors import SerializationError
from azure_durable_py.ids import EntityId
from azure_durable_py.status import OrchestrationRuntimeStatus

NOON = datetime(2026, 1, 2, 12, 0, 0, 250_000, tzinfo=timezone.utc)
BY_API: dict[str, Any] = {
    "name": "Chain",
    "instanceId": "one",
    "createdTime": "2026-01-02T12:00:00.25Z",
    "lastUpdatedTime": "2026-01-02T12:00:00.2500000+00:00",
    "input": {"n": 1},
    "output": [1, 2],
    "runtimeStatus": "Completed",
    "customStatus": "done",
    "historyEvents": [{"EventType": "ExecutionStarted"}],
}


class Price:
    def __init__(self, cents: int) -> None:
        self.cents = cents

    @staticmethod
    def to_json(value: Price) -> str:
        return str(value.cents)

    @classmethod
    def from_json(cls, data: str) -> Price:
        return cls(int(data))


@dataclass
class Plain:
    n: int


def test_a_status_is_made_of_what_the_management_api_says():
    status = DurableOrchestrationStatus.from_json(BY_API)
    assert (status.name, status.instance_id, status.runtime_status) == (
        "Chain",
        "one",
        OrchestrationRuntimeStatus.Completed,
    )
    assert status.created_time == status.last_updated_time == NOON
    assert (status.input_, status.output, status.custom_status) == ({"n": 1}, [1, 2], "done")
    assert status.history == status.historyEvents == BY_API["historyEvents"]
    assert status
    assert status.is_finished


def test_the_first_parameters_may_be_given_by_position():
    positional = DurableOrchestrationStatus("Chain", "one", NOON, NOON, 1, 2, "Running", 3, [])
    assert positional == DurableOrchestrationStatus(
        name="Chain",
        instanceId="one",
        createdTime="2026-01-02T12:00:00.250Z",
        lastUpdatedTime=NOON,
        input=1,
        output=2,
        runtimeStatus=OrchestrationRuntimeStatus.Running,
        customStatus=3,
        history=[],
    )


def test_fields_may_be_given_by_their_own_names():
    status = DurableOrchestrationStatus(instance_id="one", output_json="[5]", tags={"a": "b"})
    assert (status.output, status.tags, status.history, status.name) == ([5], {"a": "b"}, None, None)


def test_a_status_comes_back_from_its_json():
    status = DurableOrchestrationStatus.from_json({**BY_API, "waitingFor": "storage"})
    again = DurableOrchestrationStatus.from_json(json.loads(json.dumps(status.to_json())))
    assert again == status
    assert again.waiting_for == "storage"


def test_no_status_is_a_falsy_one():
    assert not DurableOrchestrationStatus()
    message: Any = DurableOrchestrationStatus.from_json("No instance with this id.")
    assert not message
    assert message.message == "No instance with this id."


def test_a_status_does_not_change():
    status = DurableOrchestrationStatus(instance_id="one")
    with pytest.raises(AttributeError):
        status.instance_id = "two"  # type: ignore[misc]


@pytest.mark.parametrize("wrong", [{"runtimeStatus": "Done"}, {"createdTime": "yesterday"}])
def test_what_is_no_time_or_status_is_refused(wrong: dict[str, Any]):
    with pytest.raises(ValueError, match=r"Done|yesterday"):
        DurableOrchestrationStatus(**wrong)


def test_values_are_plain_until_a_type_is_asked_for():
    shown = {"__class__": "Price", "__module__": __name__, "__data__": "250"}
    status = DurableOrchestrationStatus(instance_id="one", output=Price(250), input=Plain(1))
    assert json.loads(json.dumps(status.output)) == shown
    assert status.input_ == {"n": 1}
    assert status.get_output(Price).cents == 250
    assert status.get_input(Plain) == Plain(1)
    with pytest.raises(SerializationError):
        status.get_input(Price)


def test_the_state_of_an_entity_is_plain_until_a_type_is_asked_for():
    shown = {"__class__": "Price", "__module__": __name__, "__data__": "250"}
    entity = EntityMetadata(EntityId("e", "k"), exists=True, state_json=json.dumps(shown))
    assert entity.state == shown
    assert entity.get_state(Price).cents == 250


def test_the_small_results_are_made_as_before():
    assert PurgeHistoryResult.from_json({"instancesDeleted": 3}).instances_deleted == 3
    assert PurgeHistoryResult(instancesDeleted=2) == PurgeHistoryResult(2)
    response = EntityStateResponse(True, {"n": 1})
    assert (response.entity_exists, response.entity_state) == (True, {"n": 1})
    assert EntityStateResponse(entity_exists=False).entity_state is None
