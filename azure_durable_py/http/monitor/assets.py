"""The page itself: its files, and the headers that keep a browser from doing more with them than it should.

The files hold nothing of any hub, so anybody may have them. They are built from `frontend/` and come with the package.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from azure_durable_py.client.links import HttpAnswer
from azure_durable_py.http.wire import RefusedError

_PAGE = "index.html"
_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "ico": "image/x-icon",
    "txt": "text/plain; charset=utf-8",
    "json": "application/json",
    "map": "application/json",
    "woff2": "font/woff2",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Headers of everything that the monitor answers: no script but its own, no network but this host, in no frame."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page."""

    content: bytes
    kind: str
    tag: str


@cache
def assets() -> Mapping[str, Asset]:
    """The files of the page by name, read once."""
    folder = resources.files("azure_durable_py.http.monitor") / "page"
    if not folder.is_dir():
        return {}
    return {
        entry.name: _asset(entry.name, entry.read_bytes())
        for entry in folder.iterdir()
        if entry.is_file() and entry.name.rpartition(".")[2] in _TYPES
    }


def _asset(name: str, content: bytes) -> Asset:
    tag = hashlib.sha256(content).hexdigest()[:32]
    return Asset(content, _TYPES[name.rpartition(".")[2]], f'"{tag}"')


def asset_answer(name: str | None, known_tags: str) -> HttpAnswer:
    """The answer with a file of the page.

    :param name: of the file; None: the page itself.
    :param known_tags: the header `If-None-Match` of the request.
    :raises RefusedError: there is none of this name, or the package was built without the page.
    """
    found = assets()
    if _PAGE not in found:
        raise RefusedError(
            501,
            "This installation of azure-durable-py has no monitor page: it was built without it. Install a released "
            "package, or build the page with `node frontend/build.mjs`. The data below monitor/api is there.",
        )
    asset = found.get(_PAGE if name is None else name)
    if asset is None:
        raise RefusedError(404, f"The monitor page has no file {(name or '')[:80]!r}.")
    headers = {"Cache-Control": "no-cache", "ETag": asset.tag}
    if is_known(asset.tag, known_tags):
        return HttpAnswer(304, headers)
    return HttpAnswer(200, {"Content-Type": asset.kind, **headers}, asset.content)


def is_known(tag: str, known_tags: str) -> bool:
    """Whether a caller has what carries this tag already, by its `If-None-Match`."""
    return any(known.strip().removeprefix("W/") == tag.removeprefix("W/") for known in known_tags.split(","))
