"""Repair plans and their items."""

from flowmend.store.database import Database, select_row
from flowmend.store.repair_rows import RepairPlanRow
from flowmend.store.repair_tables import repair_plans


class RepairPlans:
    """Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, plan_id: str) -> RepairPlanRow | None:
        return self._database.first(
            select_row(repair_plans, RepairPlanRow).where(repair_plans.c.plan_id == plan_id), RepairPlanRow
        )
