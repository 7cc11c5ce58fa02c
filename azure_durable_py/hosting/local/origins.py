"""What a caller calls the host, and which of these names links may carry.

Owns the reading of the Host header, and the judgement which origins are ours: a link is handed on to others, so nobody
may have it point elsewhere by the name that he asks for.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import socket
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from aiohttp import HttpVersion11, web

from azure_durable_py.errors import SettingsError

logger = logging.getLogger(__name__)
PUBLIC_URL_SETTING = "AZURE_DURABLE_PUBLIC_URL"
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(
    r"(?:(?P<name>[A-Za-z0-9_][A-Za-z0-9._-]{0,252})|\[(?P<address>[0-9A-Fa-f:.]{2,45})\])(?::(?P<port>[0-9]{1,5}))?"
)


class HostName(NamedTuple):
    """A name of a host, in lower case and without brackets, and the port, if one is said."""

    name: str
    port: int | None


def read_host(text: str) -> HostName | None:
    """What a Host header says; None: it says nothing that a host can be called."""
    found = _HOST.fullmatch(text)
    if found is None:
        return None
    port = None if found["port"] is None else int(found["port"])
    if port is not None and port > 65535:
        return None
    if found["address"] is None:
        return HostName(found["name"].lower(), port)
    try:
        return HostName(str(ipaddress.IPv6Address(found["address"])), port)
    except ValueError:
        return None


def asked_host(request: web.BaseRequest) -> HostName | None:
    """What a request calls the host; None: nothing, twice, or something that cannot be."""
    said = request.headers.getall("Host", [])
    return read_host(said[0]) if len(said) == 1 else None


def host_problem(request: web.BaseRequest) -> str | None:
    """What is wrong with the Host header of a request; None: nothing."""
    # Before HTTP/1.1 a request need not say whom it is for.
    if asked_host(request) is not None or (request.version < HttpVersion11 and "Host" not in request.headers):
        return None
    return "The Host header of the request is missing, is there twice, or cannot be the name of a host."


def port_of(host: HostName, scheme: str) -> int:
    """The port that a caller used."""
    return _DEFAULT_PORTS[scheme] if host.port is None else host.port


def own_address(request: web.BaseRequest) -> tuple[str, int] | None:
    """The address and port of this machine at which a request arrived."""
    transport = request.transport
    found: Any = None if transport is None else transport.get_extra_info("sockname")
    return (str(found[0]), int(found[1])) if found else None


def read_public_url(text: str, where: str) -> str:
    """The origin that callers elsewhere use.

    :param where: what says so, for the message.
    :raises SettingsError: it is none.
    """
    scheme, _, host = text.strip().rstrip("/").partition("://")
    if scheme.lower() not in _DEFAULT_PORTS or read_host(host) is None:
        raise SettingsError(f"{where} is {text!r}; accepted is an origin, like https://app.example.com or with a port.")
    return f"{scheme.lower()}://{host.lower()}"


class Origins:
    """The origins that links of one host may carry.

    :param listening: tells where it listens, such as `http://127.0.0.1:7071`; None before it does.
    :param public: the origin that callers elsewhere use: then links carry no other.
    :param believed: whatever the caller used is right, because a proxy is set up to say so.
    """

    def __init__(self, listening: Callable[[], str | None], *, public: str | None, believed: bool) -> None:
        self._listening = listening
        self._public = public
        self._believed = believed
        self._own = {socket.gethostname().lower()}
        self._latest: str | None = None
        self._told = False

    def meet(self, request: web.BaseRequest) -> None:
        """Note the address at which a request arrived: it is ours."""
        address = own_address(request)
        if address is not None and address[0] not in LOOPBACK_NAMES:
            self._latest = address[0].lower()
            self._own.add(self._latest)

    @property
    def told(self) -> str | None:
        """The origin to tell callers who used none."""
        return self._public or self._listening()

    def admitted(self, origin: str) -> str:
        """The origin that links have for a caller who used this one."""
        if self._public is not None:
            return self._public
        parts = urlsplit(origin)
        host = read_host(parts.netloc)
        if self._believed or (host is not None and self._is_own(host, parts.scheme)):
            return origin
        instead = self._instead()
        if not self._told and host is not None:
            self._told = True
            logger.warning(
                "A caller reached this host as %s, which it does not know to be its name: links carry %s instead. "
                "If that name is right, start the host with --public-url. This is told once.",
                parts.netloc,
                instead,
            )
        return instead

    def _is_own(self, host: HostName, scheme: str) -> bool:
        if host.name in LOOPBACK_NAMES:
            # Whatever the port: one may be forwarded. It leads nobody but to his own machine.
            return True
        listening = urlsplit(self._listening() or "")
        own = host.name in self._own or host.name == listening.hostname
        return own and port_of(host, scheme) == listening.port

    def _instead(self) -> str:
        origin = self._listening() or ""
        listening = urlsplit(origin)
        if self._latest is None or listening.hostname not in LOOPBACK_NAMES:
            return origin
        shown = f"[{self._latest}]" if ":" in self._latest else self._latest
        return f"{listening.scheme}://{shown}:{listening.port}"
