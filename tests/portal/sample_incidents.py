"""Incidents as the use cases give them: one password, a sign-in app of twelve connections, one that was mended."""

from dataclasses import replace
from datetime import datetime, timedelta

from msgspec.structs import replace as with_columns

from flowmend.core.connection.health import HealthState
from flowmend.core.connection.incident import SourceKind
from flowmend.core.outcome import FixableBy
from flowmend.portal.incident_words import cure_of, question_for_administrator
from flowmend.portal.pages.home import OpenIncident
from flowmend.portal.pages.incident import IncidentPage
from flowmend.portal.pages.incidents import IncidentsPage
from flowmend.store.blast_radius import AffectedRun
from flowmend.store.incident_rows import IncidentMember, IncidentRow, IncidentState
from flowmend.store.repair_rows import PlanKind, PlanState, RepairPlanRow
from flowmend.store.rows import RunRow, SignInAppRow
from flowmend.use_cases.home_needs import Doubt, Fault, FaultKind, HomeNeeds, Undone
from flowmend.use_cases.incidents import IncidentSummary, IncidentView, Tried, WhoCanFix
from flowmend.use_cases.plan_view import PlanSummary

_FLOWS = {"intake": "Order intake to ERP", "status": "Order status to Teams", "check": "Order check, each 5 min"}


def password_incident(now: datetime) -> IncidentSummary:
    """A password that was changed at 02:31."""
    began = now - timedelta(hours=6, minutes=41)
    return IncidentSummary(
        row=IncidentRow(
            incident_id="i-password",
            source_kind=SourceKind.CONNECTION,
            source_id="contoso-orders",
            opened_at=began,
            last_good_at=began - timedelta(minutes=17),
            first_bad_at=began,
            last_bad_at=now - timedelta(minutes=2),
            bad_calls=143,
            category="wrong_password",
            fixable_by="reverify",
            remedy="verify_password",
            code="Unauthorized",
            message="Invalid user name or password.",
        ),
        name="Contoso Orders",
        service="Contoso Orders",
        connector_id="contoso_orders",
        members=(_member("contoso-orders", "Contoso Orders", "contoso_orders", began, 143),),
        who=WhoCanFix(
            fixable_by=FixableBy.REVERIFY,
            name="Mei Chen",
            person_id="mei",
            service="Contoso Orders",
            account="svc-orders@contoso.com",
            sign_in="basic",
        ),
        flows=_FLOWS,
        failed_by_flow={"intake": 96, "status": 41, "check": 6},
        held_events=300,
        held_runs=2,
        sign_in="basic",
        app=None,
    )


def app_incident(now: datetime) -> IncidentSummary:
    """A client secret that expired under twelve connections, three of them mended."""
    began = now - timedelta(hours=3)
    members = tuple(
        _member(f"sp-{number}", f"SharePoint, site {number + 1}", "sharepointonline", began, 2) for number in range(12)
    )
    mended = tuple(replace_mended(one, now) for one in members[:3])
    return IncidentSummary(
        row=IncidentRow(
            incident_id="i-app",
            source_kind=SourceKind.SIGN_IN_APP,
            source_id="app",
            opened_at=began,
            last_good_at=began - timedelta(minutes=4),
            first_bad_at=began,
            last_bad_at=now,
            bad_calls=24,
            category="client_secret_expired",
            fixable_by="admin",
            remedy="ask_admin",
            code="AADSTS7000222",
            message="The provided client secret keys for app '6f1c' are expired.",
        ),
        name="Contoso automation",
        service="SharePoint",
        connector_id="sharepointonline",
        members=(*mended, *members[3:]),
        who=WhoCanFix(fixable_by=FixableBy.ADMIN, name="Mei Chen", person_id="mei", service="SharePoint", account=""),
        flows={"archive": "Supplier invoices to archive"},
        failed_by_flow={"archive": 24},
        held_events=0,
        held_runs=0,
        sign_in="oauth2",
        app=SignInAppRow(app_id="app", connector_id="sharepointonline", client_id="6f1c-22", created_at=began),
    )


def mended_incident(now: datetime) -> IncidentSummary:
    one = password_incident(now)
    row_parts = {name: getattr(one.row, name) for name in one.row.__struct_fields__}
    closed = {"incident_id": "i-mended", "state": IncidentState.CLOSED, "closed_at": now, "closed_by": "proof"}
    row = IncidentRow(**row_parts | closed)
    members = tuple(replace_mended(member, now) for member in one.members)
    return replace(one, row=row, members=members, held_events=0, held_runs=0)


def replace_mended(member: IncidentMember, now: datetime) -> IncidentMember:
    parts = {name: getattr(member, name) for name in member.__struct_fields__}
    return IncidentMember(**parts | {"mended_at": now, "health": HealthState.CONNECTED})


