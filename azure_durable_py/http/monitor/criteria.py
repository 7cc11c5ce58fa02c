"""What a request to the monitor asks for, and which headers meet it."""

from __future__ import annotations

from azure_durable_py.client.reader import query_of
from azure_durable_py.http.wire import Parameters, RefusedError
from azure_durable_py.inspection.listing import Accepts
from azure_durable_py.taskhub.entity_state import EXISTS
from azure_durable_py.taskhub.protocol import InstanceQuery, Kind, Listed

_LONGEST = 1_000


def instance_query(parameters: Parameters) -> InstanceQuery:
    """What the store is asked for.

    :raises RefusedError: a parameter cannot be read.
    :raises InvalidRequestError: a status is none, or the range of times ends before it begins.
    """
    query = query_of(
        created_time_from=parameters.time("createdFrom"),
        created_time_to=parameters.time("createdTo"),
        runtime_status=parameters.texts("status"),
        instance_id_prefix=parameters.text("prefix"),
        names=parameters.texts("name"),
    )
    return InstanceQuery(
        runtime_status=query.runtime_status,
        created_from=query.created_from,
        created_to=query.created_to,
        instance_id_prefix=query.instance_id_prefix,
        names=query.names,
        with_values=False,
        with_custom_status=True,
    )


def entity_query(parameters: Parameters) -> InstanceQuery:
    """What the store is asked for.

    :raises RefusedError: there is a prefix of keys without a name.
    """
    name, prefix = parameters.text("name"), parameters.text("prefix")
    if prefix and not name:
        raise RefusedError(400, "Parameter 'prefix' is that of keys, and needs 'name', that of the entities.")
    return InstanceQuery(
        kind=Kind.entity,
        runtime_status=(EXISTS,),
        instance_id_prefix=f"@{name.lower()}@{prefix or ''}" if name else None,
        with_values=False,
        with_custom_status=True,
    )


def accepts(parameters: Parameters) -> Accepts | None:
    """What must hold beside what a store can be asked for; None: nothing.

    :raises RefusedError: a parameter cannot be read.
    """
    searched = (parameters.text("search") or "")[:_LONGEST].lower()
    parent = parameters.text("parent")
    roots = parameters.done("roots", False)
    if not searched and parent is None and not roots:
        return None

    def holds(item: Listed) -> bool:
        columns = item.columns
        if parent is not None and columns.parent_instance_id != parent:
            return False
        if roots and columns.parent_instance_id is not None:
            return False
        return searched in item.instance_id.lower() or searched in columns.name.lower()

    return holds
