"""Takes what is secret out of an exported instance, so that its history can still be replayed.

Owns what is replaced, and by what. A value that a selector names is replaced by one of its type and shape: letters by
`a`, digits by `1`; so lengths, dates, ids and addresses stay such. Wherever else its text stands in the instance - in
results, failures, ids that were made of it - it is replaced by the same, so that code which is given the one comes to
the other.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, cast

from azure_durable_py.client.export import ExportedInstance
from azure_durable_py.errors import InvalidRequestError
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.codec import value_fields
from azure_durable_py.history.events import Event, ExecutionCompleted

SHORTEST = 4
"""Characters of a text that is looked for elsewhere, at least: shorter ones stand everywhere by chance."""
ANY = "*"
_KEPT = frozenset({"name", "operation", "status", "section", "version", "new_version", "execution_id", "error_type"})
"""Fields of events that are no data of users, or that everything else of the history follows from."""
_VALUES = {"input": "input_json", "output": "output_json", "customStatus": "custom_status_json"}
_CLASS = ("__class__", "__module__")
"""What the converter writes beside the data of an object: without it nobody makes the object again."""
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?", re.ASCII)
_T = TypeVar("_T")
_Path = tuple[str, ...]


def redacted(instance: ExportedInstance, selectors: Iterable[str]) -> ExportedInstance:
    """The instance without the values that are named.

    Truth values and null stay as they are, and so do the instance's own ids, from which those of its children follow.

    :param selectors: names of keys with dots between them. A value is meant if its path ends so; its path begins with
        what it is of: `input`, `output`, `result`, `data` (of an event), `customStatus`, `tags`, `failure` (with
        `message` and `stack_trace`), and `*` stands for any one name. `password` is that key anywhere,
        `input.password` that of an input, `input` whole inputs.
    :raises InvalidRequestError: a selector is empty.
    """
    redaction = _Redaction([_selector(text) for text in selectors])
    redaction.learn(instance)
    return redaction.applied(instance)


def _selector(text: str) -> _Path:
    names = tuple(text.lower().split("."))
    if not all(names):
        raise InvalidRequestError(
            f"{text!r} names nothing to redact: give names of keys with dots between them, like password or "
            "input.card.number."
        )
    return names


class _Redaction:
    def __init__(self, selectors: Sequence[_Path]) -> None:
        self._selectors = selectors
        self._placeholders: dict[str, str] = {}
        self._secret: re.Pattern[str] | None = None

    # --- first, what is secret -----------------------------------------------------------------------

    def learn(self, instance: ExportedInstance) -> None:
        """Find all texts that are named anywhere in an instance."""
        for path, value in _payloads(instance):
            self._learn(path, value, named=self._names(path))
        known = sorted(self._placeholders, key=len, reverse=True)
        self._secret = re.compile("|".join(map(re.escape, known))) if known else None

    def _learn(self, path: _Path, value: Any, *, named: bool) -> None:
        match value:
            case dict():
                for key, inner in cast("dict[str, Any]", value).items():
                    below = (*path, key.lower())
                    if key not in _CLASS:
                        self._learn(below, inner, named=named or self._names(below))
            case list():
                for inner in cast("list[Any]", value):
                    self._learn(path, inner, named=named)
            case str():
                if named:
                    self._know(value, placeholder(value))
                self._learn(path, _embedded(value), named=named)
            case int() | float() if named and not isinstance(value, bool):
                self._know(str(value), str(_number(value)))
            case _:
                pass

    def _know(self, text: str, other: str) -> None:
        """Have a text replaced wherever it stands, also where it stands in a text of JSON or in one of Python."""
        if len(text) >= SHORTEST:
            self._placeholders |= dict(zip(_spellings(text), _spellings(other), strict=True))

    def _names(self, path: _Path) -> bool:
        return any(
            len(names) <= len(path)
            and all(name in (ANY, step) for name, step in zip(reversed(names), reversed(path), strict=False))
            for names in self._selectors
        )

    # --- then, everything without it --------------------------------------------------------------------

    def applied(self, instance: ExportedInstance) -> ExportedInstance:
        """The instance without what is secret."""
        status = instance.status
        texts = {name: self._json((key.lower(),), getattr(status, name)) for key, name in _VALUES.items()}
        status = replace(
            status,
            tags=self._value(("tags",), dict(status.tags), named=self._names(("tags",))),
            failure=self._object(status.failure),
            damaged=self._clean(status.damaged),
            **texts,
        )
        events = None if instance.events is None else [self._object(event) for event in instance.events]
        is_redacted = instance.is_redacted or bool(self._selectors)
        return replace(instance, status=status, events=events, is_redacted=is_redacted)

    def _object(self, item: _T) -> _T:
        """An event, a failure or a part of one."""
        if not is_dataclass(item):
            return item
        changed: dict[str, Any] = {}
        payloads = value_fields(item) if isinstance(item, Event) else ()
        for field in fields(item):
            value = getattr(item, field.name)
            if field.name in payloads:
                changed[field.name] = self._json((_kind(item, field.name),), value)
            elif field.name not in _KEPT:
                changed[field.name] = self._field(item, field.name, value)
        return cast("_T", replace(cast("Any", item), **changed))

    def _field(self, item: object, name: str, value: Any) -> Any:
        match value:
            case str() if isinstance(item, FailureDetails):
                return self._value(("failure", name), value, named=self._names(("failure", name)))
            case str():
                return self._clean(value)
            case dict():
                return self._value((name,), value, named=self._names((name,)))
            case tuple() if name != "base_types":
                return tuple(map(self._object, cast("tuple[Any, ...]", value)))
            case _:
                return self._object(value)

    def _json(self, path: _Path, text: Any) -> Any:
        """A JSON text; what is none, or stands elsewhere, is a text like others."""
        if not isinstance(text, str):
            return text
        value = _parsed(text)
        if value is _NO_JSON:
            return placeholder(text) if self._names(path) else self._clean(text)
        return json.dumps(self._value(path, value, named=self._names(path)), separators=(",", ":"), ensure_ascii=False)

    def _value(self, path: _Path, value: Any, *, named: bool) -> Any:
        match value:
            case dict():
                made: dict[str, Any] = {}
                for key, inner in cast("dict[str, Any]", value).items():
                    below = (*path, key.lower())
                    is_named = key not in _CLASS and (named or self._names(below))
                    made[self._clean(key)] = self._value(below, inner, named=is_named)
                return made
            case list():
                return [self._value(path, inner, named=named) for inner in cast("list[Any]", value)]
            case bool() | None:
                return value
            case str():
                return placeholder(value) if named else self._text(path, value)
            case _:
                return _number(value) if named or str(value) in self._placeholders else value

    def _text(self, path: _Path, text: str) -> str:
        """A text that is not named; if it is one of JSON, then without what is named in it."""
        clean = self._clean(text)
        embedded = _embedded(clean)
        made = self._value(path, embedded, named=False)
        return clean if made == embedded else json.dumps(made, ensure_ascii=False)

    def _clean(self, text: _T) -> _T:
        if self._secret is None or not isinstance(text, str):
            return text
        return cast("_T", self._secret.sub(lambda found: self._placeholders[found[0]], text))


def placeholder(text: str) -> str:
    """What stands in the place of a text: one of the same length and shape."""
    if _DATE.fullmatch(text):
        return _digits(text)
    return "".join(map(_sign, text))


def _sign(sign: str) -> str:
    if sign.isnumeric() and not sign.isalpha():
        return "1"
    # Vowels of some scripts are marks on letters.
    is_letter = sign.isalpha() or unicodedata.category(sign).startswith("M")
    return sign if not is_letter else "A" if sign.isupper() else "a"


def _digits(text: str) -> str:
    return re.sub(r"[0-9]", "1", text)


def _number(value: float) -> float:
    """A number of the same kind and, as far as there is one, of as many digits."""
    return type(value)(_digits(str(value)))


def _spellings(text: str) -> tuple[str, ...]:
    """A text as it stands in others: as it is, in JSON of two kinds, and as Python code."""
    return text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1]


def _payloads(instance: ExportedInstance) -> Iterator[tuple[_Path, Any]]:
    """All values of users in an instance, each with where its path begins."""
    status = instance.status
    for key, name in _VALUES.items():
        yield (key.lower(),), _parsed(getattr(status, name))
    yield ("tags",), dict(status.tags)
    yield from _failures(status.failure)
    for event in instance.events or ():
        yield from _payloads_of(event)


def _payloads_of(event: Event) -> Iterator[tuple[_Path, Any]]:
    for name in value_fields(event):
        yield (_kind(event, name),), _parsed(getattr(event, name))
    for field in fields(event):
        value = getattr(event, field.name)
        if isinstance(value, FailureDetails):
            yield from _failures(value)
        elif isinstance(value, tuple):
            for inner in cast("tuple[Any, ...]", value):
                if isinstance(inner, Event):
                    yield from _payloads_of(inner)


def _failures(failure: FailureDetails | None) -> Iterator[tuple[_Path, Any]]:
    while failure is not None:
        yield ("failure",), {"message": failure.message, "stack_trace": failure.stack_trace}
        failure = failure.inner_failure


def _kind(item: object, name: str) -> str:
    """Where the path of a value begins: what an orchestrator ended with is its output."""
    return "output" if isinstance(item, ExecutionCompleted) else name


_NO_JSON: Any = object()


def _parsed(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return _NO_JSON


def _embedded(text: str) -> Any:
    """The object or list that a text is the JSON of, as bodies of HTTP are; None: it is none."""
    value = _parsed(text) if text.lstrip()[:1] in ("{", "[") else None
    return cast("Any", value) if isinstance(value, (dict, list)) else None
