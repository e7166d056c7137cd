"""Every use of a connection's secret, as the journal wrote it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from flowmend.store.connection_tables import secret_uses
from flowmend.store.database import Database
from flowmend.store.rows import SecretUseRow

_COLUMNS = [secret_uses.c[name] for name in SecretUseRow.__struct_fields__]


class SecretUses:
    """Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(
        self, connection_id: str, *, purpose: str = "", outcome: str = "", limit: int = 50, cursor: int = 0
    ) -> tuple[Sequence[SecretUseRow], int]:
        """Uses of one connection's secret, newest first, and the cursor of the next page (0 at the end).

        purpose, outcome: only these, "" means all.
        """
        chosen = select(secret_uses.c.use_id, *_COLUMNS).where(secret_uses.c.connection_id == connection_id)
        if purpose:
            chosen = chosen.where(secret_uses.c.purpose == purpose)
        if outcome:
            chosen = chosen.where(secret_uses.c.outcome == outcome)
        if cursor:
            chosen = chosen.where(secret_uses.c.use_id < cursor)
        found = self._database.tuples(chosen.order_by(secret_uses.c.use_id.desc()).limit(limit + 1))
        rows = [_row(one) for one in found[:limit]]
        return rows, int(found[limit - 1][0]) if len(found) > limit else 0

    def of_run(self, run_name: str, action: str = "", *, limit: int = 200) -> Sequence[SecretUseRow]:
        """Uses for one run, or one action of it, oldest first."""
        chosen = select(secret_uses.c.use_id, *_COLUMNS).where(secret_uses.c.run_name == run_name)
        chosen = chosen.where(secret_uses.c.run_name != "")
        if action:
            chosen = chosen.where(secret_uses.c.action == action)
        return [_row(one) for one in self._database.tuples(chosen.order_by(secret_uses.c.use_id).limit(limit))]

    def forget_before(self, at: datetime, *, most: int) -> int:
        """Remove uses older than this, at most so many at once; how many there were."""
        oldest = select(secret_uses.c.use_id).where(secret_uses.c.at < at).order_by(secret_uses.c.at).limit(most)
        return self._database.remove(secret_uses, secret_uses.c.use_id.in_(oldest))


def _row(found: Sequence[Any]) -> SecretUseRow:
    return SecretUseRow(**dict(zip(SecretUseRow.__struct_fields__, found[1:], strict=True)))
