"""Runs that were under way when the backup was made that this database was restored from.

Apart from `backup`, whose modules a server never needs.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import func, literal_column, select

from flowmend.core.errors import StandsStill
from flowmend.core.outcome import Status
from flowmend.store.database import Database
from flowmend.store.rows import RunRow
from flowmend.store.tables import IS_UNFINISHED, audit, runs

#: The code of a run that was under way when its backup was made.
RESTORED_CODE = "RestoredFromBackup"
#: Verbs and targets of the audit's notes.
MADE, RESTORED = "backup", "restore"
_TURNED = ("turn_on", "turn_off")

_WAITS = IS_UNFINISHED & (runs.c.status == literal_column(f"'{Status.WAITING}'")) & (runs.c.code == RESTORED_CODE)


def refuse_standing_still(row: RunRow) -> None:
    """Errors: StandsStill of a run that waits for somebody to let it go on."""
    if row.status == Status.WAITING and row.code == RESTORED_CODE:
        raise StandsStill(
            f"The run {row.run_name} stands still since it was restored from a backup. Let it go on first, or cancel it.",
            target=row.run_name,
        )


class AfterRestore:
    """Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def waiting(self) -> int:
        """How many runs wait for somebody to let them go on."""
        return int(self._database.value(select(func.count()).select_from(runs).where(_WAITS)))

    def turned_since(self, flow_ids: Collection[str]) -> frozenset[str]:
        """Those of these flows that somebody turned on or off since the last restore."""
        if not flow_ids:
            return frozenset()
        restored = select(func.max(audit.c.audit_id)).where(audit.c.target == RESTORED, audit.c.verb == RESTORED)
        chosen = select(audit.c.target).where(
            audit.c.target.in_(flow_ids), audit.c.verb.in_(_TURNED), audit.c.audit_id > restored.scalar_subquery()
        )
        return frozenset(target for (target,) in self._database.tuples(chosen.distinct()))

    def let_go_on(self, now: datetime) -> int:
        """Make them due; how many there were."""
        return self._database.changed(runs, _WAITS, {"code": "", "wake_at": now})
