"""Recorded histories, wherever they come from: files of lines, instances in hand.

Owns the way from a source to one recording after the other, and the place that messages name. However many there are,
one is in memory at a time.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TypeAlias

from azure_durable_py.client.export import ExportedInstance
from azure_durable_py.errors import InvalidRequestError
from azure_durable_py.status import OrchestrationRuntimeStatus

PATTERN = "*.jsonl"
"""The files of a directory that hold histories."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded history.

    `place` says where it is from, as `orders.jsonl:3`; empty: it was given as it is. `instance` is None where it cannot
    be read, and `problem` says why. As a text it is its place and instance, for the ids of parametrised tests.
    """

    place: str
    instance: ExportedInstance | None
    problem: str | None = None

    @property
    def instance_id(self) -> str | None:
        """The id of the instance, as far as it can be read."""
        return None if self.instance is None else self.instance.status.instance_id

    @property
    def name(self) -> str | None:
        """The name of the orchestrator, as far as it can be read."""
        return None if self.instance is None else self.instance.status.name

    @property
    def runtime_status(self) -> OrchestrationRuntimeStatus | None:
        """The state that the instance was recorded in."""
        return None if self.instance is None else self.instance.status.runtime_status

    def __str__(self) -> str:
        return " ".join(part for part in (self.place, self.instance_id) if part) or "history"


Source: TypeAlias = "str | PathLike[str] | ExportedInstance | Recording"
Sources: TypeAlias = "Source | Iterable[Source]"
"""What histories are read from: a file, a directory, a pattern (`histories/**/*.jsonl`), a line of an export, an
instance or a recording in hand; or several of these."""


def recordings(sources: Sources) -> Iterator[Recording]:
    """The recorded histories of some sources, one after the other.

    Of a directory these are all files `*.jsonl` in it and below. A line that cannot be read comes like the others, and
    says why.

    :param sources: files, directories, patterns, lines of an export, instances.
    :raises FileNotFoundError: there is no such file, or none in a directory or of a pattern.
    :raises OSError: a file cannot be read.
    """
    if isinstance(sources, (str, PathLike, ExportedInstance, Recording)):
        sources = (sources,)
    for source in sources:
        yield from _of(source)


def recordings_of_lines(lines: Iterable[str | bytes], place: str) -> Iterator[Recording]:
    """The recorded histories of lines; empty ones are none.

    :param place: where the lines are from.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _recording(line, f"{place}:{number}")


def _of(source: Source) -> Iterator[Recording]:
    if isinstance(source, Recording):
        yield source
    elif isinstance(source, ExportedInstance):
        yield Recording("", source)
    elif isinstance(source, str) and source.lstrip().startswith("{"):
        yield _recording(source, "")
    else:
        for path in _files(source):
            with path.open("rb") as lines:
                yield from recordings_of_lines(lines, str(path).removeprefix(f"{Path.cwd()}{os.sep}"))


def _files(source: str | PathLike[str]) -> list[Path]:
    path = Path(source)
    if path.is_dir():
        found = sorted(file for file in path.rglob(PATTERN) if file.is_file())
        missing = f"There is no file {PATTERN} in {path}: `azure-durable export` writes them."
    elif path.exists():
        return [path]
    else:
        named = glob.glob(str(source), recursive=True)  # noqa: PTH207 - that of Path takes no absolute patterns
        found = sorted(file for file in map(Path, named) if file.is_file())
        missing = f"There is no file {source}."
    if not found:
        raise FileNotFoundError(missing)
    return found


def _recording(line: str | bytes, place: str) -> Recording:
    try:
        return Recording(place, ExportedInstance.from_line(line))
    except InvalidRequestError as error:
        return Recording(place, None, str(error))
