"""Incidents: our own resource, snake_case. Nothing here holds a secret or what a run worked on, but its business key."""

from datetime import datetime

import msgspec

from flowmend.core.connection.incident import SourceKind
from flowmend.store.incident_rows import IncidentMember, IncidentState
from flowmend.store.repair_rows import PlanState
from flowmend.use_cases.incident_question import in_utc, question_about
from flowmend.use_cases.incidents import IncidentSummary, IncidentView, Tried


class IncidentSource(msgspec.Struct, frozen=True, kw_only=True):
    """What broke. id: of the connection or sign-in app; of an account `<sign-in app or connector>:<name>`."""

    kind: SourceKind
    id: str
    name: str
    service: str


class HealerShape(msgspec.Struct, frozen=True, kw_only=True):
    """Who can end it. kind: reverify, reconsent, grant_permission, admin, wait or none. name: the owner's."""

    kind: str
    name: str
    sentence: str


class IncidentPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The repair plan that was made last for it."""

    id: str
    state: PlanState


class IncidentShape(msgspec.Struct, frozen=True, kw_only=True):
    """One breakage of one credential source. failed_runs: since the first bad call; held_*: that wait now.

    bad_calls: calls refused or stopped because of it. category, remedy: of the diagnosis. code, message: as received,
    secrets removed. closed_by: `proof`, or who closed it.
    """

    id: str
    state: IncidentState
    source: IncidentSource
    category: str
    remedy: str
    code: str
    message: str
    who_can_fix: HealerShape
    last_good_at: datetime | None
    first_bad_at: datetime
    last_bad_at: datetime
    bad_calls: int
    opened_at: datetime
    closed_at: datetime | None
    closed_by: str
    connections: int
    flows: int
    failed_runs: int
    held_events: int
    held_runs: int
    repair_plan: IncidentPlan | None


class IncidentConnection(msgspec.Struct, frozen=True, kw_only=True):
    """A connection folded in. name, health: None where it was deleted."""

    id: str
    name: str | None
    health: str | None
    last_good_at: datetime | None
    first_bad_at: datetime
    mended_at: datetime | None
    bad_calls: int


class IncidentFlow(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    failed_runs: int


class IncidentRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that failed for it. headline: what people call it, "" where nothing was tracked."""

    name: str
    flow_id: str
    failed_action: str
    error_code: str
    started_at: datetime
    headline: str


class BusinessKeys(msgspec.Struct, frozen=True, kw_only=True):
    """What the failed runs are about, the last failed first. count: of all, or at least so many where not `is_complete`."""

    latest: list[str]
    count: int
    is_complete: bool


class IncidentAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """Something somebody did to mend a connection. code: what the service answered, "" where it was not asked.

    by_link: it was whoever held a repair link; `person` is "" then.
    """

    at: datetime
    person: str
    did: str
    connection: str
    code: str
    by_link: bool


class IncidentDetailShape(msgspec.Struct, frozen=True, kw_only=True):
    """An incident with its connections, what it broke, and what was tried.

    question: what to ask whoever can end it, in English; "" where the owner can, or it is over. not_put_right: failed runs that no
    later attempt goes on with or did well.
    """

    incident: IncidentShape
    not_put_right: int
    question: str
    connections: list[IncidentConnection]
    flows: list[IncidentFlow]
    latest_failed_runs: list[IncidentRun]
    business_keys: BusinessKeys
    tried: list[IncidentAttempt]


def incident_shape(summary: IncidentSummary) -> IncidentShape:
    row, who = summary.row, summary.who
    return IncidentShape(
        id=row.incident_id,
        state=row.state,
        source=IncidentSource(kind=row.source_kind, id=row.source_id, name=summary.name, service=summary.service),
        category=row.category,
        remedy=row.remedy,
        code=row.code,
        message=row.message,
        who_can_fix=HealerShape(kind=who.fixable_by.value, name=who.name, sentence=who.sentence),
        last_good_at=row.last_good_at,
        first_bad_at=row.first_bad_at,
        last_bad_at=row.last_bad_at,
        bad_calls=row.bad_calls,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        closed_by=row.closed_by,
        connections=len(summary.members),
        flows=len(summary.flows),
        failed_runs=summary.failed_runs,
        held_events=summary.held_events,
        held_runs=summary.held_runs,
        repair_plan=IncidentPlan(id=summary.plan.plan_id, state=summary.plan.state) if summary.plan else None,
    )


def incident_detail_shape(view: IncidentView) -> IncidentDetailShape:
    summary = view.summary
    return IncidentDetailShape(
        incident=msgspec.structs.replace(incident_shape(summary), closed_by=view.closed_by),
        not_put_right=view.not_put_right,
        question=question_about(summary, in_utc(summary.row.first_bad_at)) if summary.is_open else "",
        connections=[_connection(member) for member in summary.members],
        flows=[
            IncidentFlow(id=flow_id, name=name, failed_runs=summary.failed_by_flow.get(flow_id, 0))
            for flow_id, name in summary.flows.items()
        ],
        latest_failed_runs=[
            IncidentRun(
                name=run.run_name,
                flow_id=run.flow_id,
                failed_action=run.failed_action,
                error_code=run.error_code,
                started_at=run.started_at,
                headline=view.headlines.get(run.run_name, ""),
            )
            for run in view.runs
        ],
        business_keys=BusinessKeys(latest=list(view.keys), count=view.keys_count, is_complete=view.keys_are_all),
        tried=[_attempt(one) for one in view.tried],
    )


def _connection(member: IncidentMember) -> IncidentConnection:
    return IncidentConnection(
        id=member.connection_id,
        name=member.display_name,
        health=member.health.value if member.health is not None else None,
        last_good_at=member.last_good_at,
        first_bad_at=member.first_bad_at,
        mended_at=member.mended_at,
        bad_calls=member.bad_calls,
    )


def _attempt(one: Tried) -> IncidentAttempt:
    return IncidentAttempt(
        at=one.at, person=one.person, did=one.verb, connection=one.connection, code=one.code, by_link=one.by_link
    )
