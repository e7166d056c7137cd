"""Migrations: bring the tables of an older Flowmend to what `tables.metadata` says.

To change the tables: change `tables.py`, write `versions/v<next number>_<what>.py` that leads there from the revision
before, and raise `opening.LATEST_REVISION`. A test compares the tables both ways make.
"""

from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from flowmend.core.errors import AskedWrongly


def migrate(connection: Connection, *, to: str = "head") -> None:
    """Carry out the migrations that are missing, within the connection's transaction. to: the revision to stop at.

    Errors: AskedWrongly `DatabaseTooNew` where a newer Flowmend has written the database.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    try:
        with EnvironmentContext(
            config,
            scripts,
            fn=lambda revision, _: scripts._upgrade_revs(to, revision),  # noqa: SLF001  # as Alembic's own command
        ) as environment:
            environment.configure(connection=connection, transactional_ddl=True)
            environment.run_migrations()
    except CommandError as error:
        raise AskedWrongly(
            "The database was written by a newer Flowmend than this. Start that one, or restore a backup.",
            code="DatabaseTooNew",
        ) from error
