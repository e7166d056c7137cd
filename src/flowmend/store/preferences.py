"""What people chose in Settings for everybody, by name."""

from sqlalchemy import delete, insert, select

from flowmend.core.json_value import Json
from flowmend.store.database import Database
from flowmend.store.notice_tables import preferences


class Preferences:
    """Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> Json:
        """What was chosen, None where nothing was."""
        return self._database.value(select(preferences.c.value).where(preferences.c.name == name))

    def put(self, name: str, value: Json) -> None:
        with self._database.writing() as connection:
            connection.execute(delete(preferences).where(preferences.c.name == name))
            connection.execute(insert(preferences), {"name": name, "value": value})
