"""The tables of repair plans."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Table, UniqueConstraint

from flowmend.store.column_types import Instant, JsonText, Named, Words
from flowmend.store.repair_rows import ItemKind, ItemMode, ItemState, PlanKind, PlanState
from flowmend.store.schema import NOTHING, index_where, key, metadata, must, part_of

repair_plans = Table(
    "repair_plans",
    metadata,
    key("plan_id"),
    must("kind", Named(PlanKind)),
    must("incident_id"),
    must("state", Named(PlanState)),
    must("version", BigInteger),
    must("world"),
    must("settings", JsonText),
    must("created_by"),
    must("created_at", Instant),
    must("changed_at", Instant),
    Column("keeps_back_until", Instant),
    must("started_by"),
    Column("started_at", Instant),
    Column("canary_ended_at", Instant),
    Column("ended_at", Instant),
    must("stop_code", Words),
    must("stop_message", Words),
    Index("ix_repair_plans_created_at", "created_at"),
)
IS_UNDER_WAY = repair_plans.c.ended_at.is_(None)
index_where("under_way", IS_UNDER_WAY, repair_plans.c.created_at)
index_where("incident", repair_plans.c.incident_id != NOTHING, repair_plans.c.incident_id)

repair_items = Table(
    "repair_items",
    metadata,
    part_of("plan_id", "repair_plans.plan_id", is_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    must("subject"),
    must("kind", Named(ItemKind)),
    must("flow_id"),
    must("business_key", Words),
    must("arrived_at", Instant),
    must("mode", Named(ItemMode)),
    must("flow_version"),
    must("from_action", Words),
    must("from_repetition"),
    must("repeats", JsonText),
    must("reason", Words),
    must("state", Named(ItemState)),
    must("is_canary", Boolean),
    must("new_run"),
    Column("begun_at", Instant),
    Column("ended_at", Instant),
    must("error_code", Words),
    # Each run at most once in a plan.
    UniqueConstraint("plan_id", "subject", name="uq_repair_items_subject"),
    Index("ix_repair_items_state", "plan_id", "state", "position"),
    Index("ix_repair_items_subject", "subject"),
)
index_where("new_run", repair_items.c.new_run != NOTHING, repair_items.c.new_run)
