"""Which headers of a hub in memory a query finds, and the token by which a listing goes on."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import replace

from azure_durable_py.taskhub import limits
from azure_durable_py.taskhub.protocol import Columns, InstanceQuery, Listed, Page
from azure_durable_py.testing.virtual.memory.place import Partition


def list_page(partitions: Mapping[str, Partition], query: InstanceQuery) -> Page:
    """One page of headers in the order of their ids.

    :raises InvalidRequestError: the continuation token is not one of ours.
    """
    after = "" if query.continuation_token is None else _decode_token(query.continuation_token)
    found = [
        (instance_id, partition.header.columns, partition.damage)
        for instance_id, partition in partitions.items()
        if partition.header is not None
        and instance_id > after
        and _matches(query, instance_id, partition.header.columns)
    ]
    found.sort(key=lambda item: item[0])
    items = tuple(
        Listed(
            instance_id,
            columns if query.with_values else _without_values(columns, query.with_custom_status),
            damage,
        )
        for instance_id, columns, damage in found[: query.page_size]
    )
    more = len(found) > query.page_size
    return Page(items, _encode_token(items[-1].instance_id) if more else None)


def _matches(query: InstanceQuery, instance_id: str, columns: Columns) -> bool:
    return (
        columns.kind is query.kind
        and (not query.runtime_status or columns.runtime_status in query.runtime_status)
        and (query.created_from is None or columns.created_time >= query.created_from)
        and (query.created_to is None or columns.created_time <= query.created_to)
        and (query.updated_from is None or columns.last_updated_time >= query.updated_from)
        and (query.updated_to is None or columns.last_updated_time <= query.updated_to)
        and (not query.instance_id_prefix or instance_id.startswith(query.instance_id_prefix))
        and (not query.names or columns.name in query.names)
        and (query.with_outbox is None or columns.has_outbox == query.with_outbox)
    )


def _without_values(columns: Columns, with_custom_status: bool) -> Columns:
    kept = replace(columns, input=None, output=None)
    return kept if with_custom_status else replace(kept, custom_status=None)


def _encode_token(instance_id: str) -> str:
    return base64.b16encode(b"after:" + instance_id.encode()).decode()


def _decode_token(token: str) -> str:
    try:
        word, _, instance_id = base64.b16decode(token).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise limits.unknown_token(token) from error
    if word != "after":
        raise limits.unknown_token(token)
    return instance_id
