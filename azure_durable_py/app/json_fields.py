"""The fields of an object in a function.json, by names regardless of case, as the Functions host reads them.

Owns what a field must be to be used, and the message when it is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar, cast

from azure_durable_py.errors import RegistrationError
from azure_durable_py.settings import key_of

E = TypeVar("E", bound=Enum)


class JsonFields:
    """The fields of one JSON object.

    :param where: names the object in errors, which are all RegistrationErrors.
    """

    def __init__(self, where: str, content: Mapping[str, Any]) -> None:
        self.where = where
        self._content = content

    def get(self, name: str) -> Any:
        """A value, whatever it is; None if there is none."""
        return self._content.get(key_of(self._content, name))

    def text(self, name: str) -> str | None:
        """A text that is not empty; None if there is none."""
        value = self.get(name)
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise self.unusable(name, value, "a non-empty string")
        return value

    def needed(self, name: str) -> str:
        """A text that must be there."""
        value = self.text(name)
        if value is None:
            raise RegistrationError(f"{self.where} has no {name}.")
        return value

    def flag(self, name: str) -> bool | None:
        """True or false; None if it is not said."""
        value = self.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.unusable(name, value, "true or false")
        return value

    def items(self, name: str) -> list[Any]:
        """The values of an array; none if it is missing."""
        value = self.get(name)
        if value is not None and not isinstance(value, list):
            raise self.unusable(name, value, "an array")
        return cast("list[Any]", value or [])

    def member(self, kind: type[E], name: str, value: Any) -> E:
        """The member of an enumeration whose name a value is, regardless of case."""
        names: dict[str, E] = {member.name: member for member in kind}
        if str(value).upper() not in names:
            raise self.unusable(name, value, "one of " + ", ".join(names).lower())
        return names[str(value).upper()]

    def others(self, *names: str) -> dict[str, Any]:
        """The fields that have none of these names."""
        known = {"name", "type", "direction", "datatype", *(name.lower() for name in names)}
        return {key: value for key, value in self._content.items() if key.lower() not in known}

    def unusable(self, name: str, value: Any, accepted: str) -> RegistrationError:
        """The error for a value that cannot be used."""
        return RegistrationError(f"{self.where} has {name} {value!r}; accepted is {accepted}.")
