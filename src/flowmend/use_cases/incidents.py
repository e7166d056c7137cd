"""Incidents as people see them: what broke, since when, what it did, who can end it, and what was tried."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flowmend.core.connection.incident import SourceKind
from flowmend.core.connector import SignInKind
from flowmend.core.errors import NotFound
from flowmend.core.outcome import FixableBy
from flowmend.store.blast_radius import AffectedRun, Window
from flowmend.store.incident_rows import IncidentMember, IncidentRow, IncidentState
from flowmend.store.repair_rows import RepairPlanRow
from flowmend.store.rows import AuditRow, RunRow, SignInAppRow
from flowmend.use_cases.business_keys import BUSINESS_KEY
from flowmend.use_cases.ports import Services
from flowmend.use_cases.secret_uses import Purpose
from flowmend.use_cases.unreadable import CANNOT_BE_READ

_MOST_KEYS = 20
_MOST_RUNS = 10
#: Of how many failed runs business keys are read; of more the count says "at least".
_MOST_ASKED = 1200
_MOST_AUDITED = 20
_ENDS = {
    SignInKind.BASIC: "entering the current password",
    SignInKind.API_KEY: "entering the key that is valid now",
    SignInKind.CLIENT_CERTIFICATE: "giving the certificate that is valid now",
    SignInKind.OAUTH2: "signing in again",
}
_ENDS_SOMEHOW = "verifying the connection"
_NO_ATTEMPT = frozenset({"create_connection"})


@dataclass(frozen=True, slots=True, kw_only=True)
class WhoCanFix:
    """fixable_by: the kind of person. name, person_id: of the connection's or sign-in app's owner.

    service: where an administrator or whoever grants permission sits. account: who was refused, "" where not known. sign_in: as
    of the incident.
    """

    fixable_by: FixableBy
    name: str
    person_id: str
    service: str
    account: str
    sign_in: str = ""

    @property
    def sentence(self) -> str:
        """In English."""
        account = self.account or "this account"
        match self.fixable_by:
            case FixableBy.REVERIFY | FixableBy.RECONSENT:
                how = next((words for kind, words in _ENDS.items() if kind == self.sign_in), _ENDS_SOMEHOW)
                return f"{self.name or 'The owner of the connection'} can end it by {how}."
            case FixableBy.GRANT_PERMISSION:
                return f"Somebody at {self.service} who grants {account} permission."
            case FixableBy.ADMIN:
                return f"An administrator of {self.service}."
            case FixableBy.WAIT:
                return "Nobody: it passes by itself."
            case FixableBy.NONE:
                return "Whoever edits the flow."


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentSummary:
    """An incident with its numbers. name: of the connection, account or sign-in app. flows: {id: name} that use it.

    failed_runs: since the first bad call. held_events, held_runs: that wait now. sign_in: how the first connection to
    mend signs in, "" where its connector does not read. app: the sign-in app that broke. plan: its repair plan made last.
    """

    row: IncidentRow
    name: str
    service: str
    connector_id: str
    members: tuple[IncidentMember, ...]
    who: WhoCanFix
    flows: Mapping[str, str]
    failed_by_flow: Mapping[str, int]
    held_events: int
    held_runs: int
    sign_in: str
    app: SignInAppRow | None
    plan: RepairPlanRow | None = None

    @property
    def failed_runs(self) -> int:
        return sum(self.failed_by_flow.values())

    @property
    def is_open(self) -> bool:
        return self.row.state is IncidentState.OPEN

    @property
    def waiting(self) -> tuple[IncidentMember, ...]:
        """The connections still to be mended."""
        return tuple(one for one in self.members if one.mended_at is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentList:
    """A page of incidents, open ones first. next_cursor: "" on the last page."""

    incidents: tuple[IncidentSummary, ...]
    next_cursor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """Something somebody did to mend a connection. code: what the service answered, where it was asked.

    by_link: it was whoever held a repair link, of whom nothing is known; `person` is "" then.
    """

    at: datetime
    person: str
    verb: str
    connection: str
    code: str
    by_link: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentView:
    """One incident with everything its page shows.

    runs: that failed last. headlines: {run name: what people call it}. keys: business keys of failed runs, or what else they
    track, the last failed first. keys_count: how many there are, or, where `keys_are_all` is False, at least. closed_by: a name, or
    `proof`. not_put_right: failed runs that no later attempt goes on with or did well.
    """

    summary: IncidentSummary
    runs: tuple[AffectedRun, ...]
    headlines: Mapping[str, str]
    keys: tuple[str, ...]
    keys_count: int
    keys_are_all: bool
    tried: tuple[Tried, ...]
    closed_by: str
    not_put_right: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What incidents of one page share. using: {connection id: {flow id: name}}; held: {flow id: events}; others: by id."""

    apps: Mapping[str, SignInAppRow | None]
    using: Mapping[str, Mapping[str, str]]
    held: Mapping[str, int]
    people: Mapping[str, str]
    plans: Mapping[str, RepairPlanRow]


