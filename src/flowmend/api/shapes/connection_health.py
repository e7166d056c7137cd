"""How connections are tested, what of their sign-ins ends, and what stops when somebody goes."""

from datetime import datetime

import msgspec

from flowmend.core.connection.forecast import Urgency
from flowmend.core.connection.probe import SafeCall
from flowmend.core.connector import Operation
from flowmend.core.json_value import Json
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.forecasts import Forecast
from flowmend.use_cases.leaving import Leaving
from flowmend.use_cases.prove_credential import TestPlan


class ForecastShape(msgspec.Struct, frozen=True, kw_only=True):
    """Something of a connection's sign-in that ends.

    kind: refresh_token, certificate, idle, noted, access_token or app_secret. days_left: begun ones counted.
    """

    connection: str
    display_name: str
    kind: str
    at: datetime
    days_left: int
    urgency: Urgency


class ProbeParameter(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    type: str
    is_required: bool


class ProbeChoice(msgspec.Struct, frozen=True, kw_only=True):
    """An operation that may test a connection."""

    operation_id: str
    summary: str
    path: str
    parameters: list[ProbeParameter]


class ProbeShape(msgspec.Struct, frozen=True, kw_only=True):
    """How a connection is tested. kind: chosen, declared, failed_call, inferred, refresh or none.

    is_trusted: a guess is not until it was seen to refuse without a good credential. chosen: null where nobody chose.
    """

    kind: str
    operation_id: str
    method: str
    url_hint: str
    is_trusted: bool
    chosen: str | None
    arguments: dict[str, Json]
    next_probe_at: datetime | None
    last_probe_at: datetime | None
    choices: list[ProbeChoice]


class NamedShape(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str


class LeavingFlowShape(msgspec.Struct, frozen=True, kw_only=True):
    """stops: it is on and a connection it uses is signed in as that person. is_theirs: they own it here."""

    id: str
    name: str
    is_on: bool
    is_theirs: bool
    stops: bool
    connections: list[NamedShape]


class LeavingShape(msgspec.Struct, frozen=True, kw_only=True):
    """accounts: connections signed in as the person. owned: made by them here, signed in as somebody else."""

    person: str
    stopping_flows: int
    accounts: list[NamedShape]
    owned: list[NamedShape]
    sign_in_apps: list[NamedShape]
    flows: list[LeavingFlowShape]


def forecast_shape(forecast: Forecast) -> ForecastShape:
    return ForecastShape(
        connection=forecast.connection_id,
        display_name=forecast.display_name,
        kind=forecast.end.kind.value,
        at=forecast.end.at,
        days_left=forecast.days_left,
        urgency=forecast.urgency,
    )


def probe_shape(
    row: ConnectionRow, plan: TestPlan | None, chosen: SafeCall | None, choices: tuple[Operation, ...]
) -> ProbeShape:
    return ProbeShape(
        kind=plan.kind.value if plan is not None else "none",
        operation_id=plan.operation_id if plan is not None else "",
        method=plan.method if plan is not None else "",
        url_hint=plan.url_hint if plan is not None else "",
        is_trusted=plan is not None and plan.is_trusted,
        chosen=chosen.operation_id if chosen is not None else None,
        arguments=chosen.arguments if chosen is not None else {},
        next_probe_at=row.next_probe_at,
        last_probe_at=row.last_probe_at,
        choices=[_choice(operation) for operation in choices],
    )


def leaving_shape(leaving: Leaving) -> LeavingShape:
    return LeavingShape(
        person=leaving.person,
        stopping_flows=leaving.stopping,
        accounts=[_named(row) for row in leaving.accounts],
        owned=[_named(row) for row in leaving.owned],
        sign_in_apps=[NamedShape(id=app.app_id, name=app.display_name or app.client_id) for app in leaving.apps],
        flows=[
            LeavingFlowShape(
                id=flow.flow_id,
                name=flow.name,
                is_on=flow.is_on,
                is_theirs=flow.is_theirs,
                stops=flow.stops,
                connections=[NamedShape(id=key, name=name) for key, name in flow.connections],
            )
            for flow in leaving.flows
        ],
    )


def _choice(operation: Operation) -> ProbeChoice:
    return ProbeChoice(
        operation_id=operation.operation_id,
        summary=operation.summary,
        path=operation.path,
        parameters=[
            ProbeParameter(name=one.name, type=one.type, is_required=one.is_required and one.default is None)
            for one in operation.parameters
        ],
    )


def _named(row: ConnectionRow) -> NamedShape:
    return NamedShape(id=row.connection_id, name=row.display_name)
