"""What a notice says, as names, numbers and codes: the texts are made of it in the reader's language. No secrets, no bodies."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from flowmend.core.connection.incident import SourceKind
from flowmend.core.json_value import Json
from flowmend.store.notice_rows import NoticeRow
from flowmend.store.repair_rows import RepairPlanRow
from flowmend.use_cases.incidents import IncidentSummary

#: More are only counted.
_MOST_NAMED = 5
#: Names are what people typed; a mail is no place for a page of it.
_LONGEST_NAME = 120


class IncidentFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Of a broken credential source. flows: names of a few. person: who owns it. after_minutes: of an escalation.

    held_events: of one that is closed, as many as there were when it was mended; kept_until: so long a repair plan keeps them
    back unless it starts, None where none does. other_open: incidents that are open besides. is_mail: messages go through it. is_proven: of a closed one, that it works
    again; else its connections were deleted.
    """

    incident_id: str
    name: str
    service: str
    source_kind: SourceKind
    category: str
    remedy: str
    fixable_by: str
    sign_in: str
    code: str
    person: str
    account: str
    first_bad_at: datetime
    last_good_at: datetime | None
    closed_at: datetime | None
    flows: tuple[str, ...]
    flow_count: int
    connections: int
    failed_runs: int
    held_events: int
    held_runs: int
    other_open: int = 0
    after_minutes: int = 0
    is_mail: bool = False
    is_proven: bool = True
    kept_until: datetime | None = None


class FlowFailures(msgspec.Struct, frozen=True, kw_only=True):
    """How many runs of a flow failed. code: of most of them."""

    flow_id: str
    name: str
    count: int
    code: str


class DigestFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Of the runs that failed for other reasons than a broken connection. flows: those with most failures."""

    since: datetime
    until: datetime
    failed_runs: int
    flow_count: int
    flows: tuple[FlowFailures, ...]


class PlanFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Of a repair plan that ended or stopped by itself. succeeded, failed, left: of its items; stop_code: "" where it is done.

    incident_id: "" of a selection of runs.
    """

    plan_id: str
    incident_id: str = ""
    name: str
    succeeded: int
    failed: int
    left: int
    stop_code: str


class TrialFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Of a test message. person: who asked for it."""

    person: str


Facts = IncidentFacts | DigestFacts | PlanFacts | TrialFacts

_SHAPES: Mapping[str, type[Facts]] = {
    "broken": IncidentFacts,
    "mended": IncidentFacts,
    "escalated": IncidentFacts,
    "digest": DigestFacts,
    "repaired": PlanFacts,
    "test": TrialFacts,
}


def facts_of(notice: NoticeRow) -> Facts | None:
    """The facts of a notice; None where another version wrote them in a form that is not known here."""
    try:
        return msgspec.convert(notice.facts, _SHAPES[notice.kind.value])
    except msgspec.ValidationError:
        return None


def has_stopped(notice: NoticeRow) -> bool:
    """Whether it tells of a repair plan that stopped by itself, and not of one that is done."""
    facts = facts_of(notice)
    return isinstance(facts, PlanFacts) and bool(facts.stop_code)


def as_json(facts: Facts) -> Json:
    """The facts as they are kept."""
    return msgspec.to_builtins(facts)


def incident_facts(
    one: IncidentSummary,
    *,
    held_events: int,
    kept_until: datetime | None = None,
    other_open: int = 0,
    after_minutes: int = 0,
    mail_connection: str = "",
) -> IncidentFacts:
    row = one.row
    return IncidentFacts(
        incident_id=row.incident_id,
        name=short(one.name),
        service=short(one.service),
        source_kind=row.source_kind,
        category=row.category,
        remedy=row.remedy,
        fixable_by=row.fixable_by,
        sign_in=one.sign_in,
        code=short(row.code),
        person=short(one.who.name),
        account=short(one.who.account),
        first_bad_at=row.first_bad_at,
        last_good_at=row.last_good_at,
        closed_at=row.closed_at,
        flows=tuple(short(name) for name in list(one.flows.values())[:_MOST_NAMED]),
        flow_count=len(one.flows),
        connections=len(one.members),
        failed_runs=one.failed_runs,
        held_events=held_events,
        held_runs=one.held_runs,
        other_open=other_open,
        after_minutes=after_minutes,
        kept_until=kept_until,
        is_proven=row.closed_by in {"", "proof"},
        is_mail=bool(mail_connection) and mail_connection in {member.connection_id for member in one.members},
    )


def plan_facts(plan: RepairPlanRow, name: str, counts: Mapping[str, int]) -> PlanFacts:
    """counts: {state of an item: how many}."""
    succeeded, failed = counts.get("succeeded", 0), counts.get("failed", 0) + counts.get("refused", 0)
    left = counts.get("planned", 0) + counts.get("begun", 0)
    return PlanFacts(
        plan_id=plan.plan_id,
        incident_id=plan.incident_id,
        name=short(name),
        succeeded=succeeded,
        failed=failed,
        left=left,
        stop_code=short(plan.stop_code),
    )


def short(name: str) -> str:
    """One line, not long: what a header or a subject may hold."""
    # `=?` would begin an encoded word (RFC 2047), which mail programs show as what it means.
    line = " ".join("".join(one if one.isprintable() else " " for one in name).replace("=?", "= ?").split())
    return line if len(line) <= _LONGEST_NAME else f"{line[: _LONGEST_NAME - 1]}…"
