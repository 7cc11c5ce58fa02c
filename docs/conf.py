"""How `make docs` builds the site from these pages and the docstrings of the public package.

Owns what Sphinx does not know by itself: diagrams, and where a public class is described whose name in an
annotation is that of the module it lives in. The build needs no network, and neither do the pages.
"""

from __future__ import annotations

import importlib
import shutil
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.nodes import Node, TextElement
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.autodoc.mock import mock
from sphinx.util.docutils import SphinxDirective

import azure_durable_py
import azure_durable_py.agents
import azure_durable_py.telemetry
import azure_durable_py.testing

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
# What agents are written with is in an environment of its own; here it has no more than its names.
autodoc_mock_imports = ["agents", "mcp", "openai", "pydantic", "pydantic_ai", "pydantic_core"]
with mock(autodoc_mock_imports):
    import azure_durable_py.openai_agents
    import azure_durable_py.pydantic_ai

    _PUBLIC = (
        azure_durable_py,
        azure_durable_py.agents,
        azure_durable_py.openai_agents,
        azure_durable_py.pydantic_ai,
        azure_durable_py.telemetry,
        azure_durable_py.testing,
    )
    for _room in _PUBLIC:
        for _name in _room.__all__:
            getattr(_room, _name)
_MERMAID = ROOT / "node_modules" / "@mermaid-js" / "tiny" / "dist" / "mermaid.tiny.js"
_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = _PROJECT["name"]
version = release = _PROJECT["version"]
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_static"]

html_theme = "furo"
html_title = f"{project} {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["mermaid.tiny.js", "diagrams.js"]
html_copy_source = False
html_show_copyright = False

# A fence that GitHub draws is a directive here.
myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

# What is in single backticks in a docstring is code, as in the pages.
default_role = "literal"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 90

# References to anything outside of the package cannot be looked up without a network.
nitpick_ignore_regex = [("py:.*", r"(?!azure_durable_py).*")]


class Mermaid(SphinxDirective):
    """A diagram, drawn by the browser; who has no JavaScript reads its text."""

    has_content = True

    def run(self) -> list[Node]:
        """The element that diagrams.js draws."""
        text = nodes.Text("\n".join(self.content))
        drawn = nodes.container("", nodes.literal_block("", "", text, language="none"), classes=["diagram"])
        return [drawn]


def _described_as() -> dict[str, str]:
    """The public names by where their objects are defined."""
    public = {f"{room.__name__}.{name}": getattr(room, name) for room in _PUBLIC for name in room.__all__}
    # A constant is named by nobody's annotation.
    return {
        f"{value.__module__}.{value.__qualname__}": name
        for name, value in public.items()
        if hasattr(value, "__qualname__")
    }


def _exists(dotted: str) -> bool:
    """Whether a dotted name is that of something in the package."""
    module, _, name = dotted.rpartition(".")
    try:
        return hasattr(importlib.import_module(module), name)
    except (ImportError, ValueError):
        return False


def _resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: TextElement) -> Any:
    """What a reference leads to that Sphinx does not find: annotations name objects by where they are defined.

    What exists and is not public stays text. What does not exist is left to Sphinx, which refuses it.
    """
    target = str(node.get("reftarget", ""))
    if node.get("refdomain") != "py" or not target.startswith("azure_durable_py."):
        return None
    name = _described_as().get(target)
    if name is None:
        return content if _exists(target) else None
    refdoc = str(node.get("refdoc", env.docname))
    return env.domains.python_domain.resolve_xref(env, refdoc, app.builder, "obj", name, node, content)


def _copy_mermaid(app: Sphinx) -> None:
    # From the npm package, so that no page asks a server for it.
    if not _MERMAID.exists():
        raise FileNotFoundError(f"{_MERMAID} is missing: run `make docs`, which installs it.")
    target = Path(app.outdir) / "_static" / _MERMAID.name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_MERMAID, target)


def setup(app: Sphinx) -> None:
    """Add diagrams and references to Sphinx."""
    app.add_directive("mermaid", Mermaid)
    app.connect("builder-inited", _copy_mermaid)
    app.connect("missing-reference", _resolve)
