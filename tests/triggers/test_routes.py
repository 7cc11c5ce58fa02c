"""Route templates: what matches, with which values, and which of several routes wins."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

import pytest

from azure_durable_py.errors import RegistrationError
from azure_durable_py.triggers import routes
from azure_durable_py.triggers.routes import Endpoint, Route, Router, split_path

TraceFunction = Callable[[FrameType, str, object], object]


def match(template: str, path: str) -> dict[str, str] | None:
    segments = split_path(path)
    return None if segments is None else Route(template, "f").match(segments)


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("", "/", {}),
        ("items", "/items", {}),
        ("Items", "/iTEMS/", {}),
        ("items", "/items/1", None),
        ("items", "/items//", {}),
        ("items/{id}", "/items/a%20b", {"id": "a b"}),
        ("items/{id}", "/items", None),
        ("items/{id}", "/items/a//", {"id": "a"}),
        ("items/{id}/x", "/items//x", None),
        ("items/{id}", "/items/a%2Fb", {"id": "a%2Fb"}),
        ("items/{id?}", "/items", {}),
        ("items/{id?}", "/items/5", {"id": "5"}),
        ("items/{id:int?}", "/items/x", None),
        ("items/{id=7}", "/items", {"id": "7"}),
        ("a/{b?}/{c?}", "/a/1", {"b": "1"}),
        ("files/{*rest}", "/files/a/b%20c", {"rest": "a/b c"}),
        ("files/{*rest}", "/files", {}),
        ("files/{**rest}", "/files/x", {"rest": "x"}),
        ("{year:int}-{month:int}", "/2024-05", {"year": "2024", "month": "05"}),
        ("{name}.{ext}", "/a.b.txt", {"name": "a.b", "ext": "txt"}),
        ("{name}.{ext}", "/.txt", None),
        ("{name}.{ext}", "/a.", None),
        ("{name}.{ext}", "/a..", {"name": "a", "ext": "."}),
        ("v{major}.{minor}x", "/V1.2.3X", {"major": "1.2", "minor": "3"}),
        ("v{major}.{minor}x", "/v1.2", None),
        ("v{major}", "/v", None),
        ("v{major}", "/wv1", None),
        ("{stem}-end", "/a-end-end", {"stem": "a-end"}),
        ("{stem}-end", "/a-end-ends", None),
        ("{a}-{b}", "/\u0130-x", {"a": "\u0130", "b": "x"}),
        ("{{x}}", "/{x}", {}),
        (r"ssn/{n:regex(^\d{{3}}-\d{{2}}$)}", "/ssn/123-45", {"n": "123-45"}),
        (r"ssn/{n:regex(^\d{{3}}-\d{{2}}$)}", "/ssn/123-456", None),
        ("x/{p:regex(a/b)}", "/x/ab", None),
    ],
)
def test_templates_match_as_in_functions(template: str, path: str, values: dict[str, str] | None) -> None:
    assert match(template, path) == values


@pytest.mark.parametrize(
    ("constraint", "good", "bad"),
    [
        ("int", ["0", "-5", "2147483647"], ["2147483648", "1.5", "x", "\N{ARABIC-INDIC DIGIT ONE}"]),
        ("long", ["9223372036854775807"], ["9223372036854775808"]),
        ("bool", ["true", "FALSE"], ["1"]),
        ("alpha", ["abc"], ["a1"]),
        ("guid", ["0f8fad5b-d9cb-469f-a165-70867728950e", "{0f8fad5bd9cb469fa16570867728950e}"], ["x", "0f8fad5b"]),
        ("datetime", ["2024-05-01", "2024-05-01T10:00:00Z", "05/01/2024"], ["yesterday"]),
        ("decimal", ["1.5"], ["NaN", "x"]),
        ("double", ["1e5"], ["x"]),
        ("length(3)", ["abc"], ["ab", "abcd"]),
        ("length(2,3)", ["ab", "abc"], ["a", "abcd"]),
        ("minlength(2)", ["ab"], ["a"]),
        ("maxlength(2)", ["ab"], ["abc"]),
        ("min(18)", ["18"], ["17", "x"]),
        ("max(120)", ["120", "-1"], ["121"]),
        ("range(1, 10)", ["1", "10"], ["0", "11"]),
        ("regex(^a.c$)", ["abc", "ABC"], ["abd"]),
        ("int:min(5)", ["5"], ["4", "x"]),
        ("required", ["x"], []),
    ],
)
def test_constraints_hold_or_the_route_does_not_match(constraint: str, good: list[str], bad: list[str]) -> None:
    route = Route(f"x/{{v:{constraint}}}", "f")
    # A datetime in the other notation holds slashes: only a decoded segment can.
    assert [value for value in good if route.match(["x", value]) is None] == []
    assert [value for value in bad if route.match(["x", value]) is not None] == []


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("a//b", "an empty segment"),
        ("a/{b", "unbalanced braces"),
        ("a/b}", "unbalanced braces"),
        ("a/{}", "unbalanced braces"),
        ("a/{:int}", "cannot be read"),
        ("{a}/{A}", "names a parameter twice"),
        ("{*rest}/x", "must end with its catch-all"),
        ("{a?}/b", "a required segment behind optional 'a'"),
        ("x-{a?}", "only part of a segment"),
        ("{a}{b}", "nothing between two parameters"),
        ("{a:number}", "a constraint 'number' that does not exist"),
        ("{a:length(x)}", "takes 1 or 2 whole number"),
        ("{a:range(1)}", "takes 2 whole number"),
        ("{a:int(5)}", "takes none"),
        ("{a:regex([)}", "no regular expression"),
    ],
)
def test_malformed_templates_are_refused(template: str, problem: str) -> None:
    with pytest.raises(RegistrationError, match=f"of my function .*{problem}"):
        Route(template, "my function")


def steps(template: str, path: str) -> int:
    """How many lines of the module of routes it takes to match a path."""
    route, counted = Route(template, "f"), 0

    def count(frame: FrameType, event: str, _argument: object) -> TraceFunction | None:
        nonlocal counted
        if frame.f_code.co_filename != routes.__file__:  # What the collector ends in between is not of the match.
            return None
        counted += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        route.match([path])
    finally:
        sys.settrace(before)
    return counted


@pytest.mark.parametrize("template", ["{a}-{b}-{c}.json", "{a}-{b}-{c}-{d}-{e}x", "-{a}--{b}-"])
@pytest.mark.parametrize("shape", ["-", "-a", "--.json"])
def test_no_path_costs_more_than_its_length(template: str, shape: str) -> None:
    once, twice = steps(template, shape * 500), steps(template, shape * 1000)
    assert 0 < once < twice <= 2 * once + 10


def test_the_most_specific_route_wins() -> None:
    templates = ["{*rest}", "items/{id}", "items/{id:int}", "items/new", "{a}/{b}", "items"]
    router = Router([Endpoint(Route(template, "f"), frozenset({"GET"}), template) for template in templates])

    def found(path: str) -> str | None:
        answer = router.find("get", path)
        return answer and answer[0]

    assert found("/items/new") == "items/new"
    assert found("/items/5") == "items/{id:int}"
    assert found("/items/x") == "items/{id}"
    assert found("/other/x") == "{a}/{b}"
    assert found("/other") == "{*rest}"
    assert found("/items") == "items"


def test_a_method_that_is_not_served_finds_nothing() -> None:
    route = Route("items", "f")
    endpoints = [Endpoint(route, frozenset({"GET"}), "read"), Endpoint(route, frozenset({"POST"}), "write")]
    router = Router(endpoints)
    assert router.find("POST", "/items") == ("write", {})
    assert router.find("DELETE", "/items") is None
    assert router.find("GET", "/a//b") is None
