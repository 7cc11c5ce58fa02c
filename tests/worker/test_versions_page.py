"""The settings of `docs/versions.md` can be used, and its limit is the one that there is."""

from __future__ import annotations

import json
from pathlib import Path

from azure_durable_py.settings import Settings
from azure_durable_py.worker.instance.actor import LONGEST_DEFERRAL
from tests.showing import blocks

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "versions.md").read_text(encoding="utf-8")


def test_the_settings_of_the_page_are_accepted() -> None:
    [host_json] = blocks(PAGE, "json")
    settings = Settings.from_host_json(json.loads(host_json), {})
    assert (settings.default_version, settings.version_match_strategy, settings.version_failure_strategy) == (
        "2.0",
        "CurrentOrOlder",
        "Reject",
    )


def test_how_long_an_instance_may_stand_still_is_what_the_page_says() -> None:
    assert LONGEST_DEFERRAL == 5 * 60
    assert "at most five minutes after the right worker has started" in PAGE
