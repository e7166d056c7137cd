"""Connections and connectors: our own resources, snake_case. Nothing here holds a secret's value."""

from datetime import datetime
from typing import ClassVar
from urllib.parse import quote

import msgspec

from flowmend.core.connection.health import HealthState
from flowmend.core.json_value import Json
from flowmend.store.rows import ConnectorRow
from flowmend.use_cases.connection_views import ConnectionView
from flowmend.use_cases.connections import ConnectorChoice, SecretField
from flowmend.use_cases.verify_connection import Verification

#: (status, target, error code) of each health state, after the design's table of states.
_REST_STATUS: dict[HealthState, tuple[str, str | None, str | None]] = {
    HealthState.UNTESTED: ("Unknown", None, None),
    HealthState.PENDING_CONSENT: ("Error", "token", "Unauthenticated"),
    HealthState.CONNECTED: ("Connected", None, None),
    HealthState.SUSPECT: ("Connected", None, None),
    HealthState.BROKEN: ("Error", None, None),
    HealthState.REPAIRING: ("Error", None, None),
}


class StatusError(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    message: str


class ConnectionStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """status: Connected, Error or Unknown. error: the refusal as received, secrets removed."""

    status: str
    target: str | None = None
    error: StatusError | None = None


class SecretFieldShape(msgspec.Struct, frozen=True, kw_only=True):
    """What to enter. value: the present one, always "" for a secret. allowed_values: empty for any. is_hidden: forms do not ask
    for it; it may be given all the same.
    """

    name: str
    title: str
    description: str
    is_secret: bool
    required: bool
    value: str
    allowed_values: list[str]
    is_hidden: bool = False


class FlowUse(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str


class PlannedTest(msgspec.Struct, frozen=True, kw_only=True):
    """What a verification will call."""

    operation_id: str
    method: str
    url_hint: str
    sentence: str


class EndShape(msgspec.Struct, frozen=True, kw_only=True):
    """kind: refresh_token, certificate, idle, noted, access_token or app_secret."""

    kind: str
    at: datetime


class TestRequestShape(msgspec.Struct, frozen=True, kw_only=True):
    """A request that tests a connection, spelled as the service spells it. requestUri: relative to this server."""

    __test__: ClassVar[bool] = False  # not a class of tests

    requestUri: str  # noqa: N815  the service's own name
    method: str
    body: dict[str, Json]


class ConnectionShape(msgspec.Struct, frozen=True, kw_only=True):
    """A connection. health: our own word; statuses: the REST surface's. category: what the last refusal says.

    fields: what verifying asks for; empty where a person has to sign in at the provider. new_hosts: the origins that its
    client secret must be given anew for before somebody can sign in. unreadable: why its connector
    no longer reads and what to do next, "" where it reads. ends: what of its sign-in ends, the soonest first.
    missing_scopes: asked for and not granted; of a single connection only. test_requests: empty where nothing can be tested.
    """

    id: str
    display_name: str
    connector: str
    connector_name: str
    sign_in: str
    account: str
    health: str
    status_text: str
    statuses: list[ConnectionStatus]
    category: str
    remedy: str
    parameters: Json
    allowed_origins: list[str]
    used_by: list[FlowUse]
    failed_runs: int
    held_events: int
    held_runs: int
    newest_failed_run: str | None
    test: PlannedTest | None
    test_requests: list[TestRequestShape]
    ends: list[EndShape]
    missing_scopes: list[str]
    last_probe_at: datetime | None
    next_probe_at: datetime | None
    fields: list[SecretFieldShape]
    new_hosts: list[str]
    unreadable: str
    health_changed_at: datetime
    last_good_at: datetime | None
    refused_at: datetime | None
    expires_at: datetime | None
    created_at: datetime
    changed_at: datetime


class WayToSignInShape(msgspec.Struct, frozen=True, kw_only=True):
    """One way to sign in. name: as `parameter_set` of a new connection. app_values: parameters of its sign-in app, not asked for
    where one is chosen.
    """

    name: str
    title: str
    sign_in: str
    parameters: list[SecretFieldShape]
    app_values: list[str]


class ConnectorShape(msgspec.Struct, frozen=True, kw_only=True):
    """An installed connector and what a new connection to it asks for. sign_in, parameters: of the first way to sign in.
    ways: all of them. unreadable: as of a connection.
    """

    id: str
    display_name: str
    sign_in: str
    parameters: list[SecretFieldShape]
    ways: list[WayToSignInShape]
    unreadable: str


class InstalledConnector(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    display_name: str
    installed_at: datetime


class VerificationShape(msgspec.Struct, frozen=True, kw_only=True):
    """How a test call went. is_kept: the tested credential is the connection's now; else the old one stays.

    released: held events and runs that go on because of it. attempts_left: tries before a pause. account: whose it is, ""
    where nobody said. also_mended: other connections that this sign-in mended.
    replayed: the status with which the very call that had failed answers now, null where it was not made again.
    repair_plan: the id of the plan that was asked for, "" where there is none.
    """

    is_proven: bool
    is_kept: bool
    connection: str
    health: str
    operation_id: str
    status_code: int | None
    code: str
    message: str
    category: str
    duration_ms: int
    replayed: int | None
    released: int
    attempts_left: int
    account: str
    also_mended: list[str]
    repair_plan: str = ""


def connection_shape(view: ConnectionView) -> ConnectionShape:
    row = view.row
    return ConnectionShape(
        id=row.connection_id,
        display_name=row.display_name,
        connector=row.connector_id,
        connector_name=view.connector.display_name,
        sign_in=view.sign_in,
        account=row.account_name,
        health=row.health.value,
        status_text=view.portal_status,
        statuses=[_status(view)],
        category=row.refused_category,
        remedy=row.remedy,
        parameters=row.parameters or {},
        allowed_origins=list(row.allowed_origins or ()),
        used_by=[FlowUse(id=flow_id, name=name) for flow_id, name in view.used_by],
        failed_runs=view.failed_runs,
        held_events=view.held_events,
        held_runs=view.held_runs,
        newest_failed_run=view.failed_run.run_name if view.failed_run else None,
        test=_test(view),
        test_requests=_test_requests(view),
        ends=[EndShape(kind=end.kind.value, at=end.at) for end in view.ends],
        missing_scopes=list(view.missing_scopes),
        last_probe_at=row.last_probe_at,
        next_probe_at=row.next_probe_at,
        fields=[field_shape(field) for field in view.fields],
        new_hosts=list(view.new_hosts),
        unreadable=view.unreadable,
        health_changed_at=row.health_changed_at,
        last_good_at=row.last_good_at,
        refused_at=row.refused_at,
        expires_at=row.expires_at,
        created_at=row.created_at,
        changed_at=row.changed_at,
    )


def field_shape(field: SecretField) -> SecretFieldShape:
    return SecretFieldShape(
        name=field.name,
        title=field.title,
        description=field.description,
        is_secret=field.is_secret,
        required=field.required,
        value=field.value,
        allowed_values=list(field.allowed_values),
        is_hidden=field.is_hidden,
    )


def connector_shape(choice: ConnectorChoice) -> ConnectorShape:
    return ConnectorShape(
        id=choice.connector_id,
        display_name=choice.display_name,
        sign_in=choice.sign_in,
        parameters=[field_shape(field) for field in choice.parameters],
        ways=[
            WayToSignInShape(
                name=way.name,
                title=way.title,
                sign_in=way.sign_in,
                parameters=[field_shape(field) for field in way.parameters],
                app_values=sorted(way.app_values),
            )
            for way in choice.ways
        ],
        unreadable=choice.unreadable,
    )


def installed_connector(row: ConnectorRow) -> InstalledConnector:
    return InstalledConnector(id=row.connector_id, display_name=row.display_name, installed_at=row.installed_at)


def verification_shape(verification: Verification, repair_plan: str = "") -> VerificationShape:
    return VerificationShape(
        is_proven=verification.is_proven,
        is_kept=verification.is_kept,
        connection=verification.connection_id,
        health=str(verification.health),
        operation_id=verification.operation_id,
        status_code=verification.status_code,
        code=verification.code,
        message=verification.message,
        category=verification.category,
        duration_ms=verification.duration_ms,
        replayed=verification.replayed,
        released=verification.released,
        attempts_left=verification.attempts_left,
        account=verification.account,
        also_mended=list(verification.also_mended),
        repair_plan=repair_plan,
    )


def _status(view: ConnectionView) -> ConnectionStatus:
    status, target, code = _REST_STATUS[view.row.health]
    if status != "Error":
        return ConnectionStatus(status=status)
    error = StatusError(
        code=code or view.row.refused_code or "Unauthorized", message=view.row.refused_message or view.portal_status
    )
    return ConnectionStatus(status=status, target=target, error=error)


def _test(view: ConnectionView) -> PlannedTest | None:
    plan = view.test
    if plan is None:
        return None
    return PlannedTest(
        operation_id=plan.operation_id, method=plan.method, url_hint=plan.url_hint, sentence=plan.sentence
    )


def _test_requests(view: ConnectionView) -> list[TestRequestShape]:
    if view.test is None:
        return []
    address = f"/api/v1/connections/{quote(view.row.connection_id, safe='')}/dynamicInvoke"
    body: dict[str, Json] = {"request": {"method": "get", "path": "testconnection"}}
    return [TestRequestShape(requestUri=address, method="POST", body=body)]
