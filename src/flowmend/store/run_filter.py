"""Which runs a list shows."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import ColumnElement, Select, and_, false, or_, select

from flowmend.core.outcome import Status
from flowmend.store.blast_radius import Window, failed_in
from flowmend.store.tables import (
    ENDED_BADLY,
    HAS_CONNECTION,
    HAS_ENDED_BADLY,
    HAS_ORIGIN,
    HAS_OWN_TRACKING_ID,
    IS_UNFINISHED,
    UNFINISHED,
    runs,
    tracked_values,
)
from flowmend.store.tracked_values import findable_name, findable_value

IN_DOUBT = "ActionInDoubt"


class RunFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a run must meet to be listed; a part left empty asks for nothing.

    connection_id: of the failure. tracked_name with tracked_value, or tracked_value alone under any name.
    started_from: inclusive; started_to: exclusive. text: found anywhere in name, tracking id, error or a tracked
    value, letter case ignored. in_doubt: waits for its owner to say what became of a call. failed_in: failed for a
    connection in one of these times; None asks for nothing.
    """

    flow_id: str = ""
    statuses: Sequence[str] = ()
    code: str = ""
    connection_id: str = ""
    diagnosis_category: str = ""
    origin_run: str = ""
    client_tracking_id: str = ""
    tracked_name: str = ""
    tracked_value: str = ""
    started_from: datetime | None = None
    started_to: datetime | None = None
    text: str = ""
    in_doubt: bool = False
    failed_in: Sequence[Window] | None = None


def matching(wanted: RunFilter) -> Sequence[ColumnElement[bool]]:
    """The filter as conditions on `runs`, to be joined by AND."""
    conditions = [
        column == str(value)
        for column, value in (
            (runs.c.flow_id, wanted.flow_id),
            (runs.c.code, wanted.code),
            (runs.c.diagnosis_category, wanted.diagnosis_category),
        )
        if value
    ]
    # Some indexes hold only some runs; the query must say that it asks for none but these to use them.
    if wanted.statuses:
        statuses = {str(status) for status in wanted.statuses}
        conditions.append(runs.c.status.in_(sorted(statuses)))
        if statuses <= UNFINISHED:
            conditions.append(IS_UNFINISHED)
        if statuses <= ENDED_BADLY:
            conditions.append(HAS_ENDED_BADLY)
    if wanted.connection_id:
        conditions.append(and_(runs.c.connection_id == wanted.connection_id, HAS_CONNECTION))
    if wanted.origin_run:
        conditions.append(and_(runs.c.origin_run == wanted.origin_run, HAS_ORIGIN))
    if wanted.client_tracking_id:
        own = and_(runs.c.client_tracking_id == wanted.client_tracking_id, HAS_OWN_TRACKING_ID)
        same = and_(runs.c.run_name == wanted.client_tracking_id, runs.c.client_tracking_id == runs.c.run_name)
        conditions.append(or_(own, same))
    if wanted.tracked_name or wanted.tracked_value:
        conditions.append(runs.c.run_name.in_(_tracking(wanted.tracked_name, wanted.tracked_value)))
    if wanted.started_from is not None:
        conditions.append(runs.c.started_at >= wanted.started_from)
    if wanted.started_to is not None:
        conditions.append(runs.c.started_at < wanted.started_to)
    if wanted.text:
        searched = (runs.c.run_name, runs.c.client_tracking_id, runs.c.error_code, runs.c.error_message)
        found = [column.icontains(wanted.text, autoescape=True) for column in searched]
        conditions.append(or_(*found, runs.c.run_name.in_(_telling(wanted.text))))
    if wanted.in_doubt:
        conditions.append(and_(runs.c.status == Status.WAITING.value, runs.c.code == IN_DOUBT, IS_UNFINISHED))
    if wanted.failed_in is not None:
        failed = [and_(*failed_in(window)) for window in wanted.failed_in]
        conditions.append(and_(HAS_ENDED_BADLY, or_(false(), *failed)))
    return conditions


def _telling(text: str) -> Select[tuple[str]]:
    return select(tracked_values.c.run_name).where(tracked_values.c.value.icontains(text, autoescape=True))


def _tracking(name: str, value: str) -> Select[tuple[str]]:
    found = select(tracked_values.c.run_name)
    if name:
        found = found.where(tracked_values.c.name == findable_name(name))
    if value:
        found = found.where(tracked_values.c.value == findable_value(value))
    return found
