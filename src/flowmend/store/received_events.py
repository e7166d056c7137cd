"""What arrived under a name its sender gave it, so that the same again is known."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from flowmend.core.errors import Conflict
from flowmend.store.database import Database, columns_of, select_row
from flowmend.store.journal_writes import Statement
from flowmend.store.received_tables import received_events
from flowmend.store.rows import Row
from flowmend.store.tables import trigger_events

#: The code of a Conflict with what arrived under the same name and is the same.
EVENT_RECEIVED = "EventReceived"
_BLOCK = 5000


class ReceivedEventRow(Row, frozen=True, kw_only=True):
    """identity: a digest of trigger and name. content: a digest, "" where the name alone counts. event_name: the first that
    came of it.
    """

    flow_id: str
    identity: str
    content: str
    trigger_name: str
    event_name: str
    received_at: datetime


class ReceivedEvents:
    """Reading and forgetting; `note_received` writes with the event. Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def named(self, flow_id: str, identity: str, since: datetime) -> Sequence[ReceivedEventRow]:
        """What arrived under this name at or after `since`, latest first."""
        is_it = (received_events.c.flow_id == flow_id) & (received_events.c.identity == identity)
        chosen = select_row(received_events, ReceivedEventRow).where(is_it, received_events.c.received_at >= since)
        return self._database.every(chosen.order_by(received_events.c.received_at.desc()), ReceivedEventRow)

    def forget(self, before: datetime) -> int:
        """Forget some of what arrived before then; how many, 0 once none is left."""
        oldest = select(received_events.c.received_at).where(received_events.c.received_at < before)
        block = self._database.tuples(oldest.order_by(received_events.c.received_at).limit(_BLOCK))
        if not block:
            return 0
        return self._database.remove(received_events, received_events.c.received_at <= block[-1][0])


class ReusedName(msgspec.Struct, frozen=True, kw_only=True):
    """What the history of an event says whose name another event had. code, message: as an error's."""

    code: str
    message: str


def note_received(row: ReceivedEventRow, *, forgotten_before: datetime, reused: ReusedName | None = None) -> Statement:
    """To be written together with the event: of two that are the same one alone is.

    forgotten_before: what arrived before then no longer counts. reused: a warning for the event's history.
    Errors: Conflict `EventReceived` where the same arrived already.
    """
    same = (
        (received_events.c.flow_id == row.flow_id)
        & (received_events.c.identity == row.identity)
        & (received_events.c.content == row.content)
    )

    def carry_out(connection: Connection) -> None:
        connection.execute(delete(received_events).where(same, received_events.c.received_at < forgotten_before))
        if connection.execute(select(received_events.c.event_name).where(same)).first() is not None:
            raise Conflict("The same event arrived already.", code=EVENT_RECEIVED, target=row.flow_id)
        connection.execute(insert(received_events), columns_of(row))
        if reused is not None:
            warned = update(trigger_events).where(trigger_events.c.event_name == row.event_name)
            connection.execute(warned.values(error_code=reused.code, error_message=reused.message))

    return Statement(carry_out)
