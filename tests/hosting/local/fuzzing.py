"""Odd requests to every route of the local host, and what a caller may be answered.

Owns the generator and the oracle, both made from the table of routes: a new route is tried as soon as it is there. The
oracle knows nothing of how the host judges; it knows who calls, and what that caller may have.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from urllib.parse import quote, urlsplit

BASES = ("/runtime/webhooks/durabletask", "/api/durabletask", "/Runtime/Webhooks/DurableTask")
KEPT = "kept"
"""The instance that no caller of this test may touch, except who has a link to it that says so."""
OURS = "made-by-a-stranger"
"""What strangers call what they would make: there must be none of it."""
REFUSED = frozenset({400, 401, 403, 404, 405, 408, 411, 413, 414, 415, 417, 421, 426, 429, 431, 501})


class Caller(Enum):
    """Who calls."""

    local = "a program of this machine"
    system = "somebody with the system key"
    stranger = "somebody from elsewhere without a key"
    guesser = "somebody from elsewhere with a key that is none"
    signed = "somebody from elsewhere with a link"


@dataclass(frozen=True)
class Route:
    """One route: `path` with `{names}`, absolute or below the management API.

    `operation`: what a link must be for (None: no link will do). `open`: anybody may call it. `is_function`: an HTTP
    function that asks for one of these `keys`.
    """

    method: str
    path: str
    operation: str | None = None
    open: bool = False
    is_function: bool = False
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attempt:
    """One request as bytes, with what the oracle needs to know of it."""

    caller: Caller
    route: Route
    method: str
    data: bytes
    link_of: str | None = None
    """The operation whose link is used."""
    target: str = ""
    brought: str | None = None
    """The key that is brought."""
    is_whole: bool = True
    """Whether method and path are those of the route."""

    def __str__(self) -> str:
        return f"{self.caller.value}: {self.data[:400]!r}"

    def refusal(self, status: int) -> str | None:
        """Why a status is not what this caller may have; None: it is."""
        if status == 500 or not 200 <= status < 600:
            return f"answered {status}"
        if self.route.is_function:
            may_call = self.brought in self.route.keys
        else:
            may_call = self.route.open or self.caller is Caller.system
        if status == 401 and may_call and self.is_whole:
            return "refused, but may call"
        if self.route.open or status in REFUSED:
            return None
        if self.route.is_function:
            return None if may_call else f"let in with {status}"
        if self.caller in (Caller.local, Caller.system):
            return None
        if (
            self.caller is Caller.signed
            and self.target == KEPT
            and (self.link_of == self.route.operation or not self.is_whole)
        ):
            return None
        return f"let in with {status}"


@dataclass
class Fuzzer:
    """Makes attempts.

    :param keys: all keys of the hub.
    :param links: per operation, the path and query of the link to the kept instance.
    """

    routes: Sequence[Route]
    links: Mapping[str, str]
    system_key: str
    keys: Sequence[str]
    seed: int
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    def attempt(self) -> Attempt:
        """The next one."""
        rng = self.rng
        route, caller = rng.choice(self.routes), rng.choice(list(Caller))
        # Half of them are odd in one thing at the most: they get further.
        tame = rng.random() < 0.5
        names = _STRANGERS_NAMES if caller not in (Caller.local, Caller.system) else _NAMES
        target = _name(names["id"], tame, rng)
        path = "/".join(
            (target if part == "{id}" else _path_part(part, names, tame, rng)) if "{" in part else part
            for part in route.path.split("/")
        )
        method, is_whole = route.method, True
        if not tame and rng.random() < 0.2:
            method, is_whole = rng.choice(_METHODS), False
        if not tame and rng.random() < 0.2:
            path, is_whole = rng.choice(_SPOILERS)(path, rng), False
        if path.strip("/").lower() in {public.path for public in self.routes if public.open}:
            # What is left of it is an address that anybody may have.
            route = replace(route, open=True, is_function=False)
        if not path.startswith("/"):
            path = f"{rng.choice(BASES)}/{path}"
        odd = rng.choice((0, 0, 1)) if tame else rng.choice((0, 1, 2, 5))
        query = [f"{rng.choice(_PARAMETERS)}={rng.choice(_VALUES)}" for _ in range(odd)]
        if "createdTimeFrom" not in str(query) and tame:
            query.append("createdTimeFrom=2020-01-01")
        headers = [f"{rng.choice(_HEADERS)}: {rng.choice(_TEXTS)}" for _ in range(0 if tame else rng.choice((0, 1, 3)))]
        link_of = brought = None
        match caller:
            case Caller.system:
                brought = self.system_key
            case Caller.guesser:
                brought = rng.choice(("x", "A" * 56, "%00", self.system_key[:-1], self.system_key.swapcase()))
            case Caller.signed:
                link_of = rng.choice(list(self.links))
                query.append(urlsplit(self.links[link_of]).query)
            case _:
                pass
        if route.is_function and rng.random() < 0.7:
            brought = rng.choice((*route.keys, *self.keys, "x"))
        if brought is not None:
            query, headers = _bring(brought, query, headers, rng)
        if caller is not Caller.local:
            headers.append(rng.choice(_SIGNS_OF_PROXIES))
        body = rng.choice(_BODIES[:8] if tame else _BODIES) if method not in ("GET", "HEAD") or not tame else b""
        data = _request(method, path, query, headers, body, rng)
        return Attempt(caller, route, method, data, link_of, target, brought, is_whole)


def _name(names: tuple[Sequence[str], Sequence[str]], tame: bool, rng: random.Random) -> str:
    good, odd = names
    return rng.choice(good if tame else odd)


def _path_part(
    part: str, names: Mapping[str, tuple[Sequence[str], Sequence[str]]], tame: bool, rng: random.Random
) -> str:
    """A segment of a route with names in place of its parameters."""
    return re.sub(r"\{[^}]*\}", lambda found: _name(names.get(found[0].strip("{}*?"), _ANY), tame, rng), part)


def _bring(key: str, query: list[str], headers: list[str], rng: random.Random) -> tuple[list[str], list[str]]:
    """Bring a key in one of the two ways, and no other beside it."""
    query = [item for item in query if not item.lower().startswith("code=")]
    headers = [item for item in headers if not item.lower().startswith("x-functions-key")]
    if rng.random() < 0.5:
        return [*query, f"code={quote(key, safe='%')}"], headers
    return query, [*headers, f"x-functions-key: {key}"]


def _request(method: str, path: str, query: list[str], headers: list[str], body: bytes, rng: random.Random) -> bytes:
    target = path + (f"?{'&'.join(query)}" if query else "")
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *headers]
    if body and rng.random() < 0.2:
        lines.append("Transfer-Encoding: chunked")
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    elif body or method in ("POST", "PUT"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body


def _deep(depth: int) -> str:
    return "[" * depth + "]" * depth


_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "PROPFIND", "get")
_JUNK = (
    *("x", "%00", "%ff", "%", "%zz", "%ed%a0%80", "%F0%9F%98%80", "..", "%2e%2e", "a%2Fb", "%0d%0aX-Y:%201", "%1b[2K"),
    *("@", "@@", "@counter", "@counter@k", "%40counter%40k", "a" * 300, "a" * 3000, "<script>", "~", "*", "'", "null"),
)
_ANY = (("x", "y"), _JUNK)
_NAMES: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "id": (("f0", "f1", "f2", "f3"), _JUNK),
    "name": (("quick", "quick", "waits", "fails", "counter"), ("Quick", *_JUNK)),
    "key": (("k", "k2"), _JUNK),
    "event": (("go",), _JUNK),
    "file": (("monitor.js", "monitor.css", "index.html"), ("../routes.py", "..%2froutes.py", "__init__.py", *_JUNK)),
    "which": (("input", "output", "customStatus", "1.result"), ("1.", ".input", "99999999999999999999.input", *_JUNK)),
    "number": (("1",), ("-1", "2147483648", *_JUNK)),
}
_STRANGERS_NAMES = {
    **_NAMES,
    "id": ((KEPT, f"{OURS}-1"), (KEPT, KEPT.upper(), f"{OURS}-1", *_JUNK)),
    "key": ((OURS,), (OURS,)),
}
_SIGNS_OF_PROXIES = ("X-Forwarded-For: 203.0.113.9", "Forwarded: for=203.0.113.9", "X-Real-IP: 203.0.113.9")
_SPOILERS = (
    lambda path, rng: path + "/",
    lambda path, rng: path + "/x",
    lambda path, rng: path.replace("/", "//", 1),
    lambda path, rng: path.upper(),
    lambda path, rng: path[: rng.randrange(2, len(path) + 2)],
    lambda path, rng: "../" + path,
    lambda path, rng: f"{BASES[0]}/../{path}",
    lambda path, rng: path + "%00",
    lambda path, rng: path.replace("/", "%2f"),
    lambda path, rng: path.replace("/", "\\"),
)
_PARAMETERS = (
    *("showHistory", "showHistoryOutput", "showInput", "returnInternalServerErrorOnFailure", "top", "createdTimeFrom"),
    *("createdTimeTo", "runtimeStatus", "instanceIdPrefix", "reason", "op", "signalTime", "fetchState", "timeout"),
    *("pollingInterval", "restartWithNewInstanceId", "recursive", "version", "lastOperationTimeFrom", "taskHub"),
    *("sig", "expires", "issued", "execution", "kid", "connection", "skip", "limit", "status", "prefix", "search"),
    *("token", "name", "createdFrom", "createdTo", "x", "%00", "%ff"),
)
_VALUES = (
    *("true", "false", "TRUE", "1", "0", "-1", "99999999999999999999", "1e400", "NaN", "0.01", "2024-01-01", "x"),
    *("2024-01-01T00:00:00Z", "2024-13-45", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "Running"),
    *("Running,Completed,x", "%00", "%ff", "%ed%a0%80", "%F0%9F%98%80", "add", "delete", "", "a" * 2000, "%1b[31m"),
    *("%27%20or%201%20eq%201", "*", "%25", "%0a", quote(_deep(600), safe=""), "W10=", "eyJhIjoxfQ=="),
)
_HEADERS = (
    *("x-ms-continuation-token", "Content-Type", "If-None-Match", "Accept", "Expect", "Content-Encoding", "Origin"),
    *("Range", "Cookie", "traceparent", "tracestate", "Upgrade", "X-Forwarded-Host", "Connection", "X-HTTP-Method"),
)
_TEXTS = (
    *("", "x", "null", "application/json", "text/plain", "application/json; charset=utf-16", "*/*", 'W/"1"', "*"),
    *(
        "gzip",
        "bytes=0-1",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-x-y-z",
        "\xe9\xff",
        "a" * 4000,
    ),
    *(_deep(2000), "W10=", "http://evil.example", "100-continue", "keep-alive", "websocket", "h2c"),
)
_BODIES: Sequence[bytes] = (
    *(
        b"",
        b"",
        b"1",
        b"null",
        b'"x"',
        b'{"a": 1}',
        b"[1, 2]",
        b"{",
        b"NaN",
        b"-",
        b" ",
        b"\xff\xfe",
        b"\x00",
        b"1e999",
    ),
    *(b'"\\ud800"', b'{"a":1,"a":2}', b"1" * 5000, _deep(100_000).encode(), b'{"a":' * 5000, b"\xef\xbb\xbf1"),
    *(json.dumps("x" * 100_000).encode(), b'{"__class__": "os.system"}', b'"\x1b[2K\\u0000"', b"Infinity", b"1e999"),
)
