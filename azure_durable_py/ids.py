"""What instances and entities may be called."""

from __future__ import annotations

import re
from dataclasses import dataclass

from azure_durable_py.errors import InvalidInstanceIdError


@dataclass(frozen=True, slots=True)
class EntityId:
    """Names one entity: `name` selects the function, `key` the entity.

    Names count regardless of case: two ids are equal if they name the same entity.
    """

    name: str
    key: str

    def __post_init__(self) -> None:
        if not self.name or "@" in self.name:
            raise InvalidInstanceIdError(f"Entity name {self.name!r} must be non-empty and must not contain '@'.")
        if not self.key:
            raise InvalidInstanceIdError("An entity key must be non-empty.")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EntityId) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        return f"@{self.name.lower()}@{self.key}"

    @staticmethod
    def get_scheduler_id(entity_id: EntityId) -> str:
        """The instance id under which the hub keeps the entity."""
        return str(entity_id)

    @staticmethod
    def get_entity_id(scheduler_id: str) -> EntityId:
        """The entity id behind an instance id of the form `@name@key`."""
        match = re.fullmatch(r"@([^@]+)@(.+)", scheduler_id, re.DOTALL)
        if match is None:
            raise InvalidInstanceIdError(f"{scheduler_id!r} is not an entity's instance id (@name@key).")
        return EntityId(match[1], match[2])

    @staticmethod
    def get_entity_id_url_path(entity_id: EntityId) -> str:
        """The path of the entity below the management API: `entities/Counter/c1`."""
        return f"entities/{entity_id.name}/{entity_id.key}"


_FORBIDDEN_IN_ID = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f]")


def check_instance_id(instance_id: str) -> str:
    r"""Return the id of an orchestration if it obeys the rules, else raise.

    :raises InvalidInstanceIdError: empty, longer than 256 characters, a leading `@`, or one
        of `/ \ # ?` or a control character in it.
    """
    if not instance_id:
        raise InvalidInstanceIdError("An instance id must not be empty.")
    if len(instance_id) > 256:
        raise InvalidInstanceIdError(f"An instance id has at most 256 characters; this one has {len(instance_id)}.")
    if instance_id.startswith("@"):
        raise InvalidInstanceIdError(f"Instance id {instance_id!r} must not begin with '@': that names entities.")
    bad = _FORBIDDEN_IN_ID.search(instance_id)
    if bad is not None:
        raise InvalidInstanceIdError(
            f"Instance id {instance_id!r} contains {bad[0]!r}; "
            "'/', '\\', '#', '?' and control characters are not allowed."
        )
    return instance_id


def check_new_instance_id(instance_id: str) -> str:
    """Return the id for a new orchestration if it obeys the rules, else raise.

    Where one is that an older version let pass, `check_instance_id` lets it be looked at and purged.

    :raises InvalidInstanceIdError: as of `check_instance_id`, or it is `.` or `..`.
    """
    if instance_id in (".", ".."):
        raise InvalidInstanceIdError(
            f"Instance id {instance_id!r} is a step in the path of an address: no URL would lead to the instance."
        )
    return check_instance_id(instance_id)
