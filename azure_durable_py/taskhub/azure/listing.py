"""Listing headers: the filter that Azure is asked for, and the one that decides.

Owns both, and the continuation tokens. Azure takes at most 15 comparisons in a filter: what does
not fit is left to `matches`, which checks every criterion again.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping
from datetime import datetime

from azure_durable_py import shape
from azure_durable_py.taskhub.azure import rows
from azure_durable_py.taskhub.limits import unknown_token
from azure_durable_py.taskhub.naming import HEADER_KEY
from azure_durable_py.taskhub.protocol import InstanceQuery, Kind, Listed
from azure_durable_py.times import UTC

_MAX_COMPARISONS = 15
# '@', which begins the ids of entities and of nothing else, and the character after it.
_ENTITY_RANGE = ("@", "A")


def filter_of(query: InstanceQuery) -> str:
    """The OData filter for a query; it lets through what matches, and perhaps more."""
    prefix = query.instance_id_prefix
    terms = [[f"RowKey eq '{HEADER_KEY}'"], [f"Kind eq '{query.kind.value}'"]]
    if prefix or query.kind is Kind.entity:
        low, high = rows.partition_range(prefix) if prefix else _ENTITY_RANGE
        terms += [[f"PartitionKey ge '{low}'"], [f"PartitionKey lt '{high}'"]]
    for column, operator, moment in (
        ("CreatedTime", "ge", query.created_from),
        ("CreatedTime", "le", query.created_to),
        ("LastUpdatedTime", "ge", query.updated_from),
        ("LastUpdatedTime", "le", query.updated_to),
    ):
        if moment is not None:
            terms.append([f"{column} {operator} {_moment(moment)}"])
    if query.with_outbox is not None:
        terms.append([f"HasOutbox eq {str(query.with_outbox).lower()}"])
    terms += [_any_of("RuntimeStatus", query.runtime_status), _any_of("Name", query.names)]
    chosen: list[str] = []
    room = _MAX_COMPARISONS
    for term in terms:
        if 0 < len(term) <= room:
            room -= len(term)
            chosen.append(term[0] if len(term) == 1 else f"({' or '.join(term)})")
    return " and ".join(chosen)


def selection(query: InstanceQuery) -> list[str]:
    """The columns to ask for: never the body."""
    wanted = {"CustomStatus"} if query.with_custom_status else set[str]()
    return [name for name in rows.LISTED if query.with_values or name not in rows.VALUE_COLUMNS - wanted]


def matches(query: InstanceQuery, listed: Listed) -> bool:
    """Whether a header meets every criterion of a query, as far as can be seen: one that is damaged is not hidden."""
    columns = listed.columns
    if listed.damaged:
        return columns.kind is query.kind and listed.instance_id.startswith(query.instance_id_prefix or "")
    return (
        columns.kind is query.kind
        and (not query.runtime_status or columns.runtime_status in query.runtime_status)
        and (not query.names or columns.name in query.names)
        and (query.created_from is None or columns.created_time >= query.created_from)
        and (query.created_to is None or columns.created_time <= query.created_to)
        and (query.updated_from is None or columns.last_updated_time >= query.updated_from)
        and (query.updated_to is None or columns.last_updated_time <= query.updated_to)
        and (query.with_outbox is None or columns.has_outbox is query.with_outbox)
        and listed.instance_id.startswith(query.instance_id_prefix or "")
    )


def encode_token(token: Mapping[str, str | None] | None) -> str | None:
    """The continuation token of a page as text."""
    if token is None:
        return None
    text = json.dumps([token["PartitionKey"], token["RowKey"]])
    return base64.urlsafe_b64encode(text.encode()).decode()


def decode_token(token: str | None) -> dict[str, str | None] | None:
    """The continuation token of a page from our text.

    :raises InvalidRequestError: it is not one that `encode_token` made.
    """
    if token is None:
        return None
    try:
        partition, row = _TOKEN(shape.parse(base64.b64decode(token, altchars=b"-_", validate=True)))
    except ValueError as error:
        raise unknown_token(token) from error
    return {"PartitionKey": partition, "RowKey": row}


_TOKEN = shape.row(shape.word(shape.LARGEST), shape.optional(shape.word(shape.LARGEST, least=0)))


def _any_of(column: str, values: Collection[str]) -> list[str]:
    quoted = (value.replace("'", "''") for value in values)
    return [f"{column} eq '{value}'" for value in quoted]


def _moment(moment: datetime) -> str:
    return f"datetime'{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}'"
