"""One server to a database: two would fire every schedule twice and take each other's runs.

A lock of PostgreSQL's, held by a connection of its own for as long as that lives; a server that is killed lets it go. A
file of SQLite's lies in a data folder, which serving locks by itself (cli.local_server).
"""

import time
from contextlib import ExitStack

from sqlalchemy import Connection, text

from flowmend.core.errors import Conflict
from flowmend.store.database import Database
from flowmend.store.failures import our_errors

#: Any number besides that of migrations, as long as nobody else locks the same one in this database.
_LOCK = 0x666C6F776D656E65
_TRY_AGAIN_SECONDS = 0.1


class SoleServer:
    """May be released more than once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None

    def claim(self, within_seconds: float) -> None:
        """Be the database's one server until `release`. within_seconds: for one that is just ending to be gone.

        Errors: Conflict `DatabaseInUse` while another is; StoreUnavailable.
        """
        if self._database.is_sqlite or self._connection is not None:
            return
        deadline = time.monotonic() + within_seconds
        with our_errors(), ExitStack() as ours:
            connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            ours.callback(connection.close)
            connection.detach()  # the pool is to keep all of its own
            while not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK}).scalar():
                if time.monotonic() >= deadline:
                    raise Conflict(
                        "Another Flowmend runs on this database. Stop it first, or give this one a database of its own "
                        "(FLOWMEND_DATABASE_URL).",
                        code="DatabaseInUse",
                    )
                time.sleep(_TRY_AGAIN_SECONDS)
            ours.pop_all()
        self._connection = connection

    def release(self) -> None:
        """Let another server have the database."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
