"""Hosts that are killed, stopped, doubled, or cut off from their storage."""

from __future__ import annotations

import random
import resource
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.azurite import ACCOUNT, KEY, Azurite
from tests.e2e.gate import Gate
from tests.e2e.host import READY, Host, copy_sample, free_port, until

REPORT = {"title": "Sales", "chapters": [f"Sales, chapter {number}: all is well." for number in (1, 2, 3)]}
INSTANCES = 40


def start_forty(host: Host) -> dict[str, object]:
    """Start 40 instances of four kinds; the outputs that they must come to."""
    expected: dict[str, object] = {}
    for number in range(INSTANCES // 4):
        for name, input_, output in (
            ("write_report", {"title": "Sales", "seconds": 0.2}, REPORT),
            ("count_words", {"chunk_size": 2}, {"files": 4, "words": 41, "failed": ["damaged.txt"]}),
            ("set_up_devices", ["fan", "kiln"], {"fan": "fan-1.2 works", "kiln": "kiln-1.2 works"}),
            (
                "book_trip",
                "Atlantis",
                {
                    "booked": [],
                    "cancelled": ["flight in Atlantis", "hotel in Atlantis"],
                    "reason": "No cars in Atlantis.",
                },
            ),
        ):
            instance_id = f"{name}-{number}"
            host.start_new(name, input_, instance_id)
            expected[instance_id] = output
    return expected


def test_forty_instances_survive_a_kill_at_a_random_moment(hosts: list[Host]):
    host = hosts[0]
    host.start()
    # The reports take 0.6 seconds at least: not all instances are finished by then.
    pause = random.uniform(0, 0.5)
    expected = start_forty(host)
    time.sleep(pause)
    host.kill()
    host.start()
    outputs = {instance_id: host.output(instance_id, 60) for instance_id in expected}
    assert outputs == expected, f"killed after {pause:.3f} s"


def test_a_host_goes_on_after_the_death_of_another(hosts: list[Host]):
    first, second = hosts
    first.start()
    second.start()
    expected = start_forty(first)
    first.kill()
    outputs = {instance_id: second.output(instance_id, 60) for instance_id in expected}
    assert outputs == expected


def test_two_hosts_share_the_work_of_one_hub(hosts: list[Host]):
    first, second = hosts
    first.start()
    second.start()
    for number in range(20):
        hosts[number % 2].start_new("book_trip", "Atlantis", f"trip-{number}")
    for number in range(20):
        assert hosts[(number + 1) % 2].output(f"trip-{number}")["booked"] == []


def test_ctrl_c_stops_it_in_good_order_and_the_next_start_goes_on(hosts: list[Host]):
    host = hosts[0]
    host.start()
    host.start_new("write_report", {"title": "Sales", "seconds": 0.7}, "report")
    host.until_status("report", lambda status: status["customStatus"] == "chapter 2 of 3")
    assert host.stop() == 0
    assert "Traceback" not in host.log
    host.start()
    assert host.output("report")["title"] == "Sales"


def connection_string(queue_port: int, table_port: int) -> str:
    return (
        f"AccountName={ACCOUNT};AccountKey={KEY};QueueEndpoint=http://127.0.0.1:{queue_port}/{ACCOUNT};"
        f"TableEndpoint=http://127.0.0.1:{table_port}/{ACCOUNT};"
    )


def test_a_host_waits_for_a_storage_that_does_not_answer_and_names_the_mend(tmp_path: Path, hub_name: str):
    connection = connection_string(free_port(), free_port())
    host = Host(copy_sample(tmp_path, hub_name), "AzureWebJobsStorage", {"AzureWebJobsStorage": connection})
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    host.launch()
    try:
        until(lambda: host.log.count("Trying again") >= 2, 60, "it tried twice")
        assert host.stop() == 0
    finally:
        host.kill()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "does not answer" in host.log
    assert "use --storage sqlite" in host.log
    assert "Traceback" not in host.log
    # It waits between its tries: most of the time nothing runs.
    assert after.ru_utime - before.ru_utime < 5


@pytest.mark.azurite
def test_a_host_starts_when_its_storage_comes_up(tmp_path: Path, hub_name: str, azurite_process: Azurite):
    gates = [Gate(urlsplit(uri).port or 0) for uri in (azurite_process.queue_uri, azurite_process.table_uri)]
    connection = connection_string(gates[0].port, gates[1].port)
    host = Host(copy_sample(tmp_path, hub_name), "AzureWebJobsStorage", {"AzureWebJobsStorage": connection})
    try:
        for gate in gates:
            gate.shut()
        host.launch()
        until(lambda: "Trying again" in host.log, 60, "it tried")
        for gate in gates:
            gate.open()
        until(lambda: READY in host.log, 60, "it is ready")
        assert host.stop() == 0
    finally:
        host.kill()
        for gate in gates:
            gate.remove()


@pytest.mark.azurite
def test_a_host_outlives_an_outage_of_its_storage_without_rushing(
    tmp_path: Path, hub_name: str, azurite_process: Azurite
):
    gates = [Gate(urlsplit(uri).port or 0) for uri in (azurite_process.queue_uri, azurite_process.table_uri)]
    connection = connection_string(gates[0].port, gates[1].port)
    host = Host(copy_sample(tmp_path, hub_name), "AzureWebJobsStorage", {"AzureWebJobsStorage": connection})
    try:
        host.start()
        host.start_new("write_report", {"title": "Sales", "seconds": 0.5}, "report")
        for gate in gates:
            gate.shut()
        until(lambda: "Storage does not answer" in host.log, 60, "it is told")
        told = sum(gate.refused for gate in gates)
        until(lambda: sum(gate.refused for gate in gates) >= told + 4, 60, "it goes on trying")
        tries, lines = sum(gate.refused for gate in gates), host.log.count("\n")
        for gate in gates:
            gate.open()
        assert host.output("report", 60) == REPORT
        until(lambda: "Storage answers again" in host.log, 60, "its end is told")
        assert host.log.count("Storage does not answer") == 1
        assert tries < 100
        assert lines < 60
        assert host.stop() == 0
    finally:
        host.kill()
        for gate in gates:
            gate.remove()
