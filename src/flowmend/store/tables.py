"""The tables, the same on SQLite and PostgreSQL.

Names of columns are those of the rows in `rows.py`. Runs, their journal and their trigger events have no foreign keys:
they are written thousands of times a second, and the writer knows what it writes.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    event,
    literal_column,
)

from flowmend.core.connection.health import HealthState
from flowmend.core.outcome import Status
from flowmend.store.column_types import Instant, JsonText, Named, Words
from flowmend.store.rows import FlowState

#: A run's `start` is kept as page 0 of its journal: rows of runs stay small, so lists and counts are quick, and a
#: change of status never rewrites a large trigger body.
START_SEQUENCE = 0

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Conditions of partial indexes are written out, never bound: a database uses such an index only where it can see
# that the query asks for the same.
_NOTHING: ColumnElement[str] = literal_column("''")

_serial = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER PRIMARY KEY counts up on SQLite


def _key(name: str) -> Column[str]:
    return Column(name, Text, primary_key=True)


def _of(name: str, other: str, *, is_key: bool = False) -> Column[str]:
    return Column(name, Text, ForeignKey(other, ondelete="CASCADE"), primary_key=is_key, nullable=False)


def _must(name: str, kind: Any = Text) -> Column[Any]:
    return Column(name, kind, nullable=False)


#: Indexes of some rows, and which these are.
_partial_indexes: list[tuple[Index, ColumnElement[bool]]] = []


def _index_where(name: str, condition: ColumnElement[bool], *columns: Column[Any]) -> None:
    """An index of the few rows that meet the condition: the many others cost it nothing."""
    index = Index(f"ix_{columns[0].table.name}_{name}", *columns, sqlite_where=condition)
    _partial_indexes.append((index, condition))


@event.listens_for(metadata, "before_create")
def _say_it_to_postgresql(_target: MetaData, connection: Connection, **_: Any) -> None:
    # Only where tables are made in PostgreSQL: naming its option loads its dialect, a twentieth of every start.
    if connection.dialect.name == "postgresql":
        for index, condition in _partial_indexes:
            index.dialect_options["postgresql"]["where"] = condition


people = Table(
    "people",
    metadata,
    _key("person_id"),
    _must("name", Words),
    _must("email", Words),
    _must("language"),
    _must("created_at", Instant),
)

tokens = Table(
    "tokens",
    metadata,
    _key("token_id"),
    _of("person_id", "people.person_id"),
    Column("digest", LargeBinary, nullable=False, unique=True),
    _must("name", Words),
    _must("created_at", Instant),
    Column("expires_at", Instant),
    Column("last_used_at", Instant),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    _of("person_id", "people.person_id"),
    _must("created_at", Instant),
    _must("expires_at", Instant),
)

login_links = Table(
    "login_links",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    _of("person_id", "people.person_id"),
    _must("created_at", Instant),
    _must("expires_at", Instant),
    Column("used_at", Instant),
)

audit = Table(
    "audit",
    metadata,
    Column("audit_id", _serial, primary_key=True),
    _must("at", Instant),
    _must("person_id"),
    _must("verb"),
    _must("target"),
    _must("details", JsonText),
    Index("ix_audit_target", "target", "audit_id"),
)

flows = Table(
    "flows",
    metadata,
    _key("flow_id"),
    _must("name", Words),
    _must("packaging"),
    _must("state", Named(FlowState)),
    _must("version"),
    _must("owner_id"),
    _must("sealed_access_key", LargeBinary),
    _must("settings", JsonText),
    _must("created_at", Instant),
    _must("changed_at", Instant),
)

flow_versions = Table(
    "flow_versions",
    metadata,
    _of("flow_id", "flows.flow_id", is_key=True),
    _key("version"),
    _must("document", JsonText),
    _must("created_at", Instant),
)

connectors = Table(
    "connectors",
    metadata,
    _key("connector_id"),
    _must("display_name", Words),
    _must("definition", JsonText),
    _must("properties", JsonText),
    _must("fingerprint"),
    _must("installed_at", Instant),
)

sign_in_apps = Table(
    "sign_in_apps",
    metadata,
    _key("app_id"),
    _must("connector_id"),
    _must("client_id", Words),
    _must("sealed_secret", LargeBinary),
    _must("tenant", Words),
    _must("settings", JsonText),
    Column("secret_expires_at", Instant),
    _must("created_at", Instant),
)

accounts = Table(
    "accounts",
    metadata,
    _key("account_id"),
    _must("connector_id"),
    _must("name", Words),
    _must("created_at", Instant),
)

connections = Table(
    "connections",
    metadata,
    _key("connection_id"),
    _must("connector_id"),
    _must("display_name", Words),
    _must("account_id"),
    _must("account_name", Words),
    _must("app_id"),
    _must("owner_id"),
    _must("parameter_set"),
    _must("parameters", JsonText),
    _must("allowed_origins", JsonText),
    _must("sealed_credential", LargeBinary),
    _must("sealed_candidate", LargeBinary),
    _must("credential_version", BigInteger),
    _must("health", Named(HealthState)),
    _must("health_changed_at", Instant),
    Column("last_good_at", Instant),
    Column("refused_at", Instant),
    _must("refused_code", Words),
    _must("refused_message", Words),
    _must("refused_category"),
    _must("refused_fixable_by"),
    _must("remedy"),
    Column("expires_at", Instant),
    _must("created_at", Instant),
    _must("changed_at", Instant),
)

attempts = Table(
    "attempts",
    metadata,
    Column("attempt_id", _serial, primary_key=True),
    _of("connection_id", "connections.connection_id"),
    _must("at", Instant),
    _must("was_refused", Boolean),
    Index("ix_attempts_connection_id_at", "connection_id", "at"),
)

connection_mappings = Table(
    "connection_mappings",
    metadata,
    _of("flow_id", "flows.flow_id", is_key=True),
    _key("reference"),
    _of("connection_id", "connections.connection_id"),
    Index("ix_connection_mappings_connection_id", "connection_id"),
)

trigger_states = Table(
    "trigger_states",
    metadata,
    _of("flow_id", "flows.flow_id", is_key=True),
    _key("trigger_name"),
    Column("next_at", Instant),
    Column("last_at", Instant),
    _must("memory", JsonText),
)
_index_where("due", trigger_states.c.next_at.is_not(None), trigger_states.c.next_at)

runs = Table(
    "runs",
    metadata,
    _key("run_name"),
    _must("flow_id"),
    _must("version"),
    _must("trigger_name", Words),
    _must("status"),
    _must("code"),
    _must("error_code", Words),
    _must("error_message", Words),
    _must("started_at", Instant),
    Column("ended_at", Instant),
    Column("wake_at", Instant),
    _must("client_tracking_id", Words),
    _must("origin_run"),
    _must("resubmitted_by"),
    _must("failed_action", Words),
    _must("diagnosis_category"),
    _must("connection_id"),
    _must("epoch", BigInteger),
)

UNFINISHED = frozenset(status.value for status in Status if not status.is_terminal)
#: Every end but success: few runs, and those that people look for.
ENDED_BADLY = frozenset(status.value for status in Status) - UNFINISHED - {Status.SUCCEEDED.value}


def _has_status(statuses: frozenset[str]) -> ColumnElement[bool]:
    return runs.c.status.in_([literal_column(f"'{status}'") for status in sorted(statuses)])


IS_UNFINISHED = _has_status(UNFINISHED)
HAS_ENDED_BADLY = _has_status(ENDED_BADLY)
HAS_CONNECTION = runs.c.connection_id != _NOTHING
HAS_ORIGIN = runs.c.origin_run != _NOTHING
HAS_OWN_TRACKING_ID = runs.c.client_tracking_id != runs.c.run_name

Index("ix_runs_flow_id_run_name", runs.c.flow_id, runs.c.run_name)
# Counting reads this index alone, and it is written once for each run: when it ends.
_index_where("ended", runs.c.ended_at.is_not(None), runs.c.ended_at, runs.c.flow_id, runs.c.status)
_index_where("due", runs.c.wake_at.is_not(None), runs.c.wake_at)
_index_where("unfinished", IS_UNFINISHED, runs.c.run_name)
_index_where("ended_badly", HAS_ENDED_BADLY, runs.c.run_name)
_index_where("connection", HAS_CONNECTION, runs.c.connection_id, runs.c.run_name)
_index_where("origin", HAS_ORIGIN, runs.c.origin_run)
_index_where("tracking_id", HAS_OWN_TRACKING_ID, runs.c.client_tracking_id)

journal_pages = Table(
    "journal_pages",
    metadata,
    _key("run_name"),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    _must("page", LargeBinary),
)

run_requests = Table(
    "run_requests",
    metadata,
    _key("run_name"),
    _key("request_id"),
    _must("new_run"),
)

tracked_values = Table(
    "tracked_values",
    metadata,
    _key("run_name"),
    _key("name"),
    _key("value"),
    _must("flow_id"),
    Index("ix_tracked_values_name_value", "name", "value", "run_name"),
)

trigger_events = Table(
    "trigger_events",
    metadata,
    _key("event_name"),
    _must("flow_id"),
    _must("trigger_name", Words),
    _must("status"),
    _must("code"),
    _must("fired", Boolean),
    _must("started_at", Instant),
    Column("ended_at", Instant),
    Column("scheduled_at", Instant),
    _must("tracking_id"),
    _must("client_tracking_id", Words),
    _must("client_request_id", Words),
    _must("run_name"),
    _must("origin_event"),
    _must("error_code", Words),
    _must("error_message", Words),
    _must("inputs", LargeBinary),
    _must("outputs", LargeBinary),
)
Index("ix_trigger_events_flow_id_event_name", trigger_events.c.flow_id, trigger_events.c.event_name)
IS_HELD = trigger_events.c.status == literal_column(f"'{Status.WAITING}'")
HAS_CLIENT_REQUEST = trigger_events.c.client_request_id != _NOTHING
_index_where("held", IS_HELD, trigger_events.c.flow_id, trigger_events.c.started_at)
_index_where("client_request", HAS_CLIENT_REQUEST, trigger_events.c.flow_id, trigger_events.c.client_request_id)

#: Which migration the tables are at. Alembic's own table, as Alembic makes it; written by plain SQL for a new database.
alembic_version = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
