"""Serves as `flowmend up` does, but its database may be made full, and empty again, from outside.

    python bench/fault_serving.py FILE

FILE holds the most pages its SQLite database may have; it is looked at twenty times a second, and may be changed. A limit
below what the database has means: not one page more.
"""

import os
import sqlite3
import sys
import threading
import time
from pathlib import Path

from sqlalchemy import Connection, Engine, event

from flowmend.cli.serving import serve
from flowmend.settings import read_settings

#: SQLite's own limit.
NO_LIMIT = 4_294_967_294
_LOOK_SECONDS = 0.05


class Pages:
    """The limit that every connection is given when it begins a transaction; it is a setting of the connection alone."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._most = NO_LIMIT
        threading.Thread(target=self._watch, daemon=True).start()
        event.listen(Engine, "begin", self._limit)

    def _watch(self) -> None:
        while True:
            text = self._file.read_text(encoding="ascii").strip()
            self._most = int(text) if text else self._most
            time.sleep(_LOOK_SECONDS)

    def _limit(self, connection: Connection) -> None:
        raw = connection.connection.dbapi_connection
        if isinstance(raw, sqlite3.Connection):
            raw.execute(f"PRAGMA max_page_count = {self._most}").close()


if __name__ == "__main__":
    Pages(Path(sys.argv[1]))
    serve(read_settings(os.environ))
