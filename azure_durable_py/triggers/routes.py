"""Route templates of HTTP functions: `items/{id:int}/{*rest}`, as the Functions host understands them.

Owns parsing, matching and precedence. Literals match regardless of case; a template whose
constraints do not hold does not match. A segment of several parts is matched from its end, as ASP.NET does it: each
literal where it stands last, without a second try. So no path, however it is made, takes more than one look
at each of its characters for each literal of a template.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import unquote

from azure_durable_py.errors import RegistrationError
from azure_durable_py.triggers.constraints import Constraint, constraint

T = TypeVar("T")
# A brace that stands for itself is written twice.
_CHARACTER = r"(?:[^{}]|\{\{|\}\})"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One `{name:constraint=default?}` of a template. `catch_all` takes the rest of the path."""

    name: str
    constraints: tuple[Constraint, ...] = ()
    default: str | None = None
    optional: bool = False
    catch_all: bool = False

    @property
    def may_be_absent(self) -> bool:
        """Whether the path may end before this parameter."""
        return self.optional or self.catch_all or self.default is not None

    def accepts(self, value: str) -> bool:
        """Whether every constraint holds for a value."""
        return all(holds(value) for holds in self.constraints)


@dataclass(frozen=True, slots=True)
class Segment:
    """What stands between two slashes: literals and parameters in turn."""

    parts: tuple[str | Parameter, ...]

    @property
    def parameters(self) -> list[Parameter]:
        """The parameters, in order."""
        return [part for part in self.parts if isinstance(part, Parameter)]

    @property
    def only(self) -> Parameter | None:
        """The parameter that is the whole segment, if one is."""
        first = self.parts[0] if len(self.parts) == 1 else None
        return first if isinstance(first, Parameter) else None

    @property
    def rank(self) -> int:
        """Lower is tried first: literals, then the more constrained."""
        only = self.only
        if not self.parameters:
            return 1
        if only is None:
            return 2
        return (4 if only.catch_all else 2) + (0 if only.constraints else 1)

    def match(self, text: str) -> dict[str, str] | None:
        """The values of the parameters if the segment matches a decoded text."""
        values = self._split(text)
        if values is not None and all(parameter.accepts(values[parameter.name]) for parameter in self.parameters):
            return values
        return None

    def _split(self, text: str) -> dict[str, str] | None:
        """What of a text each parameter gets, which is at least one character."""
        lower = _lower(text)
        values: dict[str, str] = {}
        end, waiting = len(text), None
        for part in reversed(self.parts):
            if isinstance(part, Parameter):
                waiting = part
                continue
            literal = _lower(part)
            if waiting is None:
                start = end - len(literal) if lower.endswith(literal, 0, end) else -1
            else:
                start = lower.rfind(literal, 0, end - 1)
                values[waiting.name] = text[start + len(literal) : end]
            if start < 0:
                return None
            end, waiting = start, None
        if waiting is not None:
            values[waiting.name] = text[:end]
        return values if (end == 0) is (waiting is None) else None


