"""Repair plans and their items; how an item begins and ends is `repair_statements`."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, or_, select, update

from flowmend.core.errors import Conflict
from flowmend.store.database import Database, columns_of, select_row
from flowmend.store.repair_rows import (
    BegunItem,
    GroupRow,
    ItemKind,
    ItemMode,
    ItemState,
    LaneItem,
    PlanState,
    RepairItemRow,
    RepairPlanRow,
)
from flowmend.store.repair_tables import IS_UNDER_WAY, repair_items, repair_plans
from flowmend.store.schema import NOTHING
from flowmend.store.tables import runs

#: Bound values in one statement: SQLite takes 32,766.
_BLOCK = 1000
_UNBEGUN = (ItemState.PLANNED, ItemState.LEFT_OUT)
_STARTED = (PlanState.CANARY, PlanState.RUNNING, PlanState.PAUSED)
_SETTLED = (ItemState.BEGUN, ItemState.SUCCEEDED, ItemState.FAILED, ItemState.REFUSED)
#: What the items of a group have in common.
GROUPED = ("flow_id", "kind", "mode", "from_action", "flow_version", "reason")

items = repair_items.c


class RepairPlans:
    """Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- plans --

    def get(self, plan_id: str) -> RepairPlanRow | None:
        return self._database.first(_plans().where(repair_plans.c.plan_id == plan_id), RepairPlanRow)

    def list(self, limit: int = 50, cursor: str = "", incident_id: str = "") -> tuple[Sequence[RepairPlanRow], str]:
        """Plans, the newest first, and the cursor of the next page ("" at the end). incident_id: "" for all."""
        chosen = _plans()
        if incident_id:
            chosen = chosen.where(repair_plans.c.incident_id == incident_id)
        after = self.get(cursor) if cursor else None
        if after is not None:
            earlier = repair_plans.c.created_at < after.created_at
            same = (repair_plans.c.created_at == after.created_at) & (repair_plans.c.plan_id > after.plan_id)
            chosen = chosen.where(earlier | same)
        in_order = chosen.order_by(repair_plans.c.created_at.desc(), repair_plans.c.plan_id).limit(limit + 1)
        found = self._database.every(in_order, RepairPlanRow)
        return found[:limit], found[limit - 1].plan_id if len(found) > limit else ""

    def under_way(self) -> Sequence[RepairPlanRow]:
        """The plans that are neither done nor dismissed, the first made first."""
        chosen = _plans().where(IS_UNDER_WAY).order_by(repair_plans.c.created_at, repair_plans.c.plan_id)
        return self._database.every(chosen, RepairPlanRow)

    def of_incidents(self, incident_ids: Collection[str]) -> dict[str, RepairPlanRow]:
        """{incident id: its plan that was made last}, incidents without one left out."""
        chosen = _plans().where(repair_plans.c.incident_id != "", repair_plans.c.incident_id.in_(list(incident_ids)))
        in_order = chosen.order_by(repair_plans.c.created_at, repair_plans.c.plan_id.desc())
        return {plan.incident_id: plan for plan in self._database.every(in_order, RepairPlanRow)}

    def make(self, plan: RepairPlanRow, made: Sequence[RepairItemRow]) -> None:
        """Add a plan with its items."""
        with self._database.writing() as connection:
            connection.execute(insert(repair_plans), columns_of(plan))
            _insert(connection, made)

    def remake(
        self,
        plan: RepairPlanRow,
        made: Sequence[RepairItemRow],
        *,
        world: str,
        at: datetime,
        keeps_back_until: datetime | None,
    ) -> RepairPlanRow | None:
        """Replace what has not begun, under the next version; None where somebody was quicker or the plan goes on.

        made: their positions are counted on from those that have begun. What failed or could not begin gives way where it, or the
        run it became, is taken in again.
        """
        changed = {
            "version": plan.version + 1,
            "world": world,
            "changed_at": at,
            "keeps_back_until": keeps_back_until,
        }
        with self._database.writing() as connection:
            if not _change(connection, plan.plan_id, (PlanState.DRAFT, PlanState.STOPPED), plan.version, changed):
                return None
            connection.execute(delete(repair_items).where(items.plan_id == plan.plan_id, items.state.in_(_UNBEGUN)))
            settled = _without_superseded(connection, plan.plan_id, {one.subject for one in made})
            last = connection.execute(select(func.max(items.position)).where(items.plan_id == plan.plan_id)).scalar()
            left = [one for one in made if one.subject not in settled]
            _insert(connection, left, after=-1 if last is None else int(last))
        return self.get(plan.plan_id)

    def change(
        self, plan_id: str, states: Collection[PlanState], *, version: int | None = None, **changes: Any
    ) -> bool:
        """Set columns of a plan that is in one of these states, and of this version; False where it is not."""
        with self._database.writing() as connection:
            return _change(connection, plan_id, states, version, changes)

    def forget_ended(self, before: datetime) -> int:
        """Remove plans that ended before then, with their items; how many there were."""
        with self._database.writing() as connection:
            old = select(repair_plans.c.plan_id).where(repair_plans.c.ended_at < before)
            connection.execute(delete(repair_items).where(items.plan_id.in_(old)))
            return connection.execute(delete(repair_plans).where(repair_plans.c.ended_at < before)).rowcount

    # -- items as a whole --

    def groups(self, plan_id: str) -> Sequence[GroupRow]:
        """How many items are alike, the flow's first arrival first."""
        columns = [items[name] for name in GROUPED]
        chosen = (
            select(
                *columns,
                items.state,
                items.repeats,
                func.count().label("count"),
                func.min(items.position).label("first"),
            )
            .where(items.plan_id == plan_id)
            .group_by(*columns, items.state, items.repeats)
            .order_by(func.min(items.position))
        )
        return self._database.every(chosen, GroupRow)

    def counts(self, plan_id: str) -> dict[ItemState, int]:
        """{state: number of items}."""
        counted = select(items.state, func.count()).where(items.plan_id == plan_id).group_by(items.state)
        return dict(self._database.tuples(counted))

    def items(
        self,
        plan_id: str,
        *,
        after: int = -1,
        limit: int = 500,
        states: Collection[ItemState] = (),
        alike: Mapping[str, Any] | None = None,
    ) -> Sequence[RepairItemRow]:
        """Items in order of arrival from behind a position on. states: empty means all. alike: columns they have in common."""
        chosen = _items().where(items.plan_id == plan_id, items.position > after)
        for name, value in (alike or {}).items():
            chosen = chosen.where(items[name] == value)
        if states:
            chosen = chosen.where(items.state.in_(list(states)))
        return self._database.every(chosen.order_by(items.position).limit(limit), RepairItemRow)

    def at(self, plan_id: str, positions: Collection[int]) -> Sequence[RepairItemRow]:
        """The items at these positions, in order of arrival."""
        chosen = _items().where(items.plan_id == plan_id, items.position.in_(list(positions)))
        return self._database.every(chosen.order_by(items.position), RepairItemRow)

    def lanes(self, plan_id: str, limit: int | None = None) -> Sequence[LaneItem]:
        """What is planned, in order of arrival, with what the choice of the first ones needs alone. limit: None for all."""
        columns = [items[name] for name in LaneItem.__struct_fields__]
        chosen = select(*columns).where(items.plan_id == plan_id, items.state == ItemState.PLANNED)
        return self._database.every(chosen.order_by(items.position).limit(limit), LaneItem)

    def unbegun(self, plan_id: str, kind: ItemKind) -> Sequence[str]:
        """The subjects of this kind that have not begun, those left out too."""
        chosen = select(items.subject).where(items.plan_id == plan_id, items.kind == kind, items.state.in_(_UNBEGUN))
        return [name for (name,) in self._database.tuples(chosen.order_by(items.position))]

    def chosen_modes(self, plan_id: str) -> dict[str, ItemMode]:
        """{run that has not begun: how somebody chose to do it}: RESUBMIT on purpose, RESUME with another definition than its own."""
        resubmit = (items.mode == ItemMode.RESUBMIT) & (items.reason == NOTHING)
        resume = (items.mode == ItemMode.RESUME) & (items.flow_version != runs.c.version)
        joined = repair_items.join(runs, runs.c.run_name == items.subject)
        chosen = select(items.subject, items.mode).select_from(joined)
        return dict(
            self._database.tuples(
                chosen.where(items.plan_id == plan_id, items.state.in_(_UNBEGUN), or_(resubmit, resume))
            )
        )

    def has_mode(self, plan_id: str, mode: ItemMode) -> bool:
        """Whether something is done this way."""
        chosen = select(items.position).where(items.plan_id == plan_id, items.mode == mode).limit(1)
        return self._database.value(chosen) is not None

    def canaries(self, plan_id: str) -> Sequence[RepairItemRow]:
        """Those that go first, in order of arrival."""
        chosen = _items().where(items.plan_id == plan_id, items.is_canary).order_by(items.position)
        return self._database.every(chosen, RepairItemRow)

    def recent(self, plan_id: str, limit: int) -> Sequence[RepairItemRow]:
        """What began last, the latest first."""
        found: list[RepairItemRow] = []
        for state in _SETTLED:  # an index leads to the last of each; those still planned are not read
            chosen = _items().where(items.plan_id == plan_id, items.state == state)
            found += self._database.every(chosen.order_by(items.position.desc()).limit(limit), RepairItemRow)
        found.sort(key=lambda one: (one.begun_at or one.ended_at or one.arrived_at, one.position), reverse=True)
        return found[:limit]

    def start(
        self,
        plan: RepairPlanRow,
        left_out: Collection[Mapping[str, Any]] | None,
        first: Callable[[Sequence[LaneItem]], Collection[int]],
        **changes: Any,
    ) -> bool:
        """Begin a draft, or a stopped plan again, as it was seen; False where somebody was quicker or changed it.

        left_out: groups, each by its columns; every other that can be done is planned. None leaves all as it is. first: chooses
        the positions of those that go first. Errors: Conflict `PlanCannotStart` where nothing is planned.
        """
        with self._database.writing() as connection:
            changed = {**changes, "state": PlanState.RUNNING}
            if not _change(connection, plan.plan_id, (PlanState.DRAFT, PlanState.STOPPED), plan.version, changed):
                return False
            of_plan = update(repair_items).where(items.plan_id == plan.plan_id)
            if left_out is not None:
                _leave_out(connection, plan.plan_id, left_out)
            columns = [items[name] for name in LaneItem.__struct_fields__]
            planned = select(*columns).where(items.plan_id == plan.plan_id, items.state == ItemState.PLANNED)
            found = connection.execute(planned.order_by(items.position)).mappings()
            line = [LaneItem(**one) for one in found]
            if not line:
                raise Conflict("Nothing of this plan is chosen.", code="PlanCannotStart", target=plan.plan_id)
            connection.execute(of_plan.where(items.is_canary).values(is_canary=False))
            positions = list(first(line))
            if positions:
                connection.execute(of_plan.where(items.position.in_(positions)).values(is_canary=True))
                _change(connection, plan.plan_id, (PlanState.RUNNING,), None, {"state": PlanState.CANARY})
            return True

    def choose(self, plan: RepairPlanRow, left_out: Collection[Mapping[str, Any]], *, at: datetime) -> bool:
        """Leave out these groups and no others, under the next version; False as for `remake`."""
        changes = {"version": plan.version + 1, "changed_at": at}
        with self._database.writing() as connection:
            if not _change(connection, plan.plan_id, (PlanState.DRAFT, PlanState.STOPPED), plan.version, changes):
                return False
            _leave_out(connection, plan.plan_id, left_out)
            return True

    def outline(self, plan_id: str) -> Sequence[tuple[str, ...]]:
        """What is to be done, in order of arrival: equal where nobody has to look at it again."""
        columns = (items.subject, items.mode, items.from_action, items.flow_version)
        chosen = select(*columns).where(items.plan_id == plan_id, items.state == ItemState.PLANNED)
        chosen = chosen.order_by(items.position)
        return [tuple(str(value) for value in one) for one in self._database.tuples(chosen)]

    def of_group(self, plan_id: str, group: Mapping[str, Any]) -> Sequence[RepairItemRow]:
        """The items of a group that have not begun, in order of arrival."""
        chosen = _items().where(items.plan_id == plan_id, *_in_group(group), items.state.in_(_UNBEGUN))
        return self._database.every(chosen.order_by(items.position), RepairItemRow)

    def replace(self, plan_id: str, version: int, changed: Sequence[RepairItemRow], *, at: datetime) -> bool:
        """Put these in place of the same positions, under the next version; False as for `remake`."""
        with self._database.writing() as connection:
            states = (PlanState.DRAFT, PlanState.STOPPED)
            if not _change(connection, plan_id, states, version, {"version": version + 1, "changed_at": at}):
                return False
            positions = [one.position for one in changed]
            for start in range(0, len(positions), _BLOCK):
                block = positions[start : start + _BLOCK]
                gone = delete(repair_items).where(items.plan_id == plan_id, items.position.in_(block))
                connection.execute(gone.where(items.state.in_(_UNBEGUN)))
            connection.execute(insert(repair_items), [columns_of(one) for one in changed])
            return True

    # -- one by one --

    def begun(self, plan_id: str) -> Sequence[BegunItem]:
        """What has begun and is not noted as ended, with what became of its run: "" where there is none (any more)."""
        columns = [
            items[name] for name in ("position", "kind", "mode", "new_run", "flow_id", "business_key", "is_canary")
        ]
        status, code, ended_at = (
            func.coalesce(runs.c.status, "").label("status"),
            func.coalesce(runs.c.code, "").label("code"),
            runs.c.ended_at,
        )
        chosen = select(
            *columns, status, code, ended_at, runs.c.wake_at, func.coalesce(runs.c.error_code, "").label("error_code")
        )
        chosen = chosen.select_from(repair_items.outerjoin(runs, runs.c.run_name == items.new_run))
        chosen = chosen.where(items.plan_id == plan_id, items.state == ItemState.BEGUN)
        return self._database.every(chosen.order_by(items.position), BegunItem)

    def new_runs(self, plan_id: str, state: ItemState) -> Sequence[str]:
        """The runs that items of this state became."""
        chosen = select(items.new_run).where(items.plan_id == plan_id, items.state == state, items.new_run != "")
        return [name for (name,) in self._database.tuples(chosen.order_by(items.position))]

    def taken(self, subjects: Sequence[str], *, besides: Collection[str] = ()) -> dict[str, str]:
        """{subject: the plan that has begun it or is to}; drafts and stopped plans do not count, as both look again before they
        start. besides: plans that do not count either.
        """
        is_meant = items.state.in_((ItemState.PLANNED, ItemState.BEGUN))
        joined = repair_items.join(repair_plans, repair_plans.c.plan_id == items.plan_id)
        chosen = (
            select(items.subject, items.plan_id).select_from(joined).where(repair_plans.c.state.in_(_STARTED), is_meant)
        )
        if besides:
            chosen = chosen.where(items.plan_id.not_in(list(besides)))
        found: dict[str, str] = {}
        for start in range(0, len(subjects), _BLOCK):
            block = chosen.where(items.subject.in_(list(subjects[start : start + _BLOCK])))
            found |= dict(self._database.tuples(block))
        return found

    def plans_of_runs(self, new_runs: Sequence[str]) -> dict[str, str]:
        """{run: the plan that began it}. new_runs: a page of a list."""
        chosen = select(items.new_run, items.plan_id).where(items.new_run.in_(list(new_runs)), items.new_run != NOTHING)
        return dict(self._database.tuples(chosen))

    def flows_of(self, plan_id: str) -> Sequence[str]:
        """The flows of a plan, those left out altogether too."""
        return [
            one for (one,) in self._database.tuples(select(items.flow_id).where(items.plan_id == plan_id).distinct())
        ]


