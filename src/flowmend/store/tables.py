"""The tables, the same on SQLite and PostgreSQL.

Names of columns are those of the rows in `rows.py`. Runs, their journal and their trigger events have no foreign keys:
they are written thousands of times a second, and the writer knows what it writes. The tables of connections are in
`connection_tables.py`.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Index,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    literal_column,
    select,
)

from flowmend.core.outcome import Status
from flowmend.store.column_types import Instant, JsonText, Named, Words
from flowmend.store.connection_tables import connections
from flowmend.store.rows import FlowState
from flowmend.store.schema import NOTHING, index_where, key, later, must, part_of, serial

#: All tables, those of connections too.
metadata = connections.metadata

#: A run's `start` is kept as page 0 of its journal: rows of runs stay small, so lists and counts are quick, and a
#: change of status never rewrites a large trigger body.
START_SEQUENCE = 0

people = Table(
    "people",
    metadata,
    key("person_id"),
    must("name", Words),
    must("email", Words),
    must("language"),
    must("created_at", Instant),
)

tokens = Table(
    "tokens",
    metadata,
    key("token_id"),
    part_of("person_id", "people.person_id"),
    Column("digest", LargeBinary, nullable=False, unique=True),
    must("name", Words),
    must("created_at", Instant),
    Column("expires_at", Instant),
    Column("last_used_at", Instant),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    part_of("person_id", "people.person_id"),
    must("created_at", Instant),
    must("expires_at", Instant),
)

login_links = Table(
    "login_links",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    part_of("person_id", "people.person_id"),
    must("created_at", Instant),
    must("expires_at", Instant),
    Column("used_at", Instant),
)

audit = Table(
    "audit",
    metadata,
    Column("audit_id", serial, primary_key=True),
    must("at", Instant),
    must("person_id"),
    must("verb"),
    must("target"),
    must("details", JsonText),
    Index("ix_audit_target", "target", "audit_id"),
)

flows = Table(
    "flows",
    metadata,
    key("flow_id"),
    must("name", Words),
    must("packaging"),
    must("state", Named(FlowState)),
    must("version"),
    must("owner_id"),
    must("sealed_access_key", LargeBinary),
    must("settings", JsonText),
    must("created_at", Instant),
    must("changed_at", Instant),
)

flow_versions = Table(
    "flow_versions",
    metadata,
    part_of("flow_id", "flows.flow_id", is_key=True),
    key("version"),
    must("document", JsonText),
    must("created_at", Instant),
)

#: Flows that were deleted while what is kept of them goes little by little: their runs and trigger events are there for nobody.
deleted_flows = Table("deleted_flows", metadata, key("flow_id"), must("deleted_at", Instant))

connectors = Table(
    "connectors",
    metadata,
    key("connector_id"),
    must("display_name", Words),
    must("definition", JsonText),
    must("properties", JsonText),
    must("fingerprint"),
    must("installed_at", Instant),
)

trigger_states = Table(
    "trigger_states",
    metadata,
    part_of("flow_id", "flows.flow_id", is_key=True),
    key("trigger_name"),
    Column("next_at", Instant),
    Column("last_at", Instant),
    must("memory", JsonText),
    Column("poll_at", Instant),
    later("problem", Words, "''"),
)
HAS_PROBLEM = trigger_states.c.problem != NOTHING
index_where("due", trigger_states.c.next_at.is_not(None), trigger_states.c.next_at)
index_where("poll", trigger_states.c.poll_at.is_not(None), trigger_states.c.poll_at)
index_where("problem", HAS_PROBLEM, trigger_states.c.flow_id)

#: No foreign keys: a subscription is ended also after its flow is gone.
subscriptions = Table(
    "subscriptions",
    metadata,
    key("subscription_id"),
    must("flow_id"),
    must("trigger_name", Words),
    must("state"),
    must("connection_id"),
    must("fingerprint"),
    must("sealed_calls", LargeBinary),
    must("attempts", BigInteger),
    Column("next_at", Instant),
    Column("expires_at", Instant),
    must("created_at", Instant),
    must("code"),
    must("message", Words),
    Index("ix_subscriptions_flow_id", "flow_id"),
)
index_where("due", subscriptions.c.next_at.is_not(None), subscriptions.c.next_at)

runs = Table(
    "runs",
    metadata,
    key("run_name"),
    must("flow_id"),
    must("version"),
    must("trigger_name", Words),
    must("status"),
    must("code"),
    must("error_code", Words),
    must("error_message", Words),
    must("started_at", Instant),
    Column("ended_at", Instant),
    Column("wake_at", Instant),
    must("client_tracking_id", Words),
    must("origin_run"),
    must("resubmitted_by"),
    must("failed_action", Words),
    must("diagnosis_category"),
    must("connection_id"),
    must("epoch", BigInteger),
    Column("journal_block", BigInteger),
    Column("begun_at", Instant),
)

UNFINISHED = frozenset(status.value for status in Status if not status.is_terminal)


def _has_status(statuses: frozenset[str]) -> ColumnElement[bool]:
    return runs.c.status.in_([literal_column(f"'{status}'") for status in sorted(statuses)])


IS_UNFINISHED = _has_status(UNFINISHED)
HAS_ENDED = _has_status(frozenset(status.value for status in Status) - UNFINISHED)
HAS_CONNECTION = runs.c.connection_id != NOTHING
HAS_ORIGIN = runs.c.origin_run != NOTHING
HAS_CATEGORY = runs.c.diagnosis_category != NOTHING
HAS_OWN_TRACKING_ID = runs.c.client_tracking_id != runs.c.run_name
#: Runs that wait at an action for their connection to be repaired.
IS_HELD_RUN = (runs.c.status == literal_column(f"'{Status.WAITING}'")) & (
    runs.c.code == literal_column("'ConnectionNeedsRepair'")
)

# Every list is in the order of the names, which is that of time; whatever it asks for is found in this order, so that a page
# of it reads no more rows than it shows. A list of several statuses is merged of one for each (`run_filter`).
Index("ix_runs_flow_id_status_run_name", runs.c.flow_id, runs.c.status, runs.c.run_name)
Index("ix_runs_started_at", runs.c.started_at)
index_where("status", HAS_ENDED, runs.c.status, runs.c.run_name)
# Counting reads this index alone, and it is written once for each run: when it ends.
index_where("ended", runs.c.ended_at.is_not(None), runs.c.ended_at, runs.c.flow_id, runs.c.status)
index_where("due", runs.c.wake_at.is_not(None), runs.c.wake_at)
index_where("unfinished", IS_UNFINISHED, runs.c.run_name)
# What else such a list may ask for stands beside, so that what does not match costs no look at its row.
index_where(
    "failed_by",
    HAS_CONNECTION,
    runs.c.connection_id,
    runs.c.run_name,
    runs.c.flow_id,
    runs.c.status,
    runs.c.diagnosis_category,
)
index_where("category", HAS_CATEGORY, runs.c.diagnosis_category, runs.c.run_name, runs.c.flow_id, runs.c.status)
# Counts what a broken connection did without reading a run.
index_where(
    "connection_ended",
    HAS_CONNECTION,
    runs.c.connection_id,
    runs.c.ended_at,
    runs.c.status,
    runs.c.flow_id,
    runs.c.started_at,
)
index_where("origin", HAS_ORIGIN, runs.c.origin_run)
index_where("held", IS_HELD_RUN, runs.c.flow_id, runs.c.run_name)
index_where("tracking_id", HAS_OWN_TRACKING_ID, runs.c.client_tracking_id)

#: Not of a flow that was deleted.
IS_THERE = runs.c.flow_id.not_in(select(deleted_flows.c.flow_id))

IS_LOOSE = runs.c.ended_at.is_not(None) & runs.c.journal_block.is_(None)
index_where("loose", IS_LOOSE, runs.c.ended_at)

journal_pages = Table(
    "journal_pages",
    metadata,
    key("run_name"),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    must("page", LargeBinary),
)

#: Journals of runs that have ended, some of one flow together (`journal_packing`).
journal_blocks = Table(
    "journal_blocks",
    metadata,
    Column("block_id", serial, primary_key=True),
    must("content", LargeBinary),
)

run_requests = Table(
    "run_requests",
    metadata,
    key("run_name"),
    key("request_id"),
    must("new_run"),
)

tracked_values = Table(
    "tracked_values",
    metadata,
    key("run_name"),
    key("name"),
    key("value"),
    must("flow_id"),
    # By value alone too: whoever looks for an order's number need not know what it is called.
    Index("ix_tracked_values_value", "value", "run_name", "name"),
)

trigger_events = Table(
    "trigger_events",
    metadata,
    key("event_name"),
    must("flow_id"),
    must("trigger_name", Words),
    must("status"),
    must("code"),
    must("fired", Boolean),
    must("started_at", Instant),
    Column("ended_at", Instant),
    Column("scheduled_at", Instant),
    must("tracking_id"),
    must("client_tracking_id", Words),
    must("client_request_id", Words),
    must("run_name"),
    must("origin_event"),
    must("error_code", Words),
    must("error_message", Words),
    must("inputs", LargeBinary),
    must("outputs", LargeBinary),
    later("checks", BigInteger, "1"),
    later("business_key", Words, "''"),
)
Index("ix_trigger_events_flow_id_event_name", trigger_events.c.flow_id, trigger_events.c.event_name)
IS_HELD = trigger_events.c.status == literal_column(f"'{Status.WAITING}'")
#: Checks that found nothing to start a run for.
FOUND_NOTHING = trigger_events.c.status == literal_column(f"'{Status.SKIPPED}'")
HAS_CLIENT_REQUEST = trigger_events.c.client_request_id != NOTHING
REPEATS_AN_EVENT = trigger_events.c.origin_event != NOTHING
index_where("held", IS_HELD, trigger_events.c.flow_id, trigger_events.c.started_at)
index_where("held_of_all", IS_HELD, trigger_events.c.event_name, trigger_events.c.flow_id)
index_where("skipped", FOUND_NOTHING, trigger_events.c.flow_id, trigger_events.c.event_name)
index_where("origin", REPEATS_AN_EVENT, trigger_events.c.origin_event)
index_where("client_request", HAS_CLIENT_REQUEST, trigger_events.c.flow_id, trigger_events.c.client_request_id)

#: Which migration the tables are at. Alembic's own table, as Alembic makes it; written by plain SQL for a new database.
alembic_version = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
