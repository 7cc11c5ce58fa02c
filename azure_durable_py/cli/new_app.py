"""Makes the files of a new function app from a template.

Owns the templates, which are files of the package (`cli/templates`), and what is put into them. A template is a folder
there, together with what all of them have in `common`; each file's name ends in `.template`, so that nothing takes it
for code or settings of the package itself.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from azure_durable_py.errors import SettingsError
from azure_durable_py.settings import hub_name_from

if TYPE_CHECKING:
    if sys.version_info >= (3, 11):
        from importlib.resources.abc import Traversable
    else:
        from importlib.abc import Traversable

TEMPLATES: Mapping[str, str] = {
    "hello": "an orchestrator that calls activities, one after the other",
    "human-approval": "waits for a person's decision, or until it is too late",
    "http-api": "an API that answers at once, or says where to ask for the result",
}
"""Each template, and what its app does."""
_SUFFIX = ".template"


@dataclass(frozen=True, slots=True)
class NewApp:
    """What was made: the files that were written, and those that were there and left alone."""

    directory: Path
    written: tuple[str, ...]
    kept: tuple[str, ...]


def make_app(directory: Path, template: str, *, keep_existing: bool = False) -> NewApp:
    """Write the files of a new app into a directory, which is made if it is not there.

    :param template: one of `TEMPLATES`.
    :param keep_existing: leave files that are there as they are. Without it, one such file has nothing written at all.
    :raises SettingsError: files would be overwritten, or the directory cannot be written to.
    """
    directory = directory.resolve()
    content = dict(sorted(_content(directory.name, template).items()))
    kept = tuple(name for name in content if (directory / name).exists())
    if kept and not keep_existing:
        raise SettingsError(
            f"{directory} has {', '.join(kept)} already; nothing was written. Choose another folder, move "
            f"{'it' if len(kept) == 1 else 'them'} away, or say --keep-existing to have only the other files made."
        )
    written = tuple(name for name in content if name not in kept)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name in written:
            _write(directory / name, content[name])
    except OSError as error:
        raise SettingsError(f"The app cannot be made in {directory}: {error}. Choose another folder.") from error
    return NewApp(directory, written, kept)


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(exist_ok=True)
    # "x": what somebody put there meanwhile is not overwritten.
    with file.open("x", encoding="utf-8", newline="\n") as stream:
        stream.write(text)


def _content(app_name: str, template: str) -> dict[str, str]:
    """The text of each file of an app, by its path within the app."""
    templates = resources.files("azure_durable_py.cli") / "templates"
    values = {
        "app_name": app_name,
        "hub_name": hub_name_from(app_name),
        "version": version("azure-durable-py"),
        "about_every_app": (templates / "about-every-app.md").read_text(encoding="utf-8"),
    }
    found: dict[str, str] = {}
    for folder in ("common", template):
        for path, file in _files(templates / folder):
            text = file.read_text(encoding="utf-8")
            # In one pass: what is put in is not looked at again, whatever a folder is called.
            found[path] = re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], text)
    return found


def _files(folder: Traversable, above: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, f"{above}{entry.name}/")
        elif entry.name.endswith(_SUFFIX):
            yield above + entry.name.removesuffix(_SUFFIX), entry
