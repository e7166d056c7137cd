"""Flows as people see and steer them: lists, details, on and off, which connection each reference means."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from flowmend.core.checking import check_flow
from flowmend.core.definition.flow import Flow
from flowmend.core.errors import AskedWrongly, Conflict, NotFound
from flowmend.core.json_value import Json
from flowmend.core.problem import Problem
from flowmend.core.trigger.callback_url import CallbackUrl, sign_callback
from flowmend.store.rows import ConnectionMappingRow, ConnectionRow, FlowRow, FlowState, RunRow
from flowmend.use_cases.begin_subscriptions import begin_subscriptions, follow_connection
from flowmend.use_cases.flow_needs import NO_NEEDS, FlowNeeds, blocking_problems, needs_of_flow
from flowmend.use_cases.flow_parameters import shown_document
from flowmend.use_cases.flow_references import ReferenceState, connector_wanted, references_of
from flowmend.use_cases.granted_scopes import scope_problems
from flowmend.use_cases.known_health import needs_repair
from flowmend.use_cases.loaded_flows import LoadedFlow
from flowmend.use_cases.poll_states import (
    TriggerProblem,
    asks_since,
    problem_of,
    trigger_problems,
)
from flowmend.use_cases.ports import Services
from flowmend.use_cases.schedule_triggers import schedule_triggers
from flowmend.use_cases.trigger_subscriptions import address_problems, end_subscriptions
from flowmend.use_cases.trigger_words import what_will_begin
from flowmend.use_cases.unreadable import CANNOT_BE_READ, why_flow_unreadable

_DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSummary:
    """A row of My flows. runs_24h: {status: count}. broken_connections: (id, name). held: events and runs that wait.

    unreadable: why its definition no longer reads and what to do next, "" where it reads; trigger and connectors are
    not known then. trigger_problem: why the trigger's last check failed, None where it did not. needs: what it lacks before
    it can be turned on, nothing for one that is on.
    """

    flow_id: str
    name: str
    state: str
    trigger_type: str
    trigger_kind: str
    connectors: tuple[str, ...]
    changed_at: datetime
    last_run: RunRow | None
    runs_24h: Mapping[str, int]
    broken_connections: tuple[tuple[str, str], ...]
    held: int
    unreadable: str = ""
    trigger_problem: TriggerProblem | None = None
    needs: FlowNeeds = NO_NEEDS


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowDetail:
    """One flow. document: its definition as given, secrets hidden. blocking: why it cannot be turned on. next_at: when its
    recurrence fires, or its trigger asks, next. asks_since: from when on what its trigger finds is new, None where it polls not.
    """

    summary: FlowSummary
    row: FlowRow
    flow: Flow
    document: Json
    problems: tuple[Problem, ...]
    references: tuple[ReferenceState, ...]
    callback: CallbackUrl | None
    next_at: datetime | None
    will_begin: str
    blocking: tuple[Problem, ...]
    on_broken_connection: str
    created_at: datetime
    asks_since: datetime | None = None


async def list_flows(services: Services) -> list[FlowSummary]:
    """Every flow, by name, those that no longer read among them."""
    last_runs = services.store.runs.last_of_each_flow()
    counts = services.store.runs.counts_of_each_flow(services.clock.now - _DAY)
    held = services.store.trigger_events.held_of_each_flow()
    problems, installed = trigger_problems(services), services.connectors.ids()
    connections = {one.connection_id: one for one in services.store.connections.list()}
    rows = sorted(services.store.flows.list(), key=lambda row: row.name.casefold())
    return [
        _listed(
            services,
            row,
            connections,
            last_run=last_runs.get(row.flow_id),
            counts=counts.get(row.flow_id, {}),
            held_events=held.get(row.flow_id, 0),
            trigger_problem=problems.get(row.flow_id),
            installed=installed,
        )
        for row in rows
    ]


async def read_flow_detail(services: Services, flow_id: str) -> FlowDetail:
    """Errors: NotFound."""
    loaded = services.flows.latest(flow_id)
    row = loaded.row
    stored = services.store.flows.version(flow_id, None)
    connections = {one.connection_id: one for one in services.store.connections.list()}
    problems = check_flow(loaded.flow, embedded=loaded.mappings)
    problems += scope_problems(services, loaded.flow, loaded.mappings)
    problems += address_problems(services, loaded.flow)
    state = next(iter(services.store.triggers.of_flow(flow_id)), None)
    return FlowDetail(
        summary=_summary(
            loaded,
            row,
            connections,
            last_run=services.store.runs.last_of_each_flow().get(flow_id),
            counts=services.store.runs.count_by_status(flow_id, services.clock.now - _DAY),
            held_events=services.store.trigger_events.count_held(flow_id),
            trigger_problem=problem_of(state) if state else None,
            installed=services.connectors.ids(),
        ),
        row=row,
        flow=loaded.flow,
        document=shown_document(stored.document) if stored else None,
        problems=problems,
        references=references_of(loaded, connections),
        callback=callback_url(services, loaded),
        next_at=(state.next_at or state.poll_at) if state else None,
        asks_since=asks_since(state) if state else None,
        will_begin=what_will_begin(loaded.flow),
        blocking=_blocking(loaded, problems, connections),
        on_broken_connection=loaded.on_broken_connection,
        created_at=row.created_at,
    )


def callback_url(services: Services, loaded: LoadedFlow, *, expires_at: datetime | None = None) -> CallbackUrl | None:
    """The signed URL of the flow's Request trigger, None where it has none. expires_at: None for one that stays good."""
    trigger = next((one for one in loaded.flow.definition.triggers.values() if one.type == "Request"), None)
    if trigger is None:
        return None
    inputs = trigger.inputs if isinstance(trigger.inputs, dict) else {}
    return sign_callback(
        services.settings.base_url,
        loaded.row.flow_id,
        trigger.name,
        key=loaded.request_key,
        relative_path=str(inputs.get("relativePath") or ""),
        expires_at=expires_at,
        method=str(inputs.get("method") or "POST").upper(),
    )


