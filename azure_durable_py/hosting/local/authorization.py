"""Who may call what on the local host: keys for HTTP functions, and trust in programs of this machine.

Owns both judgements. Keys are those of the hub; trust is for the management API, and for development only.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

import azure.functions as func
from aiohttp import HttpVersion11, web

from azure_durable_py.errors import SettingsError
from azure_durable_py.hosting.local.origins import LOOPBACK_NAMES, asked_host, own_address, port_of
from azure_durable_py.taskhub.keys import HubKeys

KEY_HEADER = "x-functions-key"
KEY_PARAMETER = "code"
_PROXY_HEADERS = frozenset(
    {
        *("forwarded", "via", "client-ip", "true-client-ip", "proxy-client-ip", "wl-proxy-client-ip"),
        *("x-real-ip", "x-client-ip", "x-cluster-client-ip", "x-remote-ip", "x-remote-addr", "x-originating-ip"),
        *("x-proxyuser-ip", "x-http-forwarded-for", "x-host", "x-scheme", "x-url-scheme", "front-end-https"),
        *("proxy-connection", "proxy-authorization", "max-forwards", "cdn-loop", "x-varnish", "x-sendfile-type"),
        *("x-cloud-trace-context", "x-ms-forwarded-client-cert", "x-ssl-client-verify", "ssl-client-cert"),
    }
)
_PROXY_PREFIXES = (
    *("x-forwarded", "x-original", "x-envoy", "x-amzn-", "x-amz-cf-", "x-azure-", "x-arr-", "x-appengine-", "x-goog-"),
    *("cf-", "fastly-", "fly-", "x-vercel-", "x-nf-", "x-akamai-", "akamai-", "cloudfront-", "x-istio-", "x-nginx-"),
)


@dataclass(frozen=True, slots=True)
class Access:
    """How far callers are let in.

    `asks_for_keys`: auth levels of HTTP functions are enforced. `trusts_local`: programs on this machine may use the
    management API without a key.
    """

    asks_for_keys: bool = False
    trusts_local: bool = True

    @classmethod
    def of(cls, host: str, *, enable_auth: bool, trust_local: bool | None) -> Access:
        """What follows from where the host listens, and from what was asked for.

        :param host: the address to listen on.
        :param enable_auth: ask for keys on a loopback address, too, as `func start --enableAuth` does.
        :param trust_local: None: as the address says.
        :raises SettingsError: others than programs of this machine would be trusted.
        """
        loopback = is_loopback_only(host)
        if trust_local and not loopback:
            raise SettingsError(
                f"--trust-local is for a host that programs of this machine alone can reach, and --host {host} listens "
                "to others, too. Leave it out, and call the management API with a key: azure-durable hub keys show."
            )
        return cls(enable_auth or not loopback, loopback if trust_local is None else trust_local)


def is_loopback_only(host: str) -> bool:
    """Whether only programs of this machine reach a host that listens on this address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# --- HTTP functions --------------------------------------------------------------------------------------


class FunctionGuard:
    """Admits callers to HTTP functions, by the keys of the hub.

    :param access: whether keys are asked for.
    """

    def __init__(self, keys: HubKeys, access: Access) -> None:
        self._keys = keys
        self._access = access

    async def admits(self, function: str, level: func.AuthLevel, request: web.BaseRequest) -> bool:
        """Whether a request brings what the level of a function asks for.

        A key that is not known may be a new one: then the hub's keys are read again.
        """
        # Also for links that the function makes: they are signed with the keys of today.
        ring = await self._keys.current()
        if not self._access.asks_for_keys or level is func.AuthLevel.ANONYMOUS:
            return True
        given = given_key(request)
        if not given:
            return False
        admin = level is func.AuthLevel.ADMIN
        if ring.opens_function(given, function, admin=admin):
            return True
        again = await self._keys.anew()
        return again is not ring and again.opens_function(given, function, admin=admin)


def given_key(request: web.BaseRequest) -> str:
    """The key that a request brings, in its header or else as a parameter; of several the first. Empty: none."""
    header = request.headers.get(KEY_HEADER)
    return request.query.get(KEY_PARAMETER, "") if header is None else header


# --- trust -----------------------------------------------------------------------------------------------


def is_local_caller(request: web.BaseRequest) -> bool:
    """Whether a request comes from a program on this machine that a person started.

    A page in a browser, a proxy and a sidecar also connect from a loopback address. One of these gives them away: a
    foreign `Origin`, another `Host` than the one that is listened on, any header that proxies add, a version of HTTP
    that only proxies still speak, another loopback address than 127.0.0.1 and ::1 (127.0.0.6 is Istio's sidecar).
    A forwarder that changes none of these cannot be told from a program: where there is one, nobody is to be trusted.
    """
    return (
        request.remote in ("127.0.0.1", "::1")
        and request.version >= HttpVersion11
        and not shows_proxy(request)
        and _asks_for_loopback(request)
        and _is_of_no_page(request)
    )


def shows_proxy(request: web.BaseRequest) -> bool:
    """Whether a request has a header that proxies add."""
    names = [name.lower() for name in request.headers]
    return any(name in _PROXY_HEADERS or name.startswith(_PROXY_PREFIXES) for name in names)


def _asks_for_loopback(request: web.BaseRequest) -> bool:
    host, own = asked_host(request), own_address(request)
    return (
        host is not None and own is not None and host.name in LOOPBACK_NAMES and port_of(host, request.scheme) == own[1]
    )


def _is_of_no_page(request: web.BaseRequest) -> bool:
    # Of several, any that is foreign tells of a page.
    own = f"{request.scheme}://{request.host}"
    of_ours = all(origin == own for origin in request.headers.getall("Origin", []))
    return of_ours and all(site in ("none", "same-origin") for site in request.headers.getall("Sec-Fetch-Site", []))
