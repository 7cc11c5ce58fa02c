"""What of a record reaches a terminal or a program."""

from __future__ import annotations

import json
import logging
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from azure_durable_py.errors import SettingsError
from azure_durable_py.logs.formats import JsonFormatter, LineFormatter, short_name
from azure_durable_py.logs.levels import OFF, apply, levels_of


def record(message: str, *args: object, name: str = "app", level: int = logging.INFO, **more: Any) -> logging.LogRecord:
    made = logging.LogRecord(name, level, "file.py", 3, message, args, None)
    vars(made).update(more)
    return made


def test_no_line_of_a_record_passes_for_another_record():
    line = LineFormatter(color=False).format(record("first\n[12:00:00.000] ERROR   forged: %s", "\x1b[31mred"))
    first, second = line.split("\n")
    assert first.endswith("INFO    app: first")
    assert second == r"    [12:00:00.000] ERROR   forged: \x1b[31mred"


def test_the_lines_of_a_stack_stay():
    try:
        raise ValueError("bad \x1b[0m")
    except ValueError:
        made = record("It failed.", level=logging.ERROR)
        made.exc_info = sys.exc_info()
    lines = LineFormatter(color=False).format(made).split("\n")
    assert lines[1] == "    Traceback (most recent call last):"
    assert lines[-1] == r"    ValueError: bad \x1b[0m"


def test_only_our_own_colour_is_on_a_terminal():
    line = LineFormatter(color=True).format(record("\x1b[32mgreen", level=logging.ERROR))
    assert line.startswith("\x1b[31m[")
    assert line.endswith("\\x1b[32mgreen\x1b[0m")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("azure_durable_py.orchestration", "orchestration"),
        ("azure_durable_py.hosting.local.running", "host"),
        ("azure_durable_py.access", "http"),
        ("azure_durable_py.taskhub.azure.tables", "taskhub"),
        ("azure.core", "azure.core"),
        ("my_app.orders", "my_app.orders"),
    ],
)
def test_the_loggers_of_the_package_have_short_names_in_lines(name: str, shown: str):
    assert short_name(name) == shown
    assert f" {shown}: " in LineFormatter(color=False).format(record("x", name=name))


def test_a_record_of_the_app_shows_of_which_instance_it_is():
    own = record("Paid.", name="shop", instance_id="order-1", orchestrator="order")
    assert LineFormatter(color=False).format(own).endswith("INFO    shop: [order-1] Paid.")
    of_context = record("Paid.", name="azure_durable_py.orchestrator.order", instance_id="order\x1b-1")
    assert LineFormatter(color=False).format(of_context).endswith(r"INFO    order: [order\x1b-1] Paid.")
    of_engine = record("Instance 'order-1' started.", name="azure_durable_py.orchestration", instance_id="order-1")
    assert LineFormatter(color=False).format(of_engine).endswith("orchestration: Instance 'order-1' started.")


def as_json(made: logging.LogRecord) -> dict[str, Any]:
    line = JsonFormatter({"service.name": "shop"}).format(made)
    assert "\n" not in line
    return json.loads(line)


def test_json_has_the_fields_of_the_log_data_model():
    found = as_json(record("Order %d", 5, name="shop.orders", instance_id="o-1"))
    assert int(found["Timestamp"]) > 1_700_000_000 * 10**9
    assert found["ObservedTimestamp"] == found["Timestamp"]
    assert (found["SeverityText"], found["SeverityNumber"]) == ("INFO", 9)
    assert found["Body"] == "Order 5"
    assert found["Attributes"] == {"instance_id": "o-1"}
    assert found["InstrumentationScope"] == {"Name": "shop.orders"}
    assert found["Resource"] == {"service.name": "shop"}
    assert "TraceId" not in found


@pytest.mark.parametrize(
    ("level", "severity"),
    [(5, ("TRACE", 1)), (10, ("DEBUG", 5)), (30, ("WARN", 13)), (40, ("ERROR", 17)), (50, ("FATAL", 21))],
)
def test_levels_are_severities(level: int, severity: tuple[str, int]):
    found = as_json(record("x", level=level))
    assert (found["SeverityText"], found["SeverityNumber"]) == severity


