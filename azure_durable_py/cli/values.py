"""Values that options take beside times: states of instances, tags, JSON. A value that is none is wrong usage."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from azure_durable_py.status import OrchestrationRuntimeStatus

if TYPE_CHECKING:
    _StatusParam, _TagParam = click.ParamType[tuple[str, ...]], click.ParamType[tuple[str, str]]
else:  # Before click 8.2 it is not generic.
    _StatusParam = _TagParam = click.ParamType

_STATUSES = {status.value.lower(): status.value for status in OrchestrationRuntimeStatus}


class StatusesType(_StatusParam):
    """States of instances: one, or several with commas or spaces between them, in any case."""

    name = "status"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Their names as the management API has them."""
        found: list[str] = []
        for word in re.split(r"[,\s]+", str(value).strip()):
            if word.lower() not in _STATUSES:
                self.fail(f"{word!r} is not a runtime status. Accepted: {', '.join(_STATUSES.values())}.", param, ctx)
            found.append(_STATUSES[word.lower()])
        return tuple(found)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The names that begin so."""
        del ctx, param
        before, comma, word = incomplete.rpartition(",")
        return [
            CompletionItem(f"{before}{comma}{name}")
            for lower, name in _STATUSES.items()
            if lower.startswith(word.lower())
        ]


class TagType(_TagParam):
    """A tag: NAME=VALUE."""

    name = "tag"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Its name and value."""
        name, equals, text = str(value).partition("=")
        if not name or not equals:
            self.fail(f"{value!r} is no tag: give NAME=VALUE.", param, ctx)
        return name, text


STATUSES = StatusesType()
TAG = TagType()


def every(given: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """The states that an option names which may be given several times."""
    return tuple(dict.fromkeys(name for names in given for name in names))


def json_value(text: str | None, option: str) -> Any:
    """The value of an option that takes JSON, or `@FILE` with JSON in it; None if it is not given.

    What is no JSON is a text, so that a name needs no quotes within quotes. In a file it is an error.

    :param option: its name, for messages.
    :raises click.UsageError: the file cannot be read, or holds something else than JSON.
    """
    if text is None:
        return None
    try:
        if text.startswith("@"):
            return json.loads(Path(text[1:]).read_text(encoding="utf-8-sig"), parse_constant=_no_constant)
        return json.loads(text, parse_constant=_no_constant)
    except OSError as error:
        raise click.UsageError(f"{option}: {text[1:]!r} cannot be read: {error.strerror or error}.") from None
    except (ValueError, RecursionError) as error:
        if text.startswith("@"):
            raise click.UsageError(f"{option}: {text[1:]!r} is not JSON: {error}.") from None
        if text.lstrip()[:1] in ("{", "[", '"'):
            raise click.UsageError(f"{option} is not JSON: {error}. A text that begins so needs quotes.") from None
        return text


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
