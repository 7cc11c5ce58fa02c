"""The hub that most tests of commands look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli import shop as app
from tests.cli.workshop import Workshop


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An app with its hub, whose host has ended. Tests do not change it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AzureWebJobsStorage", raising=False)
        directory = app.make_shop(tmp_path_factory.mktemp("shop"))
        app.fill(directory)
    return directory


@pytest.fixture
def own_shop(shop: Path, tmp_path: Path) -> Path:
    """The same, for a test that changes it."""
    return app.copy_of(shop, tmp_path)


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """An app whose host runs. Tests change it, each in names of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AzureWebJobsStorage", raising=False)
        place = Workshop(tmp_path_factory.mktemp("running") / "workshop")
        yield place
        place.host.kill()
