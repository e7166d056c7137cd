"""Connections that tell the truth: probes, shared credentials, leases; incidents, repair links, uses of secrets."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXT = "''"
_ZERO = "0"


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def _added(table: str, name: str, kind: Any, value: str | None) -> None:
    """A column of what is there already. value: of the rows there are, None for NULL."""
    default = None if value is None else sa.text(value)
    op.add_column(table, sa.Column(name, kind, nullable=value is None, server_default=default))


def upgrade() -> None:
    _added("sign_in_apps", "display_name", sa.Text(), _TEXT)
    _added("sign_in_apps", "owner_id", sa.Text(), _TEXT)
    _added("connections", "shares_with", sa.Text(), _TEXT)
    _added("connections", "probe", sa.Text(), "'null'")
    _added("connections", "probe_is_trusted", sa.Boolean(), "false")
    _added("connections", "next_probe_at", sa.BigInteger(), None)
    _added("connections", "last_probe_at", sa.BigInteger(), None)
    _added("connections", "doubts", sa.Integer(), _ZERO)
    _added("connections", "sealed_failed_call", sa.LargeBinary(), None)
    _added("connections", "refreshed_at", sa.BigInteger(), None)
    _added("connections", "lasts_until", sa.BigInteger(), None)
    _added("connections", "lasts_until_kind", sa.Text(), _TEXT)
    _added("connections", "lease_holder", sa.Text(), _TEXT)
    _added("connections", "lease_until", sa.BigInteger(), None)
    _added("trigger_states", "poll_at", sa.BigInteger(), None)
    _added("trigger_states", "problem", sa.Text(), _TEXT)
    _added("trigger_events", "checks", sa.BigInteger(), "1")
    op.create_index("ix_trigger_states_poll", "trigger_states", ["poll_at"], **_where("poll_at IS NOT NULL"))
    op.create_index("ix_trigger_states_problem", "trigger_states", ["flow_id"], **_where("problem != ''"))
    op.create_table(
        "subscriptions",
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("flow_id", sa.Text(), nullable=False),
        sa.Column("trigger_name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("connection_id", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("sealed_calls", sa.LargeBinary(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("subscription_id", name="pk_subscriptions"),
    )
    op.create_index("ix_subscriptions_flow_id", "subscriptions", ["flow_id"])
    op.create_index("ix_subscriptions_due", "subscriptions", ["next_at"], **_where("next_at IS NOT NULL"))
    op.create_index("ix_connections_app_id", "connections", ["app_id"])
    op.create_index("ix_connections_account_name", "connections", ["account_name"])
    op.create_index("ix_connections_probe", "connections", ["next_probe_at"], **_where("next_probe_at IS NOT NULL"))
    op.create_index("ix_connections_shared", "connections", ["shares_with"], **_where("shares_with != ''"))
    op.create_table(
        "incidents",
        sa.Column("incident_id", sa.Text(), nullable=False),
        sa.Column("source_kind", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=False),
        sa.Column("merged_into", sa.Text(), nullable=False),
        sa.Column("last_good_at", sa.BigInteger(), nullable=True),
        sa.Column("first_bad_at", sa.BigInteger(), nullable=False),
        sa.Column("last_bad_at", sa.BigInteger(), nullable=False),
        sa.Column("bad_calls", sa.BigInteger(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("fixable_by", sa.Text(), nullable=False),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("incident_id", name="pk_incidents"),
    )
    is_open = _where("closed_at IS NULL")
    op.create_index("ix_incidents_open", "incidents", ["source_kind", "source_id"], unique=True, **is_open)
    op.create_index("ix_incidents_opened_at", "incidents", ["opened_at"])
    op.create_table(
        "incident_connections",
        sa.Column("incident_id", sa.Text(), nullable=False),
        sa.Column("connection_id", sa.Text(), nullable=False),
        sa.Column("last_good_at", sa.BigInteger(), nullable=True),
        sa.Column("first_bad_at", sa.BigInteger(), nullable=False),
        sa.Column("bad_calls", sa.BigInteger(), nullable=False),
        sa.Column("mended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("incident_id", "connection_id", name="pk_incident_connections"),
    )
    op.create_index("ix_incident_connections_connection_id", "incident_connections", ["connection_id"])
    op.create_table(
        "repair_links",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("incident_id", sa.Text(), nullable=False),
        sa.Column("connection_id", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.Column("is_confirmed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.connection_id"],
            name="fk_repair_links_connection_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("digest", name="pk_repair_links"),
    )
    op.create_table(
        "secret_uses",
        sa.Column("use_id", _SERIAL, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("connection_id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("run_name", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("use_id", name="pk_secret_uses"),
    )
    op.create_index("ix_secret_uses_connection_id", "secret_uses", ["connection_id", "use_id"])
    op.create_index("ix_secret_uses_at", "secret_uses", ["at"])
    counted = ["connection_id", "ended_at", "status", "flow_id", "started_at"]
    op.create_index("ix_runs_connection_ended", "runs", counted, **_where("connection_id != ''"))
    op.create_index("ix_secret_uses_run", "secret_uses", ["run_name"], **_where("run_name != ''"))
    _make_approvals()
    op.create_table(
        "connector_entries",
        sa.Column("connector_id", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("installed_at", sa.BigInteger(), nullable=False),
        sa.Column("operations", sa.BigInteger(), nullable=False),
        sa.Column("triggers", sa.BigInteger(), nullable=False),
        sa.Column("needs_script", sa.BigInteger(), nullable=False),
        sa.Column("unsupported", sa.BigInteger(), nullable=False),
        sa.Column("sign_in", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("methods", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("connector_id", name="pk_connector_entries"),
    )
    op.create_index("ix_connector_entries_display_name", "connector_entries", ["display_name"])


def _make_approvals() -> None:
    op.create_table(
        "approvals",
        sa.Column("approval_id", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("connection_id", sa.Text(), nullable=False),
        sa.Column("flow_id", sa.Text(), nullable=False),
        sa.Column("run_name", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("approval_type", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("item_link", sa.Text(), nullable=False),
        sa.Column("item_link_description", sa.Text(), nullable=False),
        sa.Column("requestor", sa.Text(), nullable=False),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("approver_count", sa.BigInteger(), nullable=False),
        sa.Column("is_notified", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("approval_id", name="pk_approvals"),
        sa.UniqueConstraint("request_id"),
    )
    op.create_index("ix_approvals_created_at", "approvals", ["created_at"])
    op.create_index("ix_approvals_waiting", "approvals", ["created_at"], **_where("state = 'waiting'"))
    op.create_table(
        "approvers",
        sa.Column("approval_id", sa.Text(), nullable=False),
        sa.Column("approver", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("link_expires_at", sa.BigInteger(), nullable=True),
        sa.Column("mailed_at", sa.BigInteger(), nullable=True),
        sa.Column("mail_problem", sa.Text(), nullable=False),
        sa.Column("response", sa.Text(), nullable=False),
        sa.Column("comments", sa.Text(), nullable=False),
        sa.Column("answered_by", sa.Text(), nullable=False),
        sa.Column("answered_through", sa.Text(), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["approval_id"], ["approvals.approval_id"], name="fk_approvers_approval_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("approval_id", "approver", name="pk_approvers"),
        sa.UniqueConstraint("digest"),
    )
    op.create_table(
        "approval_waits",
        sa.Column("approval_id", sa.Text(), nullable=False),
        sa.Column("run_name", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("repetition", sa.Text(), nullable=False),
        sa.Column("flow_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["approval_id"], ["approvals.approval_id"], name="fk_approval_waits_approval_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("approval_id", "run_name", "action", "repetition", name="pk_approval_waits"),
    )
    op.create_index("ix_approval_waits_run_name", "approval_waits", ["run_name"])
