"""The framework is optional: it is imported when something of it is asked for, and missed by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

import azure_durable_py.pydantic_ai as package


def run(code: str) -> str:
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return f"{ended.stdout}{ended.stderr}"


def test_nothing_of_the_framework_is_imported_before_it_is_asked_for():
    code = "import sys, azure_durable_py as df, azure_durable_py.agents, azure_durable_py.pydantic_ai as p; df.DFApp();"
    assert run(f"{code} print('pydantic_ai' in sys.modules)").strip() == "False"
    assert run(f"{code} p.AzureDurability; print('pydantic_ai' in sys.modules)").strip() == "True"


def test_a_framework_that_is_not_there_is_missed_with_what_to_install():
    code = "import sys; sys.modules['pydantic_ai'] = None; from azure_durable_py.pydantic_ai import AzureDurability"
    assert "pip install 'azure-durable-py[pydantic-ai]'" in run(code)


def test_the_package_has_these_names_and_no_others():
    assert set(package.__all__) <= set(dir(package))
    for name in package.__all__:
        assert getattr(package, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = package.nothing
