"""A connection for each distinct authentication that flows write out: chosen, found again, or made.

It is found again where the flow means one already and what it says has not changed, or where a connection signs in just
so. A secret goes to the addresses it was given for. Who gives it again with a flow, by a file or a value, lets it go
where that flow calls; a version of a flow that only keeps its values does not.
"""

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from msgspec.structs import replace

from flowmend.core.checking.distinct_sign_ins import DistinctSignIn, SignInUse, ValuedFlow, distinct_sign_ins
from flowmend.core.checking.inline_authentication import EMBEDDED
from flowmend.core.connection.health import HealthState
from flowmend.core.connector.request import may_go
from flowmend.core.definition.flow import Flow
from flowmend.core.errors import AskedWrongly, Conflict, NotFound
from flowmend.store.rows import ConnectionMappingRow, ConnectionRow, FlowRow, SignInAppRow
from flowmend.use_cases.app_settings import app_settings, proof_origins
from flowmend.use_cases.built_in_connectors import EMBEDDED_CONNECTOR
from flowmend.use_cases.chosen_app import managed_identity_app, with_proof
from flowmend.use_cases.credential_lifetimes import lifetime_columns
from flowmend.use_cases.embedded_sign_in import (
    EmbeddedSignIn,
    holds_same,
    holds_secret,
    proves_same,
    read_embedded,
    suggested_name,
)
from flowmend.use_cases.held_events import release_held
from flowmend.use_cases.ports import Services
from flowmend.use_cases.sealed_credentials import seal_credential
from flowmend.use_cases.swap_credential import swap
from flowmend.use_cases.unreadable import CANNOT_BE_READ

