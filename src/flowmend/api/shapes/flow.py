"""Flows: our own resource, snake_case."""

from datetime import datetime

import msgspec

from flowmend.api.shapes.callback_url import CallbackUrlShape, callback_url_shape
from flowmend.api.shapes.problem import ProblemShape, problem_shapes
from flowmend.core.definition.own_settings import own_setting
from flowmend.core.json_value import Json
from flowmend.store.rows import RunRow
from flowmend.use_cases.flow_references import ReferenceState
from flowmend.use_cases.flow_settings import ON_BROKEN_CONNECTION
from flowmend.use_cases.flows import FlowDetail, FlowSummary
from flowmend.use_cases.poll_states import TriggerProblem


class TriggerKind(msgspec.Struct, frozen=True, kw_only=True):
    """type and kind as the definition spells them; kind may be ""."""

    type: str
    kind: str


class LastRun(msgspec.Struct, frozen=True, kw_only=True):
    """A flow's newest run."""

    name: str
    status: str
    started_at: datetime
    ended_at: datetime | None


class NamedConnection(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    display_name: str


class TriggerProblemShape(msgspec.Struct, frozen=True, kw_only=True):
    """Why a trigger's last check failed. connection: the id of the one to be repaired, "" where none is to blame."""

    code: str
    message: str
    since: datetime
    connection: str


class FlowNeedsShape(msgspec.Struct, frozen=True, kw_only=True):
    """connectors: to install. connections: connectors to connect to, or to choose a connection of. values: parameters."""

    connectors: list[str]
    connections: list[str]
    values: list[str]


class FlowShape(msgspec.Struct, frozen=True, kw_only=True):
    """A flow in a list. runs_24h: {status: count} of the last day. held: events that wait for a connection.

    unreadable: why its definition no longer reads and what to do next, "" where it reads. trigger_problem: null where its
    trigger's last check went well. needs: what it lacks before it can be turned on.
    """

    id: str
    name: str
    state: str
    trigger: TriggerKind
    connectors: list[str]
    changed_at: datetime
    last_run: LastRun | None
    runs_24h: dict[str, int]
    broken_connections: list[NamedConnection]
    held: int
    unreadable: str
    trigger_problem: TriggerProblemShape | None
    needs: FlowNeedsShape


class ConnectionReferenceShape(msgspec.Struct, frozen=True, kw_only=True):
    """A name by which the flow means a connection. connection: its id, "" while none is chosen.

    steps: of an authentication written in the flow, the names of the actions that sign in so.
    """

    key: str
    connector: str
    connection: str
    display_name: str
    health: str
    steps: list[str]


class FlowDetailShape(FlowShape, frozen=True, kw_only=True):
    """A flow with everything it needs. blocking: why it cannot be turned on. document: as imported.

    asks_since: from when on what its trigger finds is new, null for a trigger that does not poll.
    """

    version: str
    packaging: str
    settings: Json
    created_at: datetime
    will_begin: str
    next_at: datetime | None
    asks_since: datetime | None
    callback_url: CallbackUrlShape | None
    connection_references: list[ConnectionReferenceShape]
    problems: list[ProblemShape]
    blocking: list[ProblemShape]
    document: Json


def flow_shape(summary: FlowSummary) -> FlowShape:
    return FlowShape(**_summary(summary))


def flow_detail_shape(detail: FlowDetail) -> FlowDetailShape:
    return FlowDetailShape(
        **_summary(detail.summary),
        version=detail.row.version,
        packaging=detail.row.packaging,
        settings={**(detail.row.settings or {}), **_own_settings(detail)},
        created_at=detail.created_at,
        will_begin=detail.will_begin,
        next_at=detail.next_at,
        asks_since=detail.asks_since,
        callback_url=None if detail.callback is None else callback_url_shape(detail.callback),
        connection_references=[_reference(reference) for reference in detail.references],
        problems=problem_shapes(detail.problems),
        blocking=problem_shapes(detail.blocking),
        document=detail.document,
    )


def _own_settings(detail: FlowDetail) -> dict[str, Json]:
    """Those that lie in the definition."""
    chosen = own_setting(detail.flow.definition.metadata, ON_BROKEN_CONNECTION)
    return {} if chosen is None else {ON_BROKEN_CONNECTION: chosen}


def _summary(summary: FlowSummary) -> dict[str, Json]:
    return {
        "id": summary.flow_id,
        "name": summary.name,
        "state": str(summary.state),
        "trigger": TriggerKind(type=summary.trigger_type, kind=summary.trigger_kind),
        "connectors": list(summary.connectors),
        "changed_at": summary.changed_at,
        "last_run": _last_run(summary.last_run),
        "runs_24h": dict(summary.runs_24h),
        "broken_connections": [
            NamedConnection(id=connection_id, display_name=name) for connection_id, name in summary.broken_connections
        ],
        "held": summary.held,
        "unreadable": summary.unreadable,
        "trigger_problem": _trigger_problem(summary.trigger_problem),
        "needs": FlowNeedsShape(
            connectors=list(summary.needs.connectors),
            connections=list(summary.needs.connections),
            values=list(summary.needs.values),
        ),
    }


def _trigger_problem(problem: TriggerProblem | None) -> TriggerProblemShape | None:
    if problem is None:
        return None
    return TriggerProblemShape(
        code=problem.code, message=problem.message, since=problem.since, connection=problem.connection_id
    )


def _last_run(row: RunRow | None) -> LastRun | None:
    if row is None:
        return None
    return LastRun(name=row.run_name, status=row.status, started_at=row.started_at, ended_at=row.ended_at)


def _reference(reference: ReferenceState) -> ConnectionReferenceShape:
    return ConnectionReferenceShape(
        key=reference.key,
        connector=reference.connector,
        connection=reference.connection_id,
        display_name=reference.display_name,
        health=reference.health,
        steps=list(reference.steps),
    )
