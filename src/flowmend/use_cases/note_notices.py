"""Notes what people are told: a broken credential source once, its repair once, and the rest together.

Everything is found in the rows: which incidents and plans nobody was told of. So it does not matter who looks, how often,
or what was killed in between; the notice's unique subject decides.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from flowmend.store.notice_rows import ChannelKind, MessageRouteRow, NoticeKind, NoticeRow
from flowmend.store.rows import PersonRow
from flowmend.use_cases.incidents import IncidentSummary, summaries_of
from flowmend.use_cases.message_settings import (
    DigestEvery,
    last_digest_end,
    mail_way,
    message_settings,
    next_digest_end,
)
from flowmend.use_cases.notice_facts import (
    DigestFacts,
    Facts,
    FlowFailures,
    TrialFacts,
    as_json,
    incident_facts,
    plan_facts,
    short,
)
from flowmend.use_cases.ports import Services

#: The route out of the box.
OWNER_ROUTE = "owner"
#: Plans that ended longer ago are no news.
_PLANS_WITHIN = timedelta(days=7)
#: A digest reaches back over a time in which nobody looked, so far at most.
_DIGEST_BACK = timedelta(days=7)
_MOST_FLOWS = 10


def note_due(services: Services) -> datetime | None:
    """Note what is due; when to look again, None where no time is known. Errors: StoreUnavailable."""
    after = [_note_breaks(services), _note_escalations(services), _note_digest(services)]
    _note_mends(services)
    _note_plans(services)
    return min((at for at in after if at is not None), default=None)


def note_plan_ended(services: Services, plan_id: str) -> bool:
    """Tell that a repair plan is done or stopped by itself, where nobody was told; whether one was.

    Errors: StoreUnavailable.
    """
    return plan_id in _note_plans(services)


def note_trial(services: Services, route: MessageRouteRow, person: PersonRow) -> NoticeRow:
    """A test message to one route. Errors: StoreUnavailable."""
    now, notice_id = services.clock.now, str(services.clock.guid())
    notice = NoticeRow(
        notice_id=notice_id,
        kind=NoticeKind.TEST,
        subject=f"{route.route_id}/{notice_id}",
        owner_id=person.person_id,
        facts=as_json(TrialFacts(person=short(person.name))),
        at=now,
        read_at=now,  # whoever asked for it knows of it
    )
    services.store.notices.note(notice, [route.route_id])
    services.changes.publish("notice", notice_id=notice_id, kind=notice.kind.value)
    return notice


def address_of(services: Services, route: MessageRouteRow) -> str:
    """Where the route leads now; "" of the owner's, where no address is known."""
    if route.address or route.channel is not ChannelKind.MAIL:
        return route.address
    people = services.store.access.people()
    return people[0].email if people else ""


def _note_breaks(services: Services) -> datetime | None:
    delay = timedelta(seconds=services.settings.notice_delay_seconds)
    now, later = services.clock.now, None
    for row in services.store.notices.untold_breaks():
        if services.store.notices.take_over(row.incident_id):
            continue
        if row.opened_at + delay > now:
            later = row.opened_at + delay  # they come in the order in which they were opened
            break
        routes = _told_at_once(services, NoticeKind.BROKEN)
        _note_incident(services, NoticeKind.BROKEN, row.incident_id, row.incident_id, [one.route_id for one in routes])
    return later


def _note_escalations(services: Services) -> datetime | None:
    store, now = services.store, services.clock.now
    routes = [one for one in store.message_routes.list() if one.is_on and one.after_minutes]
    later: list[datetime] = []
    if not routes:
        return None
    for broken in store.notices.open_breaks():
        for minutes in sorted({one.after_minutes for one in routes}):
            at = broken.at + timedelta(minutes=minutes)
            subject = f"{broken.subject}/{minutes}"
            if at > now:
                later.append(at)
            elif store.notices.of_subject(NoticeKind.ESCALATED, subject) is None:
                meant = [one for one in routes if one.after_minutes == minutes]
                told = [one.route_id for one in _reachable(services, meant, NoticeKind.ESCALATED)]
                _note_incident(services, NoticeKind.ESCALATED, broken.subject, subject, told, after_minutes=minutes)
    return min(later, default=None)


def _note_mends(services: Services) -> None:
    store = services.store
    for row in store.notices.untold_mends():
        breaks = [one.notice_id for one in store.notices.breaks_of(row.incident_id)]
        # In this order: what is dropped is sent to nobody from here on, so who was told is known.
        store.deliveries.drop_unsent(breaks)
        told = store.deliveries.told(breaks)
        routes = [
            one.route_id
            for one in store.message_routes.list()
            if one.is_on and one.route_id in told and _wants(one, NoticeKind.MENDED)
        ]
        _note_incident(services, NoticeKind.MENDED, row.incident_id, row.incident_id, routes)


