"""The names of `import azure_durable_py as df`."""

from __future__ import annotations

import subprocess
import sys

import pytest

import azure_durable_py as df


@pytest.mark.parametrize("name", df.__all__)
def test_every_exported_name_can_be_had(name: str) -> None:
    assert getattr(df, name).__name__ == df._ALIASES.get(name, name)
    assert name in dir(df)


def test_the_lazy_names_are_the_exported_names() -> None:
    assert sorted([*df._HOME_OF, *df._ALIASES]) == sorted(df.__all__)


def test_every_exported_name_has_one_home() -> None:
    homes = [name for names in df._HOMES.values() for name in names]
    assert sorted(homes) == sorted(df._HOME_OF)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nope'"):
        _ = df.Nope


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = "('azure.', 'aiohttp', 'asyncio')"
    code = f"import sys, azure_durable_py; print([m for m in sys.modules if m.startswith({heavy})])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
