"""The table of names that code for azure-functions-durable 1.x asks for."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib.util import find_spec

import pytest

import azure_durable_py as df
from azure_durable_py.moved_names import MOVED_NAMES

# Those of agents need their framework, which only the environment of `make test-agents` has.
PLACES = sorted(
    {
        where
        for names in MOVED_NAMES.values()
        for where in names.values()
        if find_spec("agents") or not where.startswith("openai_agents")
    }
)


@pytest.mark.parametrize("where", PLACES)
def test_every_name_leads_to_something(where: str):
    home, _, name = where.partition(":")
    assert hasattr(importlib.import_module(f"azure_durable_py.{home}"), name)


def test_a_name_leads_to_the_same_wherever_it_is_taken_from():
    found: dict[str, set[str]] = {}
    for names in MOVED_NAMES.values():
        for name, where in names.items():
            found.setdefault(name, set()).add(where)
    assert {name: places for name, places in found.items() if len(places) > 1} == {}


def test_the_names_of_the_package_itself_are_ours_too():
    assert set(MOVED_NAMES[""]) <= set(df.__all__)
    assert "DurableOrchestrationStatus" in MOVED_NAMES["models.DurableOrchestrationStatus"]
    assert "OrchestrationRuntimeStatus" in MOVED_NAMES["models.DurableOrchestrationStatus"]


def test_the_table_imports_nothing():
    code = "import sys, azure_durable_py.moved_names; print([m for m in sys.modules if m.startswith('azure')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['azure_durable_py', 'azure_durable_py.moved_names']"


def test_the_name_that_the_next_release_gives_the_client_is_an_alias():
    assert df.DurableFunctionsClient is df.DurableOrchestrationClient
