"""The settings of `docs/http-calls.md` can be used, and its limits are those that there are."""

from __future__ import annotations

import json
from pathlib import Path

from azure_durable_py.addresses import FORBIDDEN_BY_DEFAULT
from azure_durable_py.settings import Settings
from azure_durable_py.worker.http.activity import USUAL_TIMEOUT
from azure_durable_py.worker.http.transport import MOST_REDIRECTS
from tests.showing import blocks

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "http-calls.md").read_text(encoding="utf-8")


def test_the_settings_of_the_page_can_be_used():
    [host_json] = blocks(PAGE, "json")
    assert Settings.from_host_json(json.loads(host_json), {}).http_max_response_size == 1024 * 1024


def test_the_page_names_the_limits():
    assert [item for item in FORBIDDEN_BY_DEFAULT if f"`{item}`" not in PAGE] == []
    assert f"{USUAL_TIMEOUT:g} seconds for each request" in PAGE
    assert f"at most {MOST_REDIRECTS}" in PAGE
