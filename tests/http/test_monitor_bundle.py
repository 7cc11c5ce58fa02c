"""The monitor page that is shipped is what its sources make, and asks nobody else for anything."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "azure_durable_py" / "http" / "monitor" / "page"
SHIPPED = {"index.html", "monitor.js", "monitor.css", "LICENSES.txt"}
HTML = (PAGE / "index.html").read_text(encoding="utf-8")
JS = (PAGE / "monitor.js").read_text(encoding="utf-8")
CSS = (PAGE / "monitor.css").read_text(encoding="utf-8")


def _node() -> str:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node.js to build the page with")
    if not (ROOT / "node_modules" / "esbuild").exists():
        pytest.skip("esbuild is not installed: run `npm ci`")
    return node


def test_what_is_shipped_is_what_the_sources_make(tmp_path: Path):
    subprocess.run([_node(), "frontend/build.mjs", tmp_path], cwd=ROOT, check=True, timeout=100)
    built = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert set(built) == SHIPPED
    differing = [name for name, data in built.items() if data != (PAGE / name).read_bytes()]
    assert differing == [], "run `make monitor`, and commit what it builds"


def test_nothing_but_the_page_is_in_its_folder():
    assert {file.name for file in PAGE.iterdir()} == SHIPPED


def test_the_page_runs_no_script_and_wears_no_style_that_a_strict_policy_forbids():
    assert re.findall(r"<script(?![^>]*\bsrc=)", HTML) == []
    assert re.findall(r"<style|\bstyle=|\bon[a-z]+=", HTML) == []
    assert re.findall(r"\beval\(|new Function\(|\bdangerouslySetInnerHTML:", JS) == []


def test_the_page_asks_no_other_server_for_anything():
    addresses = set(re.findall(r"https?://[^\s\"'`)<>]+", HTML + CSS + JS))
    # Names of XML, which nobody asks for.
    assert {address for address in addresses if not address.startswith("http://www.w3.org/")} == set()
    assert re.findall(r"@import|url\((?!data:)", CSS) == []


def test_the_licences_of_all_that_is_bundled_come_with_it():
    licences = (PAGE / "LICENSES.txt").read_text(encoding="utf-8")
    named = re.findall(r"^(\S+) \d[\d.]* \(MIT\)$", licences, re.MULTILINE)
    assert named == ["@preact/signals", "@preact/signals-core", "preact"]
    assert licences.count("THE SOFTWARE IS PROVIDED") == len(named)


def test_the_page_is_small_enough_to_come_at_once():
    assert sum(file.stat().st_size for file in PAGE.iterdir()) < 200_000