class Route:
    """A parsed template.

    :raises RegistrationError: the template is malformed; `owner` names the function in the message.
    """

    def __init__(self, template: str, owner: str) -> None:
        self.template = template.strip("/")
        self._owner = owner
        self.segments = [self._segment(text) for text in _split(self.template)] if self.template else []
        self._check()

    @property
    def precedence(self) -> tuple[int, ...]:
        """Sorts routes by how specific they are, the most specific first."""
        return tuple(segment.rank for segment in self.segments)

    def match(self, path: Sequence[str]) -> dict[str, str] | None:
        """The values of the route's parameters if it matches the decoded segments of a path."""
        values: dict[str, str] = {}
        for at, segment in enumerate(self.segments):
            only = segment.only
            if only is not None and only.catch_all:
                return self._with_rest(values, only, path[at:])
            if at >= len(path):
                if only is None or not only.may_be_absent:
                    return None
                if only.default is not None:
                    values[only.name] = only.default
                continue
            found = segment.match(path[at])
            if found is None:
                return None
            values.update(found)
        return values if len(path) <= len(self.segments) else None

    def _with_rest(self, values: dict[str, str], rest: Parameter, path: Sequence[str]) -> dict[str, str] | None:
        value = "/".join(path) or rest.default
        if value is None:
            return values
        return {**values, rest.name: value} if rest.accepts(value) else None

    def _segment(self, text: str) -> Segment:
        if not text:
            raise self._malformed("has an empty segment ('//')")
        if not re.fullmatch(rf"(?:{_CHARACTER}|\{{{_CHARACTER}+\}})+", text):
            raise self._malformed(f"has unbalanced braces in {text!r}")
        parts: list[str | Parameter] = []
        for literal, parameter in re.findall(rf"({_CHARACTER}+)|\{{({_CHARACTER}+)\}}", text):
            parts.append(_unescape(literal) if literal else self._parameter(_unescape(parameter)))
        if any(isinstance(part, Parameter) and isinstance(parts[at], Parameter) for at, part in enumerate(parts[1:])):
            raise self._malformed(f"has nothing between two parameters in {text!r}")
        return Segment(tuple(parts))

    def _parameter(self, text: str) -> Parameter:
        found = re.fullmatch(r"(\*{0,2})([^:=?*(){}]+)((?::.*?)?)(?:=(.*?))?(\?)?", text, re.DOTALL)
        if found is None or not found[2].strip():
            raise self._malformed(f"has a parameter that cannot be read, {{{text}}}")
        try:
            constraints = tuple(constraint(item) for item in _split_constraints(found[3]))
        except ValueError as error:
            raise self._malformed(str(error)) from error
        return Parameter(found[2].strip(), constraints, found[4], found[5] is not None, bool(found[1]))

    def _check(self) -> None:
        names = [parameter.name.lower() for segment in self.segments for parameter in segment.parameters]
        if len(set(names)) < len(names):
            raise self._malformed("names a parameter twice")
        for at, segment in enumerate(self.segments):
            for parameter in segment.parameters:
                if parameter.catch_all and (segment.only is None or at < len(self.segments) - 1):
                    raise self._malformed(f"must end with its catch-all parameter {{*{parameter.name}}}")
                if parameter.optional and segment.only is None:
                    raise self._malformed(f"makes {parameter.name!r} optional, which is only part of a segment")
                if parameter.optional and any(not self._may_be_absent(later) for later in self.segments[at + 1 :]):
                    raise self._malformed(f"has a required segment behind optional {parameter.name!r}")

    @staticmethod
    def _may_be_absent(segment: Segment) -> bool:
        return segment.only is not None and segment.only.may_be_absent

    def _malformed(self, problem: str) -> RegistrationError:
        return RegistrationError(f"The route {self.template!r} of {self._owner} {problem}.")


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[T]):
    """What a route leads to, for some methods (upper case)."""

    route: Route
    methods: frozenset[str]
    target: T


class Router(Generic[T]):
    """Finds the endpoint for a request."""

    def __init__(self, endpoints: Sequence[Endpoint[T]]) -> None:
        self._endpoints = sorted(endpoints, key=lambda endpoint: endpoint.route.precedence)

    def find(self, method: str, raw_path: str) -> tuple[T, dict[str, str]] | None:
        """The target for a method and an undecoded path, with the values of the route's parameters."""
        path = split_path(raw_path)
        if path is None:
            return None
        for endpoint in self._endpoints:
            if method.upper() in endpoint.methods:
                values = endpoint.route.match(path)
                if values is not None:
                    return endpoint.target, values
        return None


def split_path(raw_path: str) -> list[str] | None:
    """The decoded segments of an undecoded path; None if one is empty. An encoded slash stays encoded."""
    trimmed = raw_path.strip("/")
    segments = trimmed.split("/") if trimmed else []
    if not all(segments):
        return None
    return [unquote(re.sub("%2f", "%252F", segment, flags=re.IGNORECASE)) for segment in segments]


def _lower(text: str) -> str:
    """The text in lower case, character by character, so that every one keeps its place."""
    return "".join(lower if len(lower := character.lower()) == 1 else character for character in text)


def _unescape(text: str) -> str:
    return text.replace("{{", "{").replace("}}", "}")


def _split(template: str) -> list[str]:
    """Split at slashes outside of braces."""
    return _split_outside(template, "/", lambda char: {"{": 1, "}": -1}.get(char, 0))


def _split_constraints(text: str) -> list[str]:
    """Split `:a:b(x:y)` at colons outside of parentheses."""
    return _split_outside(text[1:], ":", lambda char: {"(": 1, ")": -1}.get(char, 0)) if text else []


def _split_outside(text: str, separator: str, depth_of: Callable[[str], int]) -> list[str]:
    pieces, depth = [""], 0
    for char in text:
        depth += depth_of(char)
        if char == separator and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += char
    return pieces
