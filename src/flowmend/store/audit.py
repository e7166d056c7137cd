"""The audit: who did what to which thing."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, insert, select

from flowmend.core.json_value import Json
from flowmend.store.database import Database, columns_of
from flowmend.store.journal_writes import Statement
from flowmend.store.rows import AuditRow
from flowmend.store.tables import audit


class Audit:
    """Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, row: AuditRow) -> None:
        self._database.add(audit, row)

    def note(self, person_id: str, verb: str, target: str, details: Json = None, *, at: datetime) -> None:
        """`add` with the row's parts."""
        self.add(AuditRow(at=at, person_id=person_id, verb=verb, target=target, details=details))

    def list(self, target: str = "", *, limit: int = 100, cursor: int = 0) -> tuple[Sequence[AuditRow], int]:
        """What was done, newest first, and the cursor of the next page (0 at the end). target: "" means all."""
        chosen = select(audit.c.audit_id, audit.c.at, audit.c.person_id, audit.c.verb, audit.c.target, audit.c.details)
        if target:
            chosen = chosen.where(audit.c.target == target)
        if cursor:
            chosen = chosen.where(audit.c.audit_id < cursor)
        found = self._database.tuples(chosen.order_by(audit.c.audit_id.desc()).limit(limit + 1))
        rows = [
            AuditRow(at=at, person_id=person_id, verb=verb, target=target, details=details)
            for _, at, person_id, verb, target, details in found[:limit]
        ]
        return rows, int(found[limit - 1][0]) if len(found) > limit else 0


def note_together(row: AuditRow) -> Statement:
    """To be written together with what it tells of: both happen or neither."""
    return Statement(lambda connection: add_note(connection, row))


def add_note(connection: Connection, row: AuditRow) -> None:
    """Within a transaction."""
    connection.execute(insert(audit), columns_of(row))
