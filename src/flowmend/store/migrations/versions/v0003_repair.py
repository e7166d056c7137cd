"""Repair plans, what people are told, and the business keys of held events."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def _must(name: str, kind: Any = sa.Text) -> sa.Column[Any]:
    return sa.Column(name, kind(), nullable=False)


def _may(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=True)


def upgrade() -> None:
    op.add_column("trigger_events", sa.Column("business_key", sa.Text(), nullable=False, server_default=sa.text("''")))
    is_held = _where("status = 'Waiting' AND code = 'ConnectionNeedsRepair'")
    op.create_index("ix_runs_held", "runs", ["flow_id", "run_name"], **is_held)
    _find_history_faster()
    op.add_column("runs", _may("begun_at"))
    _make_plans()
    _make_notices()
    _make_received_events()
    op.create_table(
        "deleted_flows",
        _must("flow_id"),
        _must("deleted_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("flow_id", name="pk_deleted_flows"),
    )


def _find_history_faster() -> None:
    for name in ("ix_runs_flow_id_run_name", "ix_runs_ended_badly", "ix_runs_connection"):
        op.drop_index(name, table_name="runs")
    op.drop_index("ix_tracked_values_name_value", table_name="tracked_values")
    op.create_index("ix_tracked_values_value", "tracked_values", ["value", "run_name", "name"])
    op.create_index("ix_runs_flow_id_status_run_name", "runs", ["flow_id", "status", "run_name"])
    op.create_index("ix_runs_started_at", "runs", ["started_at"])
    ended = ("Aborted", "Cancelled", "Failed", "Faulted", "Ignored", "Skipped", "Succeeded", "TimedOut")
    quoted = ", ".join(f"'{status}'" for status in ended)
    op.create_index("ix_runs_status", "runs", ["status", "run_name"], **_where(f"status IN ({quoted})"))
    failed_by = ["connection_id", "run_name", "flow_id", "status", "diagnosis_category"]
    op.create_index("ix_runs_failed_by", "runs", failed_by, **_where("connection_id != ''"))
    by_category = ["diagnosis_category", "run_name", "flow_id", "status"]
    op.create_index("ix_runs_category", "runs", by_category, **_where("diagnosis_category != ''"))
    _pack_journals()
    held = _where("status = 'Waiting'")
    op.create_index("ix_trigger_events_held_of_all", "trigger_events", ["event_name", "flow_id"], **held)
    skipped = _where("status = 'Skipped'")
    op.create_index("ix_trigger_events_skipped", "trigger_events", ["flow_id", "event_name"], **skipped)
    op.create_index("ix_trigger_events_origin", "trigger_events", ["origin_event"], **_where("origin_event != ''"))


def _pack_journals() -> None:
    op.add_column("runs", sa.Column("journal_block", sa.BigInteger(), nullable=True))
    is_loose = _where("ended_at IS NOT NULL AND journal_block IS NULL")
    op.create_index("ix_runs_loose", "runs", ["ended_at"], **is_loose)
    op.create_table(
        "journal_blocks",
        sa.Column("block_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        _must("content", sa.LargeBinary),
        sa.PrimaryKeyConstraint("block_id", name="pk_journal_blocks"),
    )


def _make_received_events() -> None:
    op.create_table(
        "received_events",
        _must("flow_id"),
        _must("identity"),
        _must("content"),
        _must("trigger_name"),
        _must("event_name"),
        _must("received_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("flow_id", "identity", "content", name="pk_received_events"),
    )
    op.create_index("ix_received_events_received_at", "received_events", ["received_at"])


def _make_plans() -> None:
    op.create_table(
        "repair_plans",
        _must("plan_id"),
        _must("kind"),
        _must("incident_id"),
        _must("state"),
        _must("version", sa.BigInteger),
        _must("world"),
        _must("settings"),
        _must("created_by"),
        _must("created_at", sa.BigInteger),
        _must("changed_at", sa.BigInteger),
        _may("keeps_back_until"),
        _must("started_by"),
        _may("started_at"),
        _may("canary_ended_at"),
        _may("ended_at"),
        _must("stop_code"),
        _must("stop_message"),
        sa.PrimaryKeyConstraint("plan_id", name="pk_repair_plans"),
    )
    op.create_index("ix_repair_plans_created_at", "repair_plans", ["created_at"])
    op.create_index("ix_repair_plans_under_way", "repair_plans", ["created_at"], **_where("ended_at IS NULL"))
    op.create_index("ix_repair_plans_incident", "repair_plans", ["incident_id"], **_where("incident_id != ''"))
    op.create_table(
        "repair_items",
        _must("plan_id"),
        _must("position", sa.BigInteger),
        _must("subject"),
        _must("kind"),
        _must("flow_id"),
        _must("business_key"),
        _must("arrived_at", sa.BigInteger),
        _must("mode"),
        _must("flow_version"),
        _must("from_action"),
        _must("from_repetition"),
        _must("repeats"),
        _must("reason"),
        _must("state"),
        _must("is_canary", sa.Boolean),
        _must("new_run"),
        _may("begun_at"),
        _may("ended_at"),
        _must("error_code"),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["repair_plans.plan_id"], name="fk_repair_items_plan_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("plan_id", "position", name="pk_repair_items"),
        sa.UniqueConstraint("plan_id", "subject", name="uq_repair_items_subject"),
    )
    op.create_index("ix_repair_items_state", "repair_items", ["plan_id", "state", "position"])
    op.create_index("ix_repair_items_subject", "repair_items", ["subject"])
    op.create_index("ix_repair_items_new_run", "repair_items", ["new_run"], **_where("new_run != ''"))


def _make_notices() -> None:
    op.create_table(
        "notices",
        _must("notice_id"),
        _must("kind"),
        _must("subject"),
        _must("owner_id"),
        _must("facts"),
        _must("at", sa.BigInteger),
        _may("read_at"),
        sa.PrimaryKeyConstraint("notice_id", name="pk_notices"),
        sa.UniqueConstraint("kind", "subject", name="uq_notices_subject"),
    )
    op.create_index("ix_notices_at", "notices", ["at"])
    op.create_index("ix_notices_unread", "notices", ["at"], **_where("read_at IS NULL"))
    op.create_table(
        "message_routes",
        _must("route_id"),
        _must("channel"),
        _must("address"),
        _must("sealed_secret", sa.LargeBinary),
        _must("after_minutes", sa.BigInteger),
        _must("kinds"),
        _must("language"),
        _must("is_on", sa.Boolean),
        _must("created_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("route_id", name="pk_message_routes"),
    )
    op.create_table(
        "deliveries",
        _must("notice_id"),
        _must("route_id"),
        _must("state"),
        _must("attempts", sa.BigInteger),
        _may("next_at"),
        _may("sent_at"),
        _must("code"),
        _must("message"),
        sa.ForeignKeyConstraint(
            ["notice_id"], ["notices.notice_id"], name="fk_deliveries_notice_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["route_id"], ["message_routes.route_id"], name="fk_deliveries_route_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("notice_id", "route_id", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_due", "deliveries", ["next_at"], **_where("next_at IS NOT NULL"))
    op.create_table(
        "preferences", _must("name"), _must("value"), sa.PrimaryKeyConstraint("name", name="pk_preferences")
    )