def _note_digest(services: Services) -> datetime | None:
    every = message_settings(services).digest
    if every is DigestEvery.OFF:
        return None
    store, now = services.store, services.clock.now
    zone = now.astimezone().tzinfo or now.tzinfo
    if zone is None:
        return None
    until = last_digest_end(every, now, zone)
    usual = until - (timedelta(hours=1) if every is DigestEvery.HOUR else timedelta(days=1))
    before = store.notices.latest(NoticeKind.DIGEST)
    told_until = before and datetime.fromisoformat(before.subject)
    since = max(told_until, until - _DIGEST_BACK) if told_until else usual
    if since < until:
        failures = store.blast_radius.failed_for_other_reasons(since, until)
        if failures:
            facts = _digest_facts(services, failures, since, until)
            routes = [one.route_id for one in _told_at_once(services, NoticeKind.DIGEST)]
            _note(services, NoticeKind.DIGEST, until.isoformat(), facts, routes)
    return next_digest_end(every, now, zone)


def _digest_facts(
    services: Services, failures: Sequence[tuple[str, str, int]], since: datetime, until: datetime
) -> DigestFacts:
    """failures: (flow id, error code, number of runs)."""
    counts: dict[str, int] = {}
    codes: dict[str, tuple[int, str]] = {}
    for flow_id, code, count in failures:
        counts[flow_id] = counts.get(flow_id, 0) + count
        codes[flow_id] = max(codes.get(flow_id, (0, "")), (count, code))
    most = sorted(counts, key=lambda flow_id: (-counts[flow_id], flow_id))[:_MOST_FLOWS]
    rows = {flow_id: services.store.flows.get(flow_id) for flow_id in most}
    return DigestFacts(
        since=since,
        until=until,
        failed_runs=sum(counts.values()),
        flow_count=len(counts),
        flows=tuple(
            FlowFailures(
                flow_id=flow_id,
                name=short(row.name) if row is not None else flow_id,
                count=counts[flow_id],
                code=short(codes[flow_id][1]),
            )
            for flow_id, row in rows.items()
        ),
    )


def _note_plans(services: Services) -> set[str]:
    noted = set()
    for one in services.store.notices.untold_plans(services.clock.now - _PLANS_WITHIN):
        plan = one.plan
        found = summaries_of(services, [plan.incident_id]) if plan.incident_id else ()
        counts = {state.value: count for state, count in services.store.repair_plans.counts(plan.plan_id).items()}
        facts = plan_facts(plan, found[0].name if found else "", counts)
        routes = [route.route_id for route in _told_at_once(services, NoticeKind.REPAIRED)]
        if _note(services, NoticeKind.REPAIRED, one.subject, facts, routes, owner_id=plan.started_by):
            noted.add(plan.plan_id)
    return noted


def _note_incident(
    services: Services, kind: NoticeKind, incident_id: str, subject: str, routes: list[str], *, after_minutes: int = 0
) -> None:
    found = summaries_of(services, [incident_id])
    if not found:
        return
    (one,) = found
    open_now = services.store.incidents.count_open()
    is_mended = kind is NoticeKind.MENDED
    facts = incident_facts(
        one,
        held_events=_held_when_mended(services, one) if is_mended else one.held_events,
        kept_until=_kept_until(services, one) if is_mended else None,
        other_open=max(0, open_now - one.is_open),
        after_minutes=after_minutes,
        mail_connection=mail_way(services).connection_id,
    )
    _note(services, kind, subject, facts, routes, owner_id=one.who.person_id)


def _held_when_mended(services: Services, one: IncidentSummary) -> int:
    """They may have gone on since."""
    if one.row.closed_at is None:
        return one.held_events
    return services.store.held.waited_at(list(one.flows), one.row.first_bad_at, one.row.closed_at)


def _kept_until(services: Services, one: IncidentSummary) -> datetime | None:
    """Until when repair plans keep back what its flows hold; None where none does, or until somebody ends it."""
    now = services.clock.now
    kept = [by for flow_id in one.flows if (by := services.held.kept_back_by(flow_id, now)) is not None]
    return max((until for _, until in kept if until is not None), default=None)


def _note(
    services: Services, kind: NoticeKind, subject: str, facts: Facts, routes: Iterable[str], *, owner_id: str = ""
) -> bool:
    notice = NoticeRow(
        notice_id=str(services.clock.guid()),
        kind=kind,
        subject=subject,
        owner_id=owner_id,
        facts=as_json(facts),
        at=services.clock.now,
    )
    is_new = services.store.notices.note(notice, routes)
    if is_new:
        services.changes.publish("notice", notice_id=notice.notice_id, kind=kind.value)
    return is_new


def _told_at_once(services: Services, kind: NoticeKind) -> list[MessageRouteRow]:
    routes = [one for one in services.store.message_routes.list() if one.is_on and not one.after_minutes]
    return _reachable(services, routes, kind)


def _reachable(services: Services, routes: Iterable[MessageRouteRow], kind: NoticeKind) -> list[MessageRouteRow]:
    """Those that want this kind and lead somewhere, each address once."""
    chosen: dict[tuple[ChannelKind, str], MessageRouteRow] = {}
    for one in routes:
        address = address_of(services, one)
        if address and _wants(one, kind):
            chosen.setdefault((one.channel, address.casefold()), one)
    return list(chosen.values())


def _wants(route: MessageRouteRow, kind: NoticeKind) -> bool:
    return not route.kinds or kind.value in route.kinds
