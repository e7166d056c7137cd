"""The tables of connections: who they are signed in as, how they fare, and what broke them."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, Table, Text

from flowmend.core.connection.health import HealthState
from flowmend.core.connection.incident import SourceKind
from flowmend.store.column_types import Instant, JsonText, Named, Words
from flowmend.store.incident_rows import IncidentState
from flowmend.store.schema import NOTHING, index_where, key, later, metadata, must, part_of, serial

sign_in_apps = Table(
    "sign_in_apps",
    metadata,
    key("app_id"),
    must("connector_id"),
    must("client_id", Words),
    must("sealed_secret", LargeBinary),
    must("tenant", Words),
    must("settings", JsonText),
    Column("secret_expires_at", Instant),
    must("created_at", Instant),
    later("display_name", Words, "''"),
    later("owner_id", Text, "''"),
)

accounts = Table(
    "accounts",
    metadata,
    key("account_id"),
    must("connector_id"),
    must("name", Words),
    must("created_at", Instant),
)

connections = Table(
    "connections",
    metadata,
    key("connection_id"),
    must("connector_id"),
    must("display_name", Words),
    must("account_id"),
    must("account_name", Words),
    must("app_id"),
    must("owner_id"),
    must("parameter_set"),
    must("parameters", JsonText),
    must("allowed_origins", JsonText),
    must("sealed_credential", LargeBinary),
    must("sealed_candidate", LargeBinary),
    must("credential_version", BigInteger),
    must("health", Named(HealthState)),
    must("health_changed_at", Instant),
    Column("last_good_at", Instant),
    Column("refused_at", Instant),
    must("refused_code", Words),
    must("refused_message", Words),
    must("refused_category"),
    must("refused_fixable_by"),
    must("remedy"),
    Column("expires_at", Instant),
    must("created_at", Instant),
    must("changed_at", Instant),
    later("shares_with", Text, "''"),
    later("probe", JsonText, "'null'"),
    later("probe_is_trusted", Boolean, "false"),
    Column("next_probe_at", Instant),
    Column("last_probe_at", Instant),
    later("doubts", Integer, "0"),
    Column("sealed_failed_call", LargeBinary),
    Column("refreshed_at", Instant),
    Column("lasts_until", Instant),
    later("lasts_until_kind", Text, "''"),
    later("lease_holder", Text, "''"),
    Column("lease_until", Instant),
)
Index("ix_connections_app_id", connections.c.app_id)
Index("ix_connections_account_name", connections.c.account_name)
index_where("probe", connections.c.next_probe_at.is_not(None), connections.c.next_probe_at)
index_where("shared", connections.c.shares_with != NOTHING, connections.c.shares_with)

attempts = Table(
    "attempts",
    metadata,
    Column("attempt_id", serial, primary_key=True),
    part_of("connection_id", "connections.connection_id"),
    must("at", Instant),
    must("was_refused", Boolean),
    Index("ix_attempts_connection_id_at", "connection_id", "at"),
)

connection_mappings = Table(
    "connection_mappings",
    metadata,
    part_of("flow_id", "flows.flow_id", is_key=True),
    key("reference"),
    part_of("connection_id", "connections.connection_id"),
    Index("ix_connection_mappings_connection_id", "connection_id"),
)

# An incident outlives what it was about, so these have no foreign keys.
incidents = Table(
    "incidents",
    metadata,
    key("incident_id"),
    must("source_kind", Named(SourceKind)),
    must("source_id", Words),
    must("state", Named(IncidentState)),
    must("opened_at", Instant),
    Column("closed_at", Instant),
    must("closed_by"),
    must("merged_into"),
    Column("last_good_at", Instant),
    must("first_bad_at", Instant),
    must("last_bad_at", Instant),
    must("bad_calls", BigInteger),
    must("category"),
    must("fixable_by"),
    must("remedy"),
    must("code", Words),
    must("message", Words),
    must("version", BigInteger),
)
IS_OPEN = incidents.c.closed_at.is_(None)
index_where("open", IS_OPEN, incidents.c.source_kind, incidents.c.source_id, is_unique=True)
Index("ix_incidents_opened_at", incidents.c.opened_at)

incident_connections = Table(
    "incident_connections",
    metadata,
    key("incident_id"),
    key("connection_id"),
    Column("last_good_at", Instant),
    must("first_bad_at", Instant),
    must("bad_calls", BigInteger),
    Column("mended_at", Instant),
    Index("ix_incident_connections_connection_id", "connection_id"),
)

repair_links = Table(
    "repair_links",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    must("incident_id"),
    part_of("connection_id", "connections.connection_id"),
    must("created_by"),
    must("created_at", Instant),
    must("expires_at", Instant),
    Column("used_at", Instant),
    must("is_confirmed", Boolean),
)

secret_uses = Table(
    "secret_uses",
    metadata,
    Column("use_id", serial, primary_key=True),
    must("at", Instant),
    must("connection_id"),
    must("purpose"),
    must("run_name"),
    must("action", Words),
    must("host", Words),
    must("outcome", Words),
    Index("ix_secret_uses_connection_id", "connection_id", "use_id"),
    Index("ix_secret_uses_at", "at"),
)
index_where("run", secret_uses.c.run_name != NOTHING, secret_uses.c.run_name)
