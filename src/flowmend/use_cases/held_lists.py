"""What is held, as people see it: which flows hold how much, what each waits for, and the events one by one."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from flowmend.core.errors import AskedWrongly, FlowmendError
from flowmend.store.held import Place
from flowmend.store.rows import FlowRow, FlowState, TriggerEventRow
from flowmend.use_cases.flows import flow_row
from flowmend.use_cases.held_days import held_days
from flowmend.use_cases.held_events import GoesOn, what_goes_on
from flowmend.use_cases.journal_pages import decode_start
from flowmend.use_cases.loaded_flows import LoadedFlow
from flowmend.use_cases.ports import Services
from flowmend.use_cases.start_run import NEEDS_REPAIR, broken_connection
from flowmend.use_cases.unreadable import CANNOT_BE_READ

#: Of an event's body, for a list.
_MOST_PREVIEW = 160
#: A larger event is not read for its preview: a page of them would be many megabytes.
_MOST_BYTES_READ = 100_000


class WaitsFor(StrEnum):
    """Why an event has not begun."""

    REPAIR = "repair"  # of a connection of its flow
    PLAN = "plan"  # a repair plan keeps it back, so that it goes on in one order with the runs that failed
    FLOW = "flow"  # which is off
    READING = "reading"  # its flow's definition does not read any more
    TURN = "turn"  # others go before it


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldingFlow:
    """A flow that holds events. connection_id, connection_name: of the broken one that is waited for, "" for none. days: it
    holds them for so long, 0 for ever.
    """

    flow_id: str
    name: str
    count: int
    oldest_at: datetime
    waits_for: WaitsFor
    connection_id: str = ""
    connection_name: str = ""
    days: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldEventView:
    """behind_run: of the same business key, whose end it waits for, "" for none. preview: the beginning of what came, "" where
    it is too large to be read for a list. is_secret: it is shown to nobody.
    """

    row: TriggerEventRow
    flow_name: str
    waits_for: WaitsFor
    behind_run: str = ""
    is_secret: bool = False
    preview: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPage:
    """flows: all that hold events, or the one asked for. cursor: of the next page, "" at the end."""

    flows: tuple[HoldingFlow, ...]
    events: tuple[HeldEventView, ...]
    cursor: str

    @property
    def count(self) -> int:
        return sum(flow.count for flow in self.flows)


async def list_held(
    services: Services, *, flow_id: str = "", limit: int = 50, cursor: str = "", with_preview: bool = True
) -> HeldPage:
    """Held events in order of arrival. flow_id: "" for those of all flows.

    Errors: NotFound for the flow; AskedWrongly for a cursor that no page gave.
    """
    wanted = {flow_id: flow_row(services, flow_id)} if flow_id else None
    rows, place = services.store.held.list_events(
        list(wanted) if wanted is not None else None, limit, _place(cursor) if cursor else None
    )
    flows = holding_flows(services, wanted)
    by_id = {flow.flow_id: flow for flow in flows}
    bodies = _small_bodies(services, rows) if with_preview else {}
    views = [_view(services, row, by_id[row.flow_id], bodies) for row in rows if row.flow_id in by_id]
    return HeldPage(flows=flows, events=tuple(views), cursor=_cursor(place) if place is not None else "")


def holding_flows(services: Services, wanted: Mapping[str, FlowRow] | None = None) -> tuple[HoldingFlow, ...]:
    """The flows that hold events, those that hold most first. wanted: only these."""
    counts, oldest = services.store.held.counts(), services.store.held.oldest()
    rows = wanted if wanted is not None else {row.flow_id: row for row in services.store.flows.list()}
    found = [
        _holding(services, rows[flow_id], count, oldest[flow_id])
        for flow_id, count in counts.items()
        if flow_id in rows and flow_id in oldest
    ]
    return tuple(sorted(found, key=lambda one: (-one.count, one.name.casefold())))


def _holding(services: Services, row: FlowRow, count: int, oldest_at: datetime) -> HoldingFlow:
    loaded = _readable(services, row.flow_id)
    broken = broken_connection(services, loaded) if loaded is not None else ""
    known = services.store.connections.get(broken) if broken else None
    return HoldingFlow(
        flow_id=row.flow_id,
        name=row.name,
        count=count,
        oldest_at=oldest_at,
        waits_for=_why(services, row, loaded, is_broken=bool(broken)),
        connection_id=broken,
        connection_name=known.display_name if known is not None else "",
        days=held_days(services, row),
    )


def _why(services: Services, row: FlowRow, loaded: LoadedFlow | None, *, is_broken: bool) -> WaitsFor:
    if loaded is None:
        return WaitsFor.READING
    if row.state is not FlowState.ON:
        return WaitsFor.FLOW
    if is_broken and what_goes_on(services, loaded) is not GoesOn.ALL:
        return WaitsFor.REPAIR
    if services.held.is_kept_back(row.flow_id, services.clock.now):
        return WaitsFor.PLAN
    return WaitsFor.TURN


def _view(
    services: Services, row: TriggerEventRow, flow: HoldingFlow, bodies: Mapping[str, TriggerEventRow]
) -> HeldEventView:
    loaded = _readable(services, row.flow_id)
    is_turn = row.code != NEEDS_REPAIR and flow.waits_for is WaitsFor.REPAIR
    is_secret = loaded is None or loaded.has_secure_trigger
    waits_for = WaitsFor.TURN if is_turn else flow.waits_for
    is_in_lane = waits_for is WaitsFor.TURN and row.code == NEEDS_REPAIR and bool(row.business_key)
    return HeldEventView(
        row=row,
        flow_name=flow.name,
        waits_for=waits_for,
        behind_run=services.held.lanes.first_in(row.flow_id, row.business_key) if is_in_lane else "",
        is_secret=is_secret,
        preview="" if is_secret else _preview(services, bodies.get(row.event_name)),
    )


def _small_bodies(services: Services, rows: Collection[TriggerEventRow]) -> Mapping[str, TriggerEventRow]:
    names = [row.event_name for row in rows]
    return services.store.held.events(names, most_bytes=_MOST_BYTES_READ) if names else {}


def _preview(services: Services, event: TriggerEventRow | None) -> str:
    """The beginning of the trigger's body, or of its outputs where there is none."""
    if event is None or not event.outputs:
        return ""
    try:
        outputs = decode_start(event.outputs, services.vault).trigger.get("outputs")
    except FlowmendError:
        return ""
    body = outputs.get("body", outputs) if isinstance(outputs, dict) else outputs
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    return text if len(text) <= _MOST_PREVIEW else f"{text[:_MOST_PREVIEW]}…"


def _readable(services: Services, flow_id: str) -> LoadedFlow | None:
    try:
        return services.flows.latest(flow_id)
    except CANNOT_BE_READ:
        return None


def _cursor(place: Place) -> str:
    return f"{place.started_at.isoformat()}~{place.event_name}"


def _place(cursor: str) -> Place:
    moment, _, name = cursor.partition("~")
    try:
        started_at = datetime.fromisoformat(moment).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise AskedWrongly("The cursor is none that a page gave.", code="InvalidCursor", target="cursor") from error
    return Place(started_at, name)
