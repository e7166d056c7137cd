"""How the runs that use a connection ended, hour by hour."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Select, func, literal_column, select, type_coerce

from flowmend.store.column_types import Instant
from flowmend.store.connection_tables import connection_mappings
from flowmend.store.tables import runs

#: Written out: a bound one would be another expression to PostgreSQL in SELECT than in GROUP BY.
_HOUR: Any = literal_column("3600000000", BigInteger)  # in microseconds


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """count runs of flows that use the connection ended with this status in the hour that begins at `hour`."""

    connection_id: str
    hour: datetime
    status: str
    count: int


def select_ticks(since: datetime, connection_ids: Sequence[str] | None) -> Select[Any]:
    """(connection id, hour, status, count) of runs that ended at or after `since`, in this order. None: of every one."""
    hour = type_coerce((type_coerce(runs.c.ended_at, BigInteger) // _HOUR) * _HOUR, Instant).label("hour")
    # Counted before it is joined, so that only the index of ended runs is read.
    ended = (
        select(runs.c.flow_id, hour, runs.c.status, func.count().label("number"))
        .where(runs.c.ended_at >= since)
        .group_by(runs.c.flow_id, hour, runs.c.status)
        .subquery()
    )
    uses = select(connection_mappings.c.connection_id, connection_mappings.c.flow_id).distinct().subquery()
    in_order = (uses.c.connection_id, ended.c.hour, ended.c.status)
    ticks = (
        select(*in_order, func.sum(ended.c.number))
        .join(uses, uses.c.flow_id == ended.c.flow_id)
        .group_by(*in_order)
        .order_by(*in_order)
    )
    return ticks if connection_ids is None else ticks.where(uses.c.connection_id.in_(connection_ids))
