"""Where foreign errors stop: what a database or its driver raises becomes one of ours."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from flowmend.core.errors import Conflict, StoreUnavailable

#: SQLSTATE classes that say the database, not the row, is in trouble: connection, resources, operator, system.
_TROUBLE_CLASSES = ("08", "53", "57", "58")
#: There is no room: SQLSTATE, or SQLite's name for it.
_FULL = ("53100", "SQLITE_FULL")
#: A value that no column holds: too large for it, or for an index.
_VALUE_FAULTS = ("22", "54", "SQLITE_TOOBIG", "SQLITE_MISMATCH", "SQLITE_RANGE")
#: SQLite's errors about a row; all its others are about the database.
_ROW_FAULTS = ("SQLITE_CONSTRAINT", "SQLITE_TOOBIG", "SQLITE_MISMATCH", "SQLITE_ERROR", "SQLITE_RANGE")


@contextmanager
def our_errors() -> Iterator[None]:
    """Raises Conflict for a broken rule of the tables, StoreUnavailable for everything else a database reports."""
    try:
        yield
    except Exception as error:
        ours = our_error(error)
        if ours is error:
            raise
        raise ours from error


def our_error(error: BaseException) -> BaseException:
    """The error of ours for one of SQLAlchemy's or of a driver; every other stays as it is."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    kinds = {(kind.__module__.partition(".")[0], kind.__name__) for kind in type(cause).__mro__}
    if not isinstance(error, SQLAlchemyError) and not kinds & {("sqlite3", "Error"), ("psycopg", "Error")}:
        return error
    if any(name == "IntegrityError" for _, name in kinds):
        # The driver's own sentence may quote values; it stays in the cause.
        return Conflict("The store already holds this, or what it belongs to is gone.", code="StoreConflict")
    if _state_of(cause) in _FULL:
        return StoreUnavailable(
            "The database's disk is full. Make room on it; what was accepted is kept and then goes on by itself.",
            code="StoreFull",
        )
    message = f"The database did not carry this out ({type(cause).__name__}). Look at its log and disk."
    if _state_of(cause).startswith(_VALUE_FAULTS):
        return StoreUnavailable(message, code="ValueNotStorable")
    return StoreUnavailable(message)


def is_general(error: BaseException) -> bool:
    """Whether the database itself is in trouble, so that trying the rows one by one is of no use."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    state = _state_of(cause)
    if state.startswith("SQLITE_"):
        return not state.startswith(_ROW_FAULTS)
    if state:
        return state.startswith(_TROUBLE_CLASSES)
    # psycopg tells a lost connection without an SQLSTATE.
    return any(kind.__name__ in {"OperationalError", "InterfaceError"} for kind in type(cause).__mro__)


def _state_of(cause: BaseException) -> str:
    """The SQLSTATE, SQLite's name of the error, or ""."""
    return str(getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None) or "")