def home_incidents(now: datetime) -> tuple[OpenIncident, ...]:
    """A password that its owner can give anew, and a permission that somebody else has to grant."""
    return opened(password_incident(now), now), opened(permission_incident(now), now)


def opened(one: IncidentSummary, now: datetime, since: str = "02:31") -> OpenIncident:
    question = question_for_administrator(one, lambda text: text, since)
    told = (now - timedelta(hours=6), ("mail",))
    return OpenIncident(summary=one, cure=cure_of(one, then_plan=True), question=question, told=told)


def permission_incident(now: datetime) -> IncidentSummary:
    """A mailbox that an account may not read."""
    one = password_incident(now)
    columns = {"incident_id": "i-permission", "category": "insufficient_permission", "fixable_by": "grant_permission", "remedy": "ask_for_permission", "code": "Forbidden", "message": "Access is denied."}  # fmt: skip
    who = replace(one.who, fixable_by=FixableBy.GRANT_PERMISSION, service="Orders mailbox")
    return replace(one, row=with_columns(one.row, **columns), name="Orders mailbox", who=who, held_events=0)


def home_needs(now: datetime, run: RunRow) -> HomeNeeds:
    """One of each: what a mended incident left, a plan that stopped, a call in doubt, faults of three kinds, a restore."""
    plan = RepairPlanRow(plan_id="p", kind=PlanKind.INCIDENT, incident_id="i-mended", state=PlanState.STOPPED, stop_code="NewAuthenticationFailure", created_by="mei", created_at=now, changed_at=now, started_at=now)  # fmt: skip
    going = with_columns(plan, plan_id="q", state=PlanState.RUNNING, stop_code="")
    fault = Fault(kind=FaultKind.FLOW, flow_id="intake", flow_name="Order intake to ERP", run=run, code="BadRequest", count=4)  # fmt: skip
    return HomeNeeds(
        undone=(Undone(incident=mended_incident(now), runs=143),),
        plans=(
            PlanSummary(row=plan, name="Contoso Orders", created_by="Mei Chen", done=181, total=442, failed=1),
            PlanSummary(row=going, name="", created_by="Mei Chen", done=5, total=9, failed=0),
        ),
        doubts=(Doubt(run=run, key=("Create_order_line", (2,))),),
        faults=(
            fault,
            replace(fault, kind=FaultKind.PASSING, flow_id="status", flow_name="Order status to Teams", code="BadGateway"),
            replace(fault, kind=FaultKind.PERMISSION, flow_id="check", code="Forbidden", service="Orders mailbox", account="svc-orders@contoso.com"),
        ),
        stands_still=7,
    )  # fmt: skip


NO_NEEDS = HomeNeeds(undone=(), plans=(), doubts=(), faults=(), stands_still=0)


def incidents_page(now: datetime, *, is_empty: bool = False, state: str = "") -> IncidentsPage:
    incidents = () if is_empty else (password_incident(now), app_incident(now), mended_incident(now))
    older = "" if is_empty else "/incidents?cursor=i"
    return IncidentsPage(
        incidents=incidents, state=state, connection=None, open_count=len(incidents) and 2, older=older
    )


def incident_page(one: IncidentSummary, *, since: str = "02:31") -> IncidentPage:
    runs = tuple(
        AffectedRun(
            run_name=f"0858{number}CU00",
            flow_id="intake",
            failed_action="Create_order",
            error_code="Unauthorized",
            started_at=one.row.first_bad_at + timedelta(minutes=number),
        )
        for number in range(6, 0, -1)
    )
    tried = Tried(
        at=one.row.last_bad_at, person="Mei Chen", verb="verify_refused", connection="Contoso Orders", code="401"
    )
    view = IncidentView(
        summary=one,
        runs=runs,
        headlines={run.run_name: f"Order 47{number:02}" for number, run in enumerate(runs)},
        keys=tuple(f"Order 47{number:02}" for number in range(20)),
        keys_count=137,
        keys_are_all=one.is_open,
        tried=(tried,),
        closed_by=one.row.closed_by,
    )
    return IncidentPage(view=view, opened=opened(one, one.row.last_bad_at, since), all_runs="/runs?incident=i-password")


def _member(connection_id: str, name: str, connector: str, began: datetime, calls: int) -> IncidentMember:
    return IncidentMember(
        incident_id="i",
        connection_id=connection_id,
        last_good_at=began - timedelta(minutes=17),
        first_bad_at=began,
        bad_calls=calls,
        mended_at=None,
        display_name=name,
        connector_id=connector,
        parameter_set="",
        account_name="svc-orders@contoso.com",
        owner_id="mei",
        health=HealthState.BROKEN,
    )
