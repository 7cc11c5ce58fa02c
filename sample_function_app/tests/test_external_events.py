"""External events: early, late, in any order, and while no process runs."""

from azure_durable_py.testing import DurableTestSyncEnvironment, OrchestratorPlayer
from sample_function_app.external_events import ship_order


def test_payment_and_address_are_waited_for_before_anything_is_packed() -> None:
    step = OrchestratorPlayer(ship_order, {"parcels": 1})
    assert [event.name for event in step.pending] == ["Paid", "Address"]
    step.raise_event("Address", "Quay 7")
    step.raise_event("Paid")
    assert step.custom_status == "0 of 1 parcels shipped"
    step.raise_event("Packed", "books")
    assert step.output == {"to": "Quay 7", "parcels": ["books"]}


def test_events_that_come_early_and_in_any_order_are_kept(durable_sync_env: DurableTestSyncEnvironment) -> None:
    order = durable_sync_env.start(ship_order, {"parcels": 2})
    for name, data in (("Packed", "books"), ("Address", "Quay 7"), ("Packed", "tea"), ("Paid", None)):
        order.raise_event(name, data)
    assert order.result() == {"to": "Quay 7", "parcels": ["books", "tea"]}


def test_events_that_come_while_no_process_runs_are_kept(durable_sync_env: DurableTestSyncEnvironment) -> None:
    order = durable_sync_env.start(ship_order, {"parcels": 1})
    durable_sync_env.crash()
    for name, data in (("Paid", None), ("Packed", "books"), ("Address", "Quay 7")):
        order.raise_event(name, data)
    durable_sync_env.restart()
    assert order.result() == {"to": "Quay 7", "parcels": ["books"]}
