"""How the runs that use a connection ended, hour by hour."""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Select, func, literal_column, select, type_coerce

from flowmend.store.column_types import Instant
from flowmend.store.tables import connection_mappings, runs

#: Written out: a bound one would be another expression to PostgreSQL in SELECT than in GROUP BY.
_HOUR: Any = literal_column("3600000000", BigInteger)  # in microseconds


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """count runs of flows that use the connection ended with this status in the hour that begins at `hour`."""

    connection_id: str
    hour: datetime
    status: str
    count: int


def select_ticks(since: datetime, connection_id: str | None) -> Select[Any]:
    """(connection id, hour, status, count) of runs that ended at or after `since`, in this order."""
    uses = select(connection_mappings.c.connection_id, connection_mappings.c.flow_id).distinct().subquery()
    hour = type_coerce((type_coerce(runs.c.ended_at, BigInteger) // _HOUR) * _HOUR, Instant)
    counted = (
        select(uses.c.connection_id, hour, runs.c.status, func.count())
        .join(runs, runs.c.flow_id == uses.c.flow_id)
        .where(runs.c.ended_at >= since)
        .group_by(uses.c.connection_id, hour, runs.c.status)
        .order_by(uses.c.connection_id, hour, runs.c.status)
    )
    return counted if connection_id is None else counted.where(uses.c.connection_id == connection_id)