def test_json_has_the_exception_as_attributes():
    try:
        raise ValueError("bad\nnews")
    except ValueError:
        made = record("x")
        made.exc_info = sys.exc_info()
    found = as_json(made)["Attributes"]
    assert (found["exception.type"], found["exception.message"]) == ("ValueError", "bad\nnews")
    assert "test_json_has_the_exception_as_attributes" in found["exception.stacktrace"]


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("no")


def test_json_takes_whatever_is_in_a_record():
    found = as_json(record("x", thing=object, bad=Unspeakable(), text="\ud800", number=float("nan")))
    assert found["Attributes"]["bad"] == "(Unspeakable)"


@pytest.mark.parametrize("kind", ["nan", "nan-within", "key", "circle", "depth"])
def test_no_line_of_json_is_lost_for_a_value_that_json_has_not(kind: str):
    circle: list[Any] = []
    circle.append(circle)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    odd = {
        "nan": float("nan"),
        "nan-within": {"a": [float("inf")]},
        "key": {(1, 2): 3},
        "circle": circle,
        "depth": deep,
    }[kind]
    line = JsonFormatter({}).format(record("said", odd=odd, good={"a": [1, None]}))
    found = json.loads(line, parse_constant=pytest.fail)
    assert found["Body"] == "said"
    assert isinstance(found["Attributes"]["odd"], str)
    assert found["Attributes"]["good"] == {"a": [1, None]}


def test_json_names_the_span_that_a_record_was_made_in(monkeypatch: pytest.MonkeyPatch):
    context = SimpleNamespace(is_valid=True, trace_id=0xABC, span_id=0xDEF, trace_flags=1)
    span = SimpleNamespace(get_span_context=lambda: context)
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", SimpleNamespace(get_current_span=lambda: span))
    found = as_json(record("x"))
    assert (found["TraceId"], found["SpanId"], found["TraceFlags"]) == (f"{0xABC:032x}", f"{0xDEF:016x}", 1)
    context.is_valid = False
    assert "TraceId" not in as_json(record("x"))


def levels(**log_level: str) -> dict[str, int]:
    return levels_of({"logging": {"logLevel": log_level}})


def test_host_json_that_says_nothing_of_the_log_changes_nothing():
    for host_json in ({}, {"logging": {}}, {"logging": {"logLevel": {}}}, {"logging": None}):
        assert levels_of(host_json) == {}


def test_default_is_for_all_that_has_no_category_of_its_own():
    found = levels(default="Warning")
    assert found[""] == logging.WARNING
    assert set(found.values()) == {logging.WARNING}


def test_the_longest_category_decides():
    found = levels_of(
        {"logging": {"logLevel": {"default": "Error", "Host": "Warning", "Host.Results": "Debug", "Function": "Trace"}}}
    )
    assert found["azure_durable_py.access"] == logging.DEBUG
    assert found["azure_durable_py.hosting"] == logging.WARNING
    assert found["azure_durable_py"] == logging.WARNING
    assert found["azure_durable_py.worker"] == logging.ERROR
    assert found[""] == found["azure_durable_py.orchestrator"] == logging.DEBUG


def test_a_category_may_be_a_logger_of_python():
    found = levels_of({"logging": {"logLevel": {"azure.core": "Information", "my_app.orders": "None"}}})
    assert found == {"azure.core": logging.INFO, "my_app.orders": OFF}
    assert levels_of({"logging": {"logLevel": {"azure_durable_py": "Error"}}}) == {"azure_durable_py": logging.ERROR}


def test_a_level_that_there_is_not_is_refused_by_name():
    with pytest.raises(SettingsError, match=r"logging\.logLevel\.Host is 'loud'\. Accepted: Trace, Debug"):
        levels(Host="loud")


def test_levels_are_applied_to_the_loggers():
    name = "azure_durable_py.test_of_levels"
    apply({name: OFF})
    try:
        assert not logging.getLogger(name).isEnabledFor(logging.CRITICAL)
    finally:
        logging.getLogger(name).setLevel(logging.NOTSET)