async def list_incidents(
    services: Services, *, state: str = "", connection_id: str = "", limit: int = 50, cursor: str = ""
) -> IncidentList:
    """Incidents, open ones first, then the latest. state: `open`, `closed` or "" for both."""
    store = services.store.incidents
    rows, next_cursor = store.list(state=state, connection_id=connection_id, limit=limit, cursor=cursor)
    return IncidentList(incidents=_summaries(services, rows), next_cursor=next_cursor)


async def read_incident(services: Services, incident_id: str) -> IncidentView:
    """One incident; of a merged one the one it was part of. Errors: NotFound."""
    row = _unmerged(services, incident_id)
    (summary,) = _summaries(services, [row])
    windows = _windows(summary.members)
    radius = services.store.blast_radius
    runs = radius.newest_failed(windows, _MOST_RUNS)
    among = max(_MOST_KEYS, _MOST_ASKED // max(1, len(windows)))
    keys = radius.tracked(windows, BUSINESS_KEY, among) or radius.tracked(windows, "", among)
    tracked = services.store.tracked_values.of_runs([run.run_name for run in runs])
    people = _people(services)
    return IncidentView(
        summary=summary,
        runs=tuple(runs),
        headlines={name: values[0].value for name, values in tracked.items()},
        keys=tuple(keys[:_MOST_KEYS]),
        keys_count=len(keys),
        keys_are_all=summary.failed_runs <= among,
        tried=_tried(services, summary, people),
        closed_by=people.get(row.closed_by, row.closed_by),
        not_put_right=services.store.repair_subjects.count_not_put_right(windows),
    )


def summaries_of(services: Services, incident_ids: Iterable[str]) -> tuple[IncidentSummary, ...]:
    """These incidents with their numbers, unknown ones left out."""
    rows = [services.store.incidents.get(incident_id) for incident_id in incident_ids]
    return _summaries(services, [row for row in rows if row is not None])


def incident_names(services: Services, incident_ids: Iterable[str]) -> dict[str, str]:
    """{incident id: what broke}, of a merged one what the whole is called; unknown ones left out."""
    asked = {one: _unmerged(services, one) for one in incident_ids if services.store.incidents.get(one) is not None}
    first: dict[str, IncidentMember] = {}
    for member in services.store.incidents.members_of({row.incident_id for row in asked.values()}):
        if member.health is not None:
            first.setdefault(member.incident_id, member)
    apps = {
        row.source_id: services.store.connections.get_sign_in_app(row.source_id)
        for row in asked.values()
        if row.source_kind is SourceKind.SIGN_IN_APP
    }
    return {one: _name(row, first.get(row.incident_id), apps.get(row.source_id)) for one, row in asked.items()}


async def read_incident_summary(services: Services, incident_id: str) -> IncidentSummary:
    """One incident with its numbers; of a merged one the one it was part of. Errors: NotFound."""
    (summary,) = _summaries(services, [_unmerged(services, incident_id)])
    return summary


def windows_of(services: Services, incident_id: str) -> tuple[Window, ...]:
    """When each connection of an incident was broken, for a list of the runs it failed. Errors: NotFound."""
    row = _unmerged(services, incident_id)
    return tuple(_windows(services.store.incidents.members_of([row.incident_id])))


def open_incidents(services: Services, connection_ids: Iterable[str]) -> dict[str, str]:
    """{connection id: the open incident that waits for it}, the others left out."""
    return services.store.incidents.open_of(connection_ids)


def incident_of_run(services: Services, run: RunRow) -> str:
    """The incident that failed a run; "" where none did."""
    if not run.connection_id:
        return ""
    ended_at = run.ended_at or services.clock.now
    return services.store.incidents.of_failure(run.connection_id, run.started_at, ended_at)


def _unmerged(services: Services, incident_id: str) -> IncidentRow:
    seen: set[str] = set()
    row = services.store.incidents.get(incident_id)
    while row is not None and row.merged_into and row.incident_id not in seen:
        seen.add(row.incident_id)
        row = services.store.incidents.get(row.merged_into)
    if row is None:
        raise NotFound(f"There is no incident {incident_id}.", code="IncidentNotFound", target=incident_id)
    return row


def _summaries(services: Services, rows: Sequence[IncidentRow]) -> tuple[IncidentSummary, ...]:
    members: dict[str, list[IncidentMember]] = {row.incident_id: [] for row in rows}
    for member in services.store.incidents.members_of(members):
        members[member.incident_id].append(member)
    ids = sorted({one.connection_id for group in members.values() for one in group})
    broken_apps = {row.source_id for row in rows if row.source_kind is SourceKind.SIGN_IN_APP}
    known = _Known(
        apps={app_id: services.store.connections.get_sign_in_app(app_id) for app_id in broken_apps},
        using=services.store.blast_radius.flows_using(ids),
        held=services.store.trigger_events.held_of_each_flow(),
        people=_people(services),
        plans=services.store.repair_plans.of_incidents(members),
    )
    return tuple(_summary(services, row, tuple(members[row.incident_id]), known) for row in rows)


def _summary(
    services: Services, row: IncidentRow, members: tuple[IncidentMember, ...], known: _Known
) -> IncidentSummary:
    using = known.using
    waiting = [one.connection_id for one in members if one.mended_at is None]
    waits = {flow_id for one in waiting for flow_id in using.get(one, ())}
    known_now = [one for one in members if one.health is not None]
    first = next((one for one in known_now if one.mended_at is None), known_now[0] if known_now else None)
    connector_id = (first and first.connector_id) or ""
    service = _service(services, connector_id)
    app = known.apps.get(row.source_id)
    sign_in = _sign_in(services, first) if first is not None else ""
    owner_id = (app.owner_id if app is not None else "") or (first.owner_id if first else "") or ""
    return IncidentSummary(
        row=row,
        name=_name(row, first, app),
        service=service,
        connector_id=connector_id,
        members=members,
        who=WhoCanFix(
            fixable_by=FixableBy(row.fixable_by),
            name=known.people.get(owner_id, ""),
            person_id=owner_id,
            service=service,
            account=(first and first.account_name) or "",
            sign_in=sign_in,
        ),
        flows={flow_id: name for one in members for flow_id, name in using.get(one.connection_id, {}).items()},
        failed_by_flow=services.store.blast_radius.failed_by_flow(_windows(members)),
        held_events=sum(known.held.get(flow_id, 0) for flow_id in waits),
        held_runs=sum(services.store.blast_radius.held_by_connection(waiting).values()) if waiting else 0,
        sign_in=sign_in,
        app=app,
        plan=known.plans.get(row.incident_id),
    )


def _sign_in(services: Services, member: IncidentMember) -> str:
    """How a connection signs in; "" where its connector does not read, or it was deleted."""
    try:
        return services.connectors.get(member.connector_id or "").method_named(member.parameter_set or "").kind.value
    except CANNOT_BE_READ:
        return ""


def _service(services: Services, connector_id: str) -> str:
    """What its connector is called."""
    try:
        return services.connectors.row(connector_id).display_name
    except NotFound:
        return connector_id


def _name(row: IncidentRow, first: IncidentMember | None, app: SignInAppRow | None) -> str:
    if app is not None:
        return app.display_name or app.client_id
    if row.source_kind is SourceKind.ACCOUNT and first is not None:
        return first.account_name or row.source_id
    return (first and first.display_name) or row.source_id


def _windows(members: Iterable[IncidentMember]) -> list[Window]:
    return [Window(connection_id=one.connection_id, since=one.first_bad_at, until=one.mended_at) for one in members]


def _people(services: Services) -> dict[str, str]:
    return {one.person_id: one.name for one in services.store.access.people()}


def _tried(services: Services, summary: IncidentSummary, people: Mapping[str, str]) -> tuple[Tried, ...]:
    """What was done to the connections since they broke, the latest first."""
    tried = [
        _done(done, people, member.display_name or "")
        for member in summary.members[:_MOST_AUDITED]
        for done in services.store.audit.list(member.connection_id, limit=_MOST_AUDITED)[0]
        if done.verb not in _NO_ATTEMPT
        and done.at >= member.first_bad_at
        and (member.mended_at is None or done.at <= member.mended_at)
    ]
    return tuple(sorted(tried, key=lambda one: one.at, reverse=True))


def _done(done: AuditRow, people: Mapping[str, str], connection: str) -> Tried:
    details = done.details if isinstance(done.details, dict) else {}
    # The audit notes who vouches for the link; it was not they who did it.
    by_link = details.get("by") == Purpose.REPAIR_LINK
    return Tried(
        at=done.at,
        person="" if by_link else people.get(done.person_id, ""),
        verb=done.verb,
        connection=connection,
        code=str(details.get("code", "")),
        by_link=by_link,
    )
