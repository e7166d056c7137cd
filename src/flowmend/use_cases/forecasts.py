"""What will end before long, over all connections: told early enough that somebody can act in office hours."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flowmend.core.connection.credentials import OAuthCredential
from flowmend.core.connection.forecast import End, EndKind, SignInFacts, Urgency, days_left, ends_of, urgency
from flowmend.core.connection.probe_schedule import KEEP_ALIVE
from flowmend.core.connector import SignInKind, fill_url
from flowmend.core.connector.operation import SignInMethod
from flowmend.core.errors import AskedWrongly, Conflict, SecretUnreadable
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.connections import connection_row
from flowmend.use_cases.credential_holder import credential_holder
from flowmend.use_cases.ports import Services
from flowmend.use_cases.sealed_credentials import open_credential
from flowmend.use_cases.unreadable import CANNOT_BE_READ

#: The longest lead time people plan with; what ends later is no news yet.
AHEAD = timedelta(days=30)
_LATEST = timedelta(days=100 * 365)
#: Tokens that were not renewed for so long are not kept alive by anything.
_KEPT_ALIVE = 2 * KEEP_ALIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Something of a connection that ends. days_left: begun ones counted, 0 once it is over."""

    connection_id: str
    display_name: str
    end: End
    urgency: Urgency
    days_left: int


async def list_forecast(services: Services, *, ahead: timedelta = AHEAD) -> list[Forecast]:
    """What ends within this time or is over, of connections that still work; the soonest first."""
    now = services.clock.now
    found = [one for row in _may_end(services, now, ahead) for one in _forecast(services, row, now)]
    soon = [one for one in found if one.end.at - now <= ahead]
    return sorted(soon, key=lambda one: (one.end.at, one.display_name.casefold(), one.connection_id))


def connections_ending(services: Services, ahead: timedelta) -> tuple[str, ...]:
    """The ids of connections that still work and of which something ends within this time or is over."""
    now = services.clock.now
    return tuple(
        row.connection_id
        for row in _may_end(services, now, ahead)
        if any(one.end.at - now <= ahead for one in _forecast(services, row, now))
    )


def count_ending(services: Services) -> int:
    """Of how many connections something ends within a month."""
    return len(connections_ending(services, AHEAD))


def _may_end(services: Services, now: datetime, ahead: timedelta) -> Sequence[ConnectionRow]:
    store = services.store
    apps = [
        app.app_id
        for app in store.connections.sign_in_apps()
        if app.secret_expires_at is not None and app.secret_expires_at - now <= ahead
    ]
    return store.connection_list.ending(now + ahead, idle_since=now - _KEPT_ALIVE, app_ids=apps)


def ends_of_connection(services: Services, row: ConnectionRow, method: SignInMethod) -> tuple[End, ...]:
    """What of this connection's sign-in ends, the soonest first."""
    app = services.store.connections.get_sign_in_app(row.app_id) if row.app_id else None
    settings = method.oauth
    facts = SignInFacts(
        expires_at=row.expires_at,
        renews=_renews(services, row, method),
        refreshed_at=row.refreshed_at or row.health_changed_at,
        # An app that signs in as itself holds no grant that could lie idle.
        token_url=fill_url(settings.refresh_url, row.parameters or {})
        if settings is not None and method.kind is SignInKind.OAUTH2
        else "",
        lasts_until=row.lasts_until,
        lasts_until_kind=row.lasts_until_kind,
        app_secret_ends_at=app.secret_expires_at if app is not None else None,
    )
    return ends_of(facts)


async def note_end(services: Services, connection_id: str, ends_at: datetime | None, person_id: str) -> None:
    """Keep until when its owner knows a key or password to be good; None forgets it.

    Errors: NotFound; AskedWrongly for a time that nobody can mean; Conflict where the sign-in itself says when it ends.
    """
    row = connection_row(services, connection_id)
    now = services.clock.now
    if row.lasts_until_kind not in {"", EndKind.NOTED.value}:
        raise Conflict(
            f"The sign-in of {row.display_name!r} says itself when it ends.", code="EndIsKnown", target=connection_id
        )
    if ends_at is not None and not now - _LATEST < ends_at < now + _LATEST:
        raise AskedWrongly("That is no time within a hundred years.", code="InvalidTime", target="ends_at")
    kind = EndKind.NOTED.value if ends_at is not None else ""
    services.store.connections.change(connection_id, lasts_until=ends_at, lasts_until_kind=kind, changed_at=now)
    details = {"ends_at": ends_at.isoformat() if ends_at is not None else None}
    services.store.audit.note(person_id, "note_end", connection_id, details, at=now)
    services.changes.publish("connection", connection_id=connection_id)


def _forecast(services: Services, row: ConnectionRow, now: datetime) -> list[Forecast]:
    try:
        method = services.connectors.get(row.connector_id).method_named(row.parameter_set)
    except CANNOT_BE_READ:
        return []
    return [
        Forecast(
            connection_id=row.connection_id,
            display_name=row.display_name,
            end=end,
            urgency=urgency(end.at, now),
            days_left=days_left(end.at, now),
        )
        for end in ends_of_connection(services, row, method)
    ]


def _renews(services: Services, row: ConnectionRow, method: SignInMethod) -> bool:
    if method.kind is not SignInKind.OAUTH2:
        return method.kind is SignInKind.CLIENT_CREDENTIALS
    if row.refreshed_at is not None or row.expires_at is None:
        return True
    try:
        credential = open_credential(services.vault, credential_holder(services, row))
    except (Conflict, SecretUnreadable):
        return True  # its page says what is wrong with it; nothing ends
    return isinstance(credential, OAuthCredential) and bool(credential.refresh_token)
