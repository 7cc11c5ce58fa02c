"""Which addresses on the network may be reached.

Owns the rules for addresses and names of hosts. It resolves no name and opens no connection.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import TypeAlias

Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"
Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"

FORBIDDEN_BY_DEFAULT = ("169.254.0.0/16", "fe80::/10", "168.63.129.16", "100.100.100.200", "fd00:ec2::254")
"""Link-local networks, and the addresses under which clouds tell a machine who it is, and give it its tokens."""

# IPv4 addresses in IPv6: what follows them is where a connection ends up.
_EMBEDDING = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("::/96"))


class AddressRules:
    """Tells whether an address or the name of a host may be reached.

    Each item is a network (`10.0.0.0/8`), an address, or the name of a host in which `*` stands for anything.

    :param forbidden: what must not be reached, beside `FORBIDDEN_BY_DEFAULT`.
    :param allowed: what may be reached even so.
    """

    def __init__(self, forbidden: Iterable[str] = (), allowed: Iterable[str] = ()) -> None:
        self._forbidden = _Patterns((*FORBIDDEN_BY_DEFAULT, *forbidden))
        self._allowed = _Patterns(allowed)

    def forbids_host(self, host: str) -> bool:
        """Whether a host may not be reached, going by its name, or by its address if that is what it is called by."""
        host = host.strip("[]").rstrip(".").lower()
        if address_of(host) is not None:
            return self.forbids_address(host, host)
        return self._forbidden.has_name(host) and not self._allowed.has_name(host)

    def forbids_address(self, address: str, host: str) -> bool:
        """Whether an address may not be reached; `host` is the name that led to it."""
        found = address_of(address)
        if found is None:
            return True
        host = host.strip("[]").rstrip(".").lower()
        allowed = self._allowed.has_name(host) or self._allowed.has_address(found)
        return self._forbidden.has_address(found) and not allowed


class _Patterns:
    def __init__(self, items: Iterable[str]) -> None:
        found = [(item, _network(item)) for item in items]
        self._networks = [network for _, network in found if network is not None]
        self._names = [item.lower().rstrip(".") for item, network in found if network is None]

    def has_name(self, host: str) -> bool:
        return any(fnmatchcase(host, pattern) for pattern in self._names)

    def has_address(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self._networks)


def address_of(text: str) -> Address | None:
    """The address that a text names, an IPv4 one if that is what an IPv6 one stands for; None if it names none."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if any(address in network for network in _EMBEDDING) and int(address) > 0xFFFF:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_address_pattern(item: str) -> bool:
    """Whether it can be an item of the rules."""
    if _network(item) is not None:
        return True
    return re.fullmatch(r"[a-z0-9*._-]+", item) is not None and re.search(r"[a-z*]", item) is not None


def _network(item: str) -> Network | None:
    try:
        return ipaddress.ip_network(item, strict=False)
    except ValueError:
        return None