async def turn_on(services: Services, flow_id: str, person_id: str) -> str:
    """Let the trigger start runs; answers with the sentence that says what begins.

    Errors: NotFound; Conflict `FlowHasProblems` with the first reason why it cannot run.
    """
    loaded = services.flows.latest(flow_id)
    connections = {one.connection_id: one for one in services.store.connections.list()}
    blocking = _blocking(loaded, check_flow(loaded.flow), connections)
    if blocking:
        first = blocking[0]
        more = f" And {len(blocking) - 1} more." if len(blocking) > 1 else ""
        raise Conflict(
            f"{loaded.row.name!r} stays off. {first.message}{more}", code="FlowHasProblems", target=first.pointer
        )
    _set_state(services, loaded.row, FlowState.ON, person_id)
    not_yet = await begin_subscriptions(services, schedule_triggers(services, loaded))
    services.held.wake(flow_id)
    warnings = [f"{one.message} {one.hint}" for one in address_problems(services, loaded.flow)]
    return " ".join([what_will_begin(loaded.flow), *not_yet, *warnings])


async def follow_new_version(services: Services, flow_id: str, person_id: str) -> None:
    """Let a flow that is on keep to its new version: scheduled as that says, and off where that cannot run."""
    loaded = services.flows.latest(flow_id)
    connections = {one.connection_id: one for one in services.store.connections.list()}
    if loaded.row.state is not FlowState.ON:
        return
    if _blocking(loaded, check_flow(loaded.flow), connections):
        await turn_off(services, flow_id, person_id)
    else:
        await begin_subscriptions(services, schedule_triggers(services, loaded))
        services.held.wake(flow_id)  # it may run more at once than before


async def turn_off(services: Services, flow_id: str, person_id: str) -> None:
    """Stop starting runs; runs under way finish, held events stay held. Errors: NotFound."""
    row = flow_row(services, flow_id)
    services.store.triggers.pause(flow_id)
    end_subscriptions(services, flow_id)
    _set_state(services, row, FlowState.OFF, person_id)
    services.dispatch.schedule_changed()


async def map_connection(services: Services, flow_id: str, reference: str, connection_id: str, person_id: str) -> None:
    """Say which connection a reference means; edits no flow. What waited for the one before goes on.

    Errors: NotFound for an unknown flow, reference or connection; AskedWrongly for a connection of another connector.
    """
    loaded = services.flows.latest(flow_id)
    before = loaded.mappings.get(reference, "")
    connector = connector_wanted(loaded, reference)
    if not connector:
        there = ", ".join(loaded.flow.connection_references) or "none"
        raise NotFound(
            f"{loaded.row.name!r} has no connection reference {reference!r}. There are: {there}.", target=reference
        )
    connection = services.store.connections.get(connection_id)
    if connection is None:
        raise NotFound(f"There is no connection {connection_id}.", code="ConnectionNotFound", target=connection_id)
    if connection.connector_id != connector:
        raise AskedWrongly(
            f"{reference!r} needs a connection to {connector}; {connection.display_name!r} is one to "
            f"{connection.connector_id}.",
            code="WrongConnector",
            target=connection_id,
        )
    services.store.flows.set_mapping(
        ConnectionMappingRow(flow_id=flow_id, reference=reference, connection_id=connection_id)
    )
    services.store.audit.note(
        person_id,
        "map_connection",
        flow_id,
        {"reference": reference, "connection": connection_id},
        at=services.clock.now,
    )
    services.changes.publish("flow", flow_id=flow_id, state=loaded.row.state.value)
    if before != connection_id:
        await follow_connection(services, flow_id)
    services.held.wake(flow_id)


