"""The page names every metric, every attribute and every setting, and none that there is not."""

from __future__ import annotations

import re
from pathlib import Path

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from azure_durable_py import settings
from azure_durable_py.telemetry import metrics, names
from azure_durable_py.telemetry.metrics import MetricsObserver

PAGE = (Path(__file__).parents[2] / "docs" / "telemetry.md").read_text(encoding="utf-8")


def _section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def _first_cells(text: str) -> set[str]:
    return {name for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for name in re.findall(r"`([\w.]+)`", row)}


def test_the_page_names_every_metric():
    made: list[str] = []

    class Meter:
        def __getattr__(self, call: str):
            return lambda name, *args, **kwargs: made.append(name)

    class Provider(MeterProvider):
        def get_meter(self, *args: object, **kwargs: object) -> Meter:  # type: ignore[override]
            return Meter()

    MetricsObserver(Provider([InMemoryMetricReader()], shutdown_on_exit=False))
    assert _first_cells(_section("Metrics")) == set(made)
    for attribute in (metrics.CALL, metrics.QUEUE, metrics.REPLAYED, metrics.ERROR):
        assert f"`{attribute}`" in _section("Metrics")


def test_the_page_names_every_attribute_of_spans():
    known = {value for value in vars(names).values() if isinstance(value, str) and value.startswith("durabletask.")}
    named = set(re.findall(r"`(durabletask\.[\w.]+)`", _section("One trace") + _section("host.json")))
    assert named == known - {names.REPLAYED}


def test_the_page_names_every_setting():
    known = {name for name, key in settings._TRACING.items() if key.field is not None}
    assert _first_cells(_section("host.json")) == known
