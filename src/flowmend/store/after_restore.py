"""Runs that were under way when the backup was made that this database was restored from.

Apart from `backup`, whose modules a server never needs.
"""

from datetime import datetime

from sqlalchemy import func, literal_column, select

from flowmend.core.outcome import Status
from flowmend.store.database import Database
from flowmend.store.tables import IS_UNFINISHED, runs

#: The code of a run that was under way when its backup was made.
RESTORED_CODE = "RestoredFromBackup"
#: Verbs and targets of the audit's notes.
MADE, RESTORED = "backup", "restore"

_WAITS = IS_UNFINISHED & (runs.c.status == literal_column(f"'{Status.WAITING}'")) & (runs.c.code == RESTORED_CODE)


class AfterRestore:
    """Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def waiting(self) -> int:
        """How many runs wait for somebody to let them go on."""
        return int(self._database.value(select(func.count()).select_from(runs).where(_WAITS)))

    def let_go_on(self, now: datetime) -> int:
        """Make them due; how many there were."""
        return self._database.changed(runs, _WAITS, {"code": "", "wake_at": now})
