"""What a client does with the keys of its hub: see them, set them, change them, take them back.

Owns the names and arguments that users call. What keys are, and who changes them at once, is the hub's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from azure_durable_py.errors import InvalidRequestError
from azure_durable_py.ids import check_instance_id
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.keyring import KeyKind, KeyName, Keyring, Revocation, listed, new_value

SIGNING = "signing"
_LONGEST_LIFETIME = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class KeyDescription:
    """A key of a hub, without its value. Times are UTC.

    `name` is `master`, `host/NAME`, `function/FUNCTION/NAME`, `system/NAME`, or `signing/ID` for a key that signs
    management URLs. Of those one has no `retires_at`: it signs. What the others signed is good until then.
    """

    name: str
    created_at: datetime
    retires_at: datetime | None = None


class KeyClient:
    """The keys of one task hub. Comes as `client.keys`.

    Hosts that serve the hub see a change at once where somebody brings them the new key, and all others within 30
    seconds. Keys are secrets: what returns one says so.

    :param hub: the task hub.
    :param settings: how long links live.
    """

    def __init__(self, hub: TaskHub, settings: Settings) -> None:
        self._hub = hub
        self._settings = settings

    async def list(self) -> tuple[KeyDescription, ...]:
        """All keys, by kind and name; none of them shows."""
        ring = await self._read()
        return tuple(KeyDescription(str(name), created, retires) for name, created, retires in listed(ring))

    async def get(self, name: str) -> str:
        """A key itself, which is a secret.

        :param name: such as `master`, `host/default` or `function/HttpStart` (its key `default`).
        :raises KeyNotFoundError: there is none.
        :raises InvalidRequestError: it is no name of a key, or that of one for signing, which nobody else needs.
        """
        wanted = KeyName.parse(name)
        if wanted.kind is KeyKind.signing:
            raise InvalidRequestError("A key that signs links is not shown: nobody but the hosts needs it.")
        return (await self._read()).key(wanted).value

    async def set(self, name: str, value: str) -> None:
        """Give a key a value of your own, whether there is such a key or not.

        :param value: 16 to 256 letters, digits and signs of ASCII, without spaces.
        :raises InvalidRequestError: the name or the value cannot be used.
        """
        wanted = KeyName.parse(name)
        await self._hub.keys.change(lambda ring: ring.with_key(wanted, value, self._hub.clock.now()))

    async def rotate(self, name: str, *, overlap: timedelta | float = 0) -> str:
        """Give a key another value, and return that; the one before opens nothing any more.

        To change a host key without a gap, `set` another one, hand it out, and `revoke` the first.

        :param name: of the key; `signing` makes another key for links: then its name is returned.
        :param overlap: of `signing`: how long links that are there stay good, in seconds or as a timedelta, as far as
            they do not expire before. Without it all links end.
        :raises KeyNotFoundError: there is none.
        :raises InvalidRequestError: it is no name of a key, or an overlap is asked for where there is none.
        """
        kept = _overlap(overlap)
        if name == SIGNING:
            ring = await self._hub.keys.change(lambda ring: ring.with_new_signing_key(self._hub.clock.now(), kept))
            return f"{SIGNING}/{ring.signer.id}"
        if kept:
            raise InvalidRequestError("Only 'signing' has an overlap. Of host and function keys there may be several.")
        wanted, value = KeyName.parse(name), new_value()

        def rotated(ring: Keyring) -> Keyring:
            if wanted.kind is not KeyKind.signing:
                ring.key(wanted)
            return ring.with_key(wanted, value, self._hub.clock.now())

        await self._hub.keys.change(rotated)
        return value

    async def revoke(self, name: str) -> None:
        """Take a key away: it opens nothing any more. Of `signing/ID`: what that key signed is good no longer.

        :raises KeyNotFoundError: there is none.
        :raises InvalidRequestError: the hub cannot do without it: rotate the master key, and the key that signs.
        """
        wanted = KeyName.parse(name)
        await self._hub.keys.change(lambda ring: ring.without(wanted))

    async def revoke_links(self, instance_id: str) -> None:
        """End all links to an instance that were made so far, for every execution under this id.

        Links that are made from now on are good.

        :raises InvalidInstanceIdError: the id breaks the rules for ids.
        :raises InvalidRequestError: too many instances have revoked links; rotate `signing`.
        """
        check_instance_id(instance_id)
        now = self._hub.clock.now()
        # Remembered until the last of them would have expired, by the settings here. Other hosts may have longer ones.
        lifetime = min(timedelta(seconds=max(self._settings.url_lifetime, 7 * 86400.0)), _LONGEST_LIFETIME)
        await self._hub.keys.change(lambda ring: ring.with_revocation(instance_id, Revocation(now, now + lifetime)))

    async def _read(self) -> Keyring:
        return await self._hub.keys.change(lambda ring: ring)


def _overlap(given: timedelta | float) -> timedelta:
    kept = given if isinstance(given, timedelta) else timedelta(seconds=given)
    if not timedelta(0) <= kept <= _LONGEST_LIFETIME:
        raise InvalidRequestError(f"The overlap is {kept}; accepted is none, or up to {_LONGEST_LIFETIME.days} days.")
    return kept