_NO_MANAGED_APP = "Sign-in app for managed identities"
_SET_BY_A_FLOW = (
    *("app_id", "parameters", "account_name", "allowed_origins", "health"),
    *("expires_at", "lasts_until", "lasts_until_kind"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedConnection:
    """What an authentication has become. needs: what the flow does not give and somebody has to, before it can sign in.

    is_mended: it was broken, and what was given with the flow stands in the place of what broke; it is not proven yet.
    """

    connection_id: str
    display_name: str
    is_new: bool
    is_mended: bool
    is_signed_in: bool
    needs: tuple[str, ...]
    uses: tuple[SignInUse, ...]


def connect_sign_ins(
    services: Services, flows: Iterable[ValuedFlow], *, chosen: Mapping[str, str], person_id: str
) -> tuple[EmbeddedConnection, ...]:
    """The connection of each distinct authentication of the flows; nothing is mapped yet. chosen: `{sign-in id: connection id}`.

    Errors, before anything is made: NotFound or AskedWrongly for a chosen connection that is not there or does not fit.
    """
    sign_ins = distinct_sign_ins(flows)
    picked = {one.sign_in_id: _chosen(services, one, chosen) for one in sign_ins}
    connected = (_connect(services, one, picked[one.sign_in_id], person_id) for one in sign_ins)
    return tuple(one for one in connected if one is not None)


async def release_mended(services: Services, connected: Iterable[EmbeddedConnection]) -> None:
    """Let go on what waited for connections that were given a new secret with a flow. Errors: StoreUnavailable."""
    for one in connected:
        if one.is_mended:
            await release_held(services, one.connection_id)


def map_sign_ins(services: Services, flow_id: str, keys: Mapping[str, str]) -> None:
    """Let a flow mean these connections by its authentications, `{key: connection id}`, and by no others."""
    for one in services.store.flows.mappings(flow_id):
        if one.reference.startswith(EMBEDDED) and one.reference not in keys:
            services.store.flows.remove_mapping(flow_id, one.reference)
    for key, connection_id in keys.items():
        mapping = ConnectionMappingRow(flow_id=flow_id, reference=key, connection_id=connection_id)
        services.store.flows.set_mapping(mapping)


def keys_of(connected: Sequence[EmbeddedConnection], flow_id: str) -> dict[str, str]:
    """`{key: connection id}` of one of the flows. flow_id: as the flow itself says it."""
    return {use.key: one.connection_id for one in connected for use in one.uses if use.flow_id == flow_id}


def needs_of(services: Services, wanted: EmbeddedSignIn) -> tuple[str, ...]:
    """What is to be given before the authentication can sign in, in words."""
    if not wanted.is_managed_identity or wanted.needs:
        return wanted.needs
    try:
        managed_identity_app(services, services.connectors.get(EMBEDDED_CONNECTOR), wanted.plain)
    except AskedWrongly:
        return (_NO_MANAGED_APP,)
    return ()


def of_flow(connected: Sequence[EmbeddedConnection], flow_id: str) -> tuple[EmbeddedConnection, ...]:
    """Those that one of the flows signs in by, with its own uses alone. flow_id: as the flow itself says it."""
    own = (dataclasses.replace(one, uses=tuple(use for use in one.uses if use.flow_id == flow_id)) for one in connected)
    return tuple(one for one in own if one.uses)


def valued_flow(services: Services, row: FlowRow | None, flow: Flow, *, kept: Collection[str]) -> ValuedFlow:
    """The flow with the version it follows. row: None for a new flow. flow: with its values. kept: names of those that come
    from an earlier version.
    """
    try:
        before = services.flows.latest(row.flow_id).flow if row is not None else None
    except CANNOT_BE_READ:
        before = None
    mappings = services.store.flows.mappings(row.flow_id) if row is not None else ()
    return ValuedFlow(
        flow=flow,
        kept=frozenset(name.lower() for name in kept),
        before=before,
        mapped={one.reference: one.connection_id for one in mappings},
    )


def found_connection(services: Services, sign_in: DistinctSignIn, wanted: EmbeddedSignIn) -> ConnectionRow | None:
    """The connection that is this sign-in already, None where one would be made."""
    rows = services.store.connections.list(connector_id=EMBEDDED_CONNECTOR)
    standing = next((row for row in rows if row.connection_id == sign_in.standing), None)
    if standing is not None:
        return standing
    same = next((row for row in rows if holds_same(services, row, wanted)), None)
    if same is not None or not wanted.needs:
        return same
    origins = set(_origins(sign_in, wanted))
    unfinished = (row for row in rows if not row.sealed_credential and row.parameter_set == wanted.method.name)
    return next(
        (row for row in unfinished if row.parameters == wanted.plain and set(row.allowed_origins) == origins), None
    )


def _chosen(services: Services, sign_in: DistinctSignIn, chosen: Mapping[str, str]) -> ConnectionRow | None:
    connection_id = chosen.get(sign_in.sign_in_id, "")
    if not connection_id:
        return None
    row = services.store.connections.get(connection_id)
    if row is None:
        raise NotFound(f"There is no connection {connection_id}.", code="ConnectionNotFound", target=connection_id)
    if row.connector_id != EMBEDDED_CONNECTOR:
        raise AskedWrongly(
            f"{sign_in.uses[0].step!r} is an HTTP action; {row.display_name!r} is a connection to {row.connector_id}.",
            code="WrongConnector",
            target=connection_id,
        )
    return row


def _connect(
    services: Services, sign_in: DistinctSignIn, picked: ConnectionRow | None, person_id: str
) -> EmbeddedConnection | None:
    wanted = read_embedded(services, sign_in.settled)
    if wanted is None:
        return None
    row = picked or found_connection(services, sign_in, wanted)
    replaced = _replaced(services, sign_in, wanted) if row is None else None
    is_new = row is None and replaced is None
    if row is None:
        row = replaced or _make(services, sign_in, wanted, person_id)
    elif picked is None:
        row = _complete(services, row, sign_in, wanted)
    is_signed_in = row.health is not HealthState.PENDING_CONSENT
    return EmbeddedConnection(
        connection_id=row.connection_id,
        display_name=row.display_name,
        is_new=is_new,
        is_mended=replaced is not None,
        is_signed_in=is_signed_in,
        needs=() if is_signed_in else needs_of(services, wanted),
        uses=sign_in.uses,
    )


def _replaced(services: Services, sign_in: DistinctSignIn, wanted: EmbeddedSignIn) -> ConnectionRow | None:
    """The broken connection that the flows meant, with the secret that was given anew; None where it is not theirs alone,
    or still works: a new one is proven before it replaces one that works.
    """
    flow_ids = {use.flow_id for use in sign_in.uses}
    for connection_id in dict.fromkeys(use.outdated for use in sign_in.uses if use.outdated):
        row = services.store.connections.get(connection_id)
        if row is None or row.health is not HealthState.BROKEN or row.shares_with:
            continue
        is_same_account = row.parameter_set == wanted.method.name and row.parameters == wanted.plain
        is_theirs = {flow.flow_id for flow in services.store.flows.using(connection_id)} <= flow_ids
        if is_same_account and is_theirs and sign_in.is_known and wanted.credential is not None:
            changed = replace(row, allowed_origins=_origins(sign_in, wanted))
            with suppress(Conflict):  # mended meanwhile, and what mended it counts
                swap(services, row, changed, wanted.credential, HealthState.UNTESTED)
            services.changes.publish("connection", connection_id=connection_id, health=HealthState.UNTESTED.value)
            return services.store.connections.get(connection_id)
    return None


def _make(services: Services, sign_in: DistinctSignIn, wanted: EmbeddedSignIn, person_id: str) -> ConnectionRow:
    now = services.clock.now
    rows = services.store.connections.list(connector_id=EMBEDDED_CONNECTOR)
    row = ConnectionRow(
        connection_id=str(services.clock.guid()),
        connector_id=EMBEDDED_CONNECTOR,
        display_name=_free_name(suggested_name(sign_in, wanted), {one.display_name for one in rows}),
        account_name=wanted.plain.get(wanted.method.user_parameter, ""),
        owner_id=person_id,
        parameter_set=wanted.method.name,
        parameters=dict(wanted.plain),
        allowed_origins=_origins(sign_in, wanted),
        health=HealthState.PENDING_CONSENT,
        health_changed_at=now,
        created_at=now,
        changed_at=now,
    )
    row, app, is_new_app = _with_sign_in(services, row, wanted, is_kept=_may_be_kept(services, rows, sign_in, wanted))
    services.store.connections.add(row, app if is_new_app else None)
    details = {"connector": EMBEDDED_CONNECTOR, "flow": sign_in.uses[0].flow_id}
    services.store.audit.note(person_id, "create_connection", row.connection_id, details, at=now)
    services.changes.publish("connection", connection_id=row.connection_id, health=row.health.value)
    return row


def _complete(services: Services, row: ConnectionRow, sign_in: DistinctSignIn, wanted: EmbeddedSignIn) -> ConnectionRow:
    """The connection with what was given anew with a flow: a secret it lacked, or the word that it may go where that calls."""
    rows = services.store.connections.list(connector_id=EMBEDDED_CONNECTOR)
    origins = sorted({*row.allowed_origins, *_origins(sign_in, wanted)})
    is_wider = not all(may_go(origin, row.allowed_origins) for origin in origins)
    if row.shares_with or not _may_be_kept(services, rows, sign_in, wanted):
        return row
    if row.health is HealthState.PENDING_CONSENT:
        signed, app, _ = _with_sign_in(services, replace(row, allowed_origins=origins), wanted, is_kept=True)
        if app is not None and app.app_id == row.app_id:
            kept = ("client_id", "tenant", "settings", "sealed_secret", "secret_expires_at")
            services.store.connections.change_sign_in_app(app.app_id, **{name: getattr(app, name) for name in kept})
    elif is_wider and sign_in.is_known and wanted.credential is not None and holds_same(services, row, wanted):
        signed, app, _ = _with_sign_in(services, replace(row, allowed_origins=origins), wanted, is_kept=True)
        signed = replace(signed, health=row.health)
    elif is_wider and sign_in.is_known and wanted.is_by_app and holds_same(services, row, wanted):
        signed = replace(row, allowed_origins=origins, sealed_credential=b"")  # its app gets a token anew
    else:
        return row
    changes = {name: getattr(signed, name) for name in _SET_BY_A_FLOW}
    with suppress(Conflict):  # replaced meanwhile, and the newer one counts
        services.store.connections.swap_credential(
            row.connection_id,
            row.credential_version,
            signed.sealed_credential,
            sealed_candidate=b"",
            changed_at=services.clock.now,
            **changes,
        )
    services.changes.publish("connection", connection_id=row.connection_id, health=signed.health.value)
    return signed


def _may_be_kept(
    services: Services, rows: Iterable[ConnectionRow], sign_in: DistinctSignIn, wanted: EmbeddedSignIn
) -> bool:
    """Whether what is written signs in by itself: it is complete, and its secret is not one that is bound elsewhere and that
    nobody gave again.
    """
    if wanted.needs:
        return False
    return sign_in.is_known or not any(holds_secret(services, row, wanted) for row in rows)


def _with_sign_in(
    services: Services, row: ConnectionRow, wanted: EmbeddedSignIn, *, is_kept: bool
) -> tuple[ConnectionRow, SignInAppRow | None, bool]:
    """(the row with its credential, or with the sign-in app that gets it one when it first calls; that app; whether it is
    new). is_kept: False leaves out what is secret, so that the connection's sign-in is not finished.
    """
    row = replace(row, parameters=dict(wanted.plain), account_name=wanted.plain.get(wanted.method.user_parameter, ""))
    if wanted.is_by_app:
        app, is_new = _app(services, row, wanted, is_kept=is_kept)
        is_ready = app is not None and (wanted.is_managed_identity or bool(app.sealed_secret))
        health = HealthState.UNTESTED if is_ready else HealthState.PENDING_CONSENT
        return replace(row, app_id=app.app_id if app else "", health=health), app, is_new
    if not is_kept or wanted.credential is None:
        return row, None, False
    sealed = seal_credential(services.vault, row, wanted.credential)
    lifetime = lifetime_columns(row, wanted.credential)
    return replace(row, sealed_credential=sealed, health=HealthState.UNTESTED, **lifetime), None, False


def _app(
    services: Services, row: ConnectionRow, wanted: EmbeddedSignIn, *, is_kept: bool
) -> tuple[SignInAppRow | None, bool]:
    """(the sign-in app that the authentication describes, whether it is new)."""
    connector, oauth = services.connectors.get(EMBEDDED_CONNECTOR), wanted.method.oauth
    if wanted.is_managed_identity or oauth is None:
        try:
            return managed_identity_app(services, connector, wanted.plain), False
        except AskedWrongly:  # there is none yet
            return None, False
    origins = proof_origins(connector, wanted.plain)
    same = (
        app
        for app in services.store.connections.sign_in_apps(EMBEDDED_CONNECTOR)
        if is_kept and app_settings(app).origins == origins and proves_same(services, app, wanted)
    )
    known = next(same, None) or services.store.connections.get_sign_in_app(row.app_id)
    client_id = wanted.plain.get(oauth.app_parameters["client_id"], "")
    app = known or SignInAppRow(
        app_id=str(services.clock.guid()),
        connector_id=EMBEDDED_CONNECTOR,
        client_id=client_id,
        created_at=services.clock.now,
        display_name=client_id,
        owner_id=row.owner_id,
    )
    if known is not None and known.sealed_secret:
        return known, False
    app = replace(app, client_id=client_id, tenant=wanted.plain.get(oauth.app_parameters["tenant"], ""))
    return with_proof(services, app, (wanted.proof or "") if is_kept else "", origins), known is None


def _origins(sign_in: DistinctSignIn, wanted: EmbeddedSignIn) -> list[str]:
    return sorted({*sign_in.origins, *((wanted.token_origin,) if wanted.token_origin else ())})


def _free_name(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted} ({number})"
    return name