def _plans() -> Any:
    return select_row(repair_plans, RepairPlanRow)


def _items() -> Any:
    return select_row(repair_items, RepairItemRow)


def _in_group(group: Mapping[str, Any]) -> Sequence[ColumnElement[bool]]:
    return [items[name] == group[name] for name in GROUPED]


def _insert(connection: Connection, made: Sequence[RepairItemRow], after: int = -1) -> None:
    rows = [columns_of(one) | {"position": after + 1 + place} for place, one in enumerate(made)]
    if rows:
        connection.execute(insert(repair_items), rows)


def _without_superseded(connection: Connection, plan_id: str, subjects: Collection[str]) -> set[str]:
    """Remove what failed and is among these again; the subjects of what has begun and stays."""
    begun = connection.execute(
        select(items.position, items.subject, items.new_run, items.state).where(items.plan_id == plan_id)
    ).all()
    again = {
        one.position
        for one in begun
        if one.state in (ItemState.FAILED, ItemState.REFUSED) and (one.subject in subjects or one.new_run in subjects)
    }
    positions = sorted(again)
    for start in range(0, len(positions), _BLOCK):
        block = items.position.in_(positions[start : start + _BLOCK])
        connection.execute(delete(repair_items).where(items.plan_id == plan_id, block))
    return {one.subject for one in begun if one.position not in again}


def _leave_out(connection: Connection, plan_id: str, groups: Collection[Mapping[str, Any]]) -> None:
    of_plan = update(repair_items).where(items.plan_id == plan_id)
    can_be_done = items.mode != ItemMode.NONE
    connection.execute(of_plan.where(items.state == ItemState.LEFT_OUT, can_be_done).values(state=ItemState.PLANNED))
    for group in groups:
        of_group = of_plan.where(*_in_group(group), items.state == ItemState.PLANNED)
        connection.execute(of_group.values(state=ItemState.LEFT_OUT))


def _change(
    connection: Connection, plan_id: str, states: Collection[PlanState], version: int | None, changes: Mapping[str, Any]
) -> bool:
    changed = update(repair_plans).where(repair_plans.c.plan_id == plan_id, repair_plans.c.state.in_(list(states)))
    if version is not None:
        changed = changed.where(repair_plans.c.version == version)
    return connection.execute(changed.values(**changes)).rowcount > 0