async def delete_flow(services: Services, flow_id: str, person_id: str) -> None:
    """Remove a flow; from then on nobody sees its history, which goes little by little (`history.forget_deleted`).

    Errors: NotFound; Conflict while it is on, has runs under way, or holds events.
    """
    row = flow_row(services, flow_id)
    if row.state is FlowState.ON:
        raise Conflict(f"Turn {row.name!r} off before deleting it.", code="FlowIsOn", target=flow_id)
    if services.store.runs.unfinished_of(flow_id):
        raise Conflict(f"{row.name!r} still has runs under way.", code="WorkflowRunInProgress", target=flow_id)
    if held := services.store.trigger_events.count_held(flow_id):
        raise Conflict(
            f"{row.name!r} holds {held} event{'s' if held > 1 else ''} that never ran. Let them run, or discard them first.",
            code="FlowHoldsEvents",
            target=flow_id,
        )
    services.store.flows.delete(flow_id, services.clock.now)
    services.store.audit.note(person_id, "delete_flow", flow_id, {"name": row.name}, at=services.clock.now)
    services.changes.publish("flow", flow_id=flow_id, state="Deleted")


def flow_row(services: Services, flow_id: str) -> FlowRow:
    """A flow's head, also where its definition no longer reads. Errors: NotFound."""
    row = services.store.flows.get(flow_id)
    if row is None:
        raise NotFound(f"There is no flow {flow_id}.", code="FlowNotFound", target=flow_id)
    return row


def _set_state(services: Services, row: FlowRow, state: FlowState, person_id: str) -> None:
    flow_id = row.flow_id
    services.store.flows.change(flow_id, state=state, changed_at=services.clock.now)
    services.store.audit.note(person_id, f"turn_{state.value.lower()}", flow_id, None, at=services.clock.now)
    services.changes.publish("flow", flow_id=flow_id, state=state.value)


def _listed(
    services: Services,
    row: FlowRow,
    connections: Mapping[str, ConnectionRow],
    *,
    last_run: RunRow | None,
    counts: Mapping[str, int],
    held_events: int,
    trigger_problem: TriggerProblem | None,
    installed: Collection[str],
) -> FlowSummary:
    try:
        loaded = services.flows.latest(row.flow_id)
    except CANNOT_BE_READ as error:
        return FlowSummary(
            flow_id=row.flow_id,
            name=row.name,
            state=row.state.value,
            trigger_type="",
            trigger_kind="",
            connectors=(),
            changed_at=row.changed_at,
            last_run=last_run,
            runs_24h=counts,
            broken_connections=(),
            held=held_events + counts.get("Waiting", 0),
            unreadable=why_flow_unreadable(error),
        )
    return _summary(
        loaded,
        row,
        connections,
        last_run=last_run,
        counts=counts,
        held_events=held_events,
        trigger_problem=trigger_problem,
        installed=installed,
    )


def _summary(
    loaded: LoadedFlow,
    row: FlowRow,
    connections: Mapping[str, ConnectionRow],
    *,
    last_run: RunRow | None,
    counts: Mapping[str, int],
    held_events: int,
    trigger_problem: TriggerProblem | None,
    installed: Collection[str],
) -> FlowSummary:
    trigger = next(iter(loaded.flow.definition.triggers.values()), None)
    used = [connections[one] for one in dict.fromkeys(loaded.mappings.values()) if one in connections]
    return FlowSummary(
        flow_id=row.flow_id,
        name=row.name,
        state=row.state.value,
        trigger_type=trigger.type if trigger else "",
        trigger_kind=trigger.kind if trigger else "",
        connectors=tuple(dict.fromkeys(one.connector for one in loaded.flow.connection_references.values())),
        changed_at=row.changed_at,
        last_run=last_run,
        runs_24h=counts,
        broken_connections=tuple((one.connection_id, one.display_name) for one in used if needs_repair(one.health)),
        held=held_events + counts.get("Waiting", 0),
        trigger_problem=trigger_problem,
        needs=NO_NEEDS if row.state is FlowState.ON else needs_of_flow(loaded, installed),
    )


def _blocking(
    loaded: LoadedFlow, problems: tuple[Problem, ...], connections: Mapping[str, ConnectionRow]
) -> tuple[Problem, ...]:
    connected = {reference for reference, known in loaded.mappings.items() if known in connections}
    return blocking_problems(loaded.flow, problems, connected)
