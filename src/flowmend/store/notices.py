"""What people are told, each thing once: a unique index of kind and subject decides between processes."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, exists, func, insert, or_, select, update

from flowmend.core.errors import Conflict
from flowmend.store.connection_tables import IS_OPEN, incidents
from flowmend.store.database import Database, columns_of, select_row
from flowmend.store.incident_rows import IncidentRow, IncidentState
from flowmend.store.notice_rows import DeliveryRow, NoticeKind, NoticeRow
from flowmend.store.notice_tables import deliveries, notices
from flowmend.store.repair_rows import PlanState, RepairPlanRow
from flowmend.store.repair_tables import repair_plans

_TOLD = and_(notices.c.kind == NoticeKind.BROKEN, notices.c.subject == incidents.c.incident_id)


class UntoldPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A repair plan that ended or stopped, which nobody was told. subject: of its notice."""

    plan: RepairPlanRow
    subject: str


class Notices:
    """Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, row: NoticeRow, route_ids: Iterable[str]) -> bool:
        """Keep a notice and what is to be sent of it, in one transaction; False where it was noted before."""
        sent = [DeliveryRow(notice_id=row.notice_id, route_id=route_id, next_at=row.at) for route_id in route_ids]
        try:
            with self._database.writing() as connection:
                connection.execute(insert(notices), columns_of(row))
                if sent:
                    connection.execute(insert(deliveries), [columns_of(one) for one in sent])
        except Conflict:
            return False
        return True

    def get(self, notice_id: str) -> NoticeRow | None:
        return self._database.first(select_row(notices, NoticeRow).where(notices.c.notice_id == notice_id), NoticeRow)

    def of_subject(self, kind: NoticeKind, subject: str) -> NoticeRow | None:
        chosen = select_row(notices, NoticeRow).where(notices.c.kind == kind, notices.c.subject == subject)
        return self._database.first(chosen, NoticeRow)

    def breaks_of(self, incident_id: str) -> Sequence[NoticeRow]:
        """What was told while an incident was open, the first told first."""
        return self._database.every(
            select_row(notices, NoticeRow).where(_of_break(incident_id)).order_by(notices.c.at, notices.c.notice_id),
            NoticeRow,
        )

    def latest(self, kind: NoticeKind) -> NoticeRow | None:
        chosen = select_row(notices, NoticeRow).where(notices.c.kind == kind)
        return self._database.first(chosen.order_by(notices.c.at.desc()).limit(1), NoticeRow)

    def list(self, *, limit: int = 50, cursor: str = "") -> tuple[Sequence[NoticeRow], str]:
        """The latest first, and the cursor of the next page ("" at the end)."""
        chosen = select_row(notices, NoticeRow)
        last = self.get(cursor) if cursor else None
        if last is not None:
            same = and_(notices.c.at == last.at, notices.c.notice_id < last.notice_id)
            chosen = chosen.where(or_(notices.c.at < last.at, same))
        latest = notices.c.at.desc(), notices.c.notice_id.desc()
        found = self._database.every(chosen.order_by(*latest).limit(limit + 1), NoticeRow)
        return found[:limit], found[limit - 1].notice_id if len(found) > limit else ""

    def count_unread(self) -> int:
        unread = select(func.count()).select_from(notices).where(notices.c.read_at.is_(None))
        return int(self._database.value(unread) or 0)

    def count_since(self, kind: NoticeKind, since: datetime) -> int:
        """How many of a kind were noted since then."""
        chosen = select(func.count()).where(notices.c.kind == kind, notices.c.at > since)
        return int(self._database.value(chosen) or 0)

    def first_since(self, kind: NoticeKind, since: datetime) -> datetime | None:
        """When the first of a kind was noted since then."""
        chosen = select_row(notices, NoticeRow).where(notices.c.kind == kind, notices.c.at > since)
        found = self._database.first(chosen.order_by(notices.c.at).limit(1), NoticeRow)
        return None if found is None else found.at

    def mark_read(self, at: datetime, notice_id: str = "") -> int:
        """One, or all that are there; how many had not been read."""
        unread = notices.c.read_at.is_(None) & (notices.c.at <= at)
        if notice_id:
            unread &= notices.c.notice_id == notice_id
        return self._database.changed(notices, unread, {"read_at": at})

    # -- incidents and plans nobody was told of --

    def untold_breaks(self) -> Sequence[IncidentRow]:
        """Open incidents without a notice, the first opened first."""
        chosen = select_row(incidents, IncidentRow).where(IS_OPEN, ~exists().where(_TOLD))
        return self._database.every(chosen.order_by(incidents.c.opened_at), IncidentRow)

    def open_breaks(self) -> Sequence[NoticeRow]:
        """The notices of incidents that are still open."""
        chosen = select_row(notices, NoticeRow).join(incidents, _TOLD).where(IS_OPEN)
        return self._database.every(chosen, NoticeRow)

    def untold_mends(self) -> Sequence[IncidentRow]:
        """Closed incidents whose break was told and whose end was not, the first closed first."""
        end = notices.alias()
        told = exists().where(end.c.kind == NoticeKind.MENDED, end.c.subject == incidents.c.incident_id)
        chosen = select_row(incidents, IncidentRow).join(notices, _TOLD)
        chosen = chosen.where(incidents.c.state == IncidentState.CLOSED, ~told)
        return self._database.every(chosen.order_by(incidents.c.closed_at), IncidentRow)

    def take_over(self, incident_id: str) -> bool:
        """What was told of an incident that turned out to be part of this one was told of this one.

        False where nothing was, or something was told of this one itself.
        """
        with self._database.writing() as connection:
            if connection.execute(select(notices.c.notice_id).where(_of_break(incident_id))).first() is not None:
                return False
            for part in _parts_of(connection, incident_id):
                was_told = False
                for notice_id, subject in connection.execute(
                    select(notices.c.notice_id, notices.c.subject).where(_of_break(part))
                ).all():
                    of_it = notices.c.notice_id == notice_id
                    connection.execute(update(notices).where(of_it).values(subject=incident_id + subject[len(part) :]))
                    was_told = True
                if was_told:
                    return True
        return False

    def untold_plans(self, since: datetime) -> Sequence[UntoldPlan]:
        """Plans changed since then that are done or stopped by themselves, once for each time they were started."""
        plans = repair_plans.c
        stopped = and_(plans.state == PlanState.STOPPED, plans.stop_code != "")
        chosen = select_row(repair_plans, RepairPlanRow).where(
            or_(plans.state == PlanState.DONE, stopped), plans.started_at.is_not(None), plans.changed_at > since
        )
        found = [
            UntoldPlan(plan=plan, subject=f"{plan.plan_id}/{plan.started_at}/{plan.state}")
            for plan in self._database.every(chosen.order_by(plans.changed_at), RepairPlanRow)
        ]
        subjects = [one.subject for one in found]
        known = select(notices.c.subject).where(notices.c.kind == NoticeKind.REPAIRED, notices.c.subject.in_(subjects))
        told = {subject for (subject,) in self._database.tuples(known)} if subjects else set()
        return [one for one in found if one.subject not in told]


def _of_break(incident_id: str) -> ColumnElement[bool]:
    escalated = notices.c.subject.startswith(f"{incident_id}/", autoescape=True)
    return or_(
        and_(notices.c.kind == NoticeKind.BROKEN, notices.c.subject == incident_id),
        and_(notices.c.kind == NoticeKind.ESCALATED, escalated),
    )


def _parts_of(connection: Connection, incident_id: str) -> list[str]:
    """The incidents that became part of this one, also by way of others."""
    found, among = [incident_id], [incident_id]
    while among:
        chosen = select(incidents.c.incident_id).where(incidents.c.merged_into.in_(among))
        among = [one for (one,) in connection.execute(chosen) if one not in found]
        found += among
    return found[1:]
