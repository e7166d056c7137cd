"""Repair links: the owner of an account mends a connection without an account here.

A link is 256 random bits, of which only a digest is kept. It is good for one connection, within the one incident it was
made for, for 24 hours, until it has mended the connection or was revoked. Its secret stands in the fragment of the address,
which browsers send to nobody. Whatever is wrong with a link, the answer is the same: it tells nothing.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from msgspec.structs import replace

from flowmend.core.connector.operation import SignInKind
from flowmend.core.errors import AskedWrongly, Conflict, NotAllowed, TooManyAttempts
from flowmend.store.incident_rows import RepairLinkRow
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.bound_origins import origins_of_link
from flowmend.use_cases.connections import SecretField, connection_row, fields_of
from flowmend.use_cases.ports import Services
from flowmend.use_cases.recent_counts import RecentCounts
from flowmend.use_cases.secret_uses import Purpose, hosts_of
from flowmend.use_cases.swap_credential import Permit
from flowmend.use_cases.verify_connection import Verification, verify_connection

LINK_LASTS = timedelta(hours=24)
#: Wrong links from one address, and attempts with one link: far more than anybody needs, far fewer than a guess does.
_MOST_TRIES = 20
_WITHIN = timedelta(minutes=15)
_LONGEST_CODE = 200
#: Signed in to by what their owner enters, or in the browser; anything else is cured elsewhere.
_BY_OWNER = frozenset({SignInKind.BASIC, SignInKind.API_KEY, SignInKind.OAUTH2, SignInKind.CLIENT_CERTIFICATE})


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairPlan:
    """What the holder of a link sees: the connection, and nothing of flows and runs. fields: the secrets to enter."""

    connection_id: str
    connection_name: str
    connector_name: str
    connector_id: str
    account: str
    sign_in: str
    host: str
    fields: tuple[SecretField, ...]
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeLink:
    """url: with the secret in its fragment; shown this once."""

    url: str = field(repr=False)
    expires_at: datetime


def repair_door() -> RecentCounts:
    """Counts what is tried at repair links."""
    return RecentCounts(most=_MOST_TRIES, within=_WITHIN)


async def make_repair_link(
    services: Services, connection_id: str, person_id: str, *, confirmed: bool = False
) -> MadeLink:
    """A link for whoever holds the account of this connection. It replaces no earlier one.

    confirmed: whoever makes it knows that the person it goes to holds the account, so that a key whose owner its service
    does not name is taken too. Errors: NotFound; Conflict `NothingToRepair` where no open incident waits for it.
    """
    row = connection_row(services, connection_id)
    kind = services.connectors.get(row.connector_id).method_named(row.parameter_set).kind
    incident_id = services.store.incidents.open_of([connection_id]).get(connection_id, "")
    if not incident_id or kind not in _BY_OWNER:
        why = "is not broken" if not incident_id else "is not signed in to by a person; mend its sign-in app"
        raise Conflict(
            f"{row.display_name!r} {why}, so there is nothing to send a repair link for.", code="NothingToRepair"
        )
    secret, now = secrets.token_urlsafe(32), services.clock.now
    link = RepairLinkRow(
        digest=_digest(secret),
        incident_id=incident_id,
        connection_id=connection_id,
        created_by=person_id,
        created_at=now,
        expires_at=now + LINK_LASTS,
        is_confirmed=confirmed,
    )
    services.store.repair_links.add(link)
    details = {"incident": incident_id, "confirmed": confirmed}
    services.store.audit.note(person_id, "make_repair_link", connection_id, details, at=now)
    return MadeLink(url=f"{services.settings.base_url}/repair#{secret}", expires_at=link.expires_at)


async def list_repair_links(services: Services, connection_id: str) -> Sequence[RepairLinkRow]:
    """The links of a connection that were made lately, newest first. Errors: NotFound."""
    connection_row(services, connection_id)
    return services.store.repair_links.list(connection_id)


async def revoke_repair_links(services: Services, connection_id: str, person_id: str) -> int:
    """End the unused links of a connection; how many there were. Errors: NotFound."""
    connection_row(services, connection_id)
    now = services.clock.now
    count = services.store.repair_links.revoke(connection_id, now)
    services.store.audit.note(person_id, "revoke_repair_links", connection_id, {"count": count}, at=now)
    return count


async def open_repair_link(services: Services, secret: str, address: str) -> RepairPlan:
    """What there is to mend. address: of the caller; looking uses nothing up.

    Errors: NotAllowed `LinkNotGood`, whatever the reason; TooManyAttempts.
    """
    link, row = _good_link(services, secret, address)
    connector = services.connectors.get(row.connector_id)
    method = connector.method_named(row.parameter_set)
    asked = fields_of(method, row.parameters or {}) if method.kind is not SignInKind.OAUTH2 else ()
    return RepairPlan(
        connection_id=row.connection_id,
        connection_name=row.display_name,
        connector_name=connector.display_name,
        connector_id=row.connector_id,
        account=row.account_name,
        sign_in=method.kind.value,
        host=hosts_of(replace(row, allowed_origins=origins_of_link(services, row, connector, row.parameters or {}))),
        fields=tuple(one for one in asked if one.is_secret),
        expires_at=link.expires_at,
    )


async def repair_by_link(services: Services, secret: str, parameters: Mapping[str, str], address: str) -> Verification:
    """Test these secrets and, where the service accepts them, make them the connection's; then the link is used up.

    Errors: NotAllowed `LinkNotGood`; AskedWrongly for anything but its secrets; as `verify_connection`.
    """
    link, row = _good_link(services, secret, address, is_attempt=True)
    method = services.connectors.get(row.connector_id).method_named(row.parameter_set)
    for name in parameters:
        if name not in method.secret_names:  # who holds a link says no other host and no other user
            raise AskedWrongly(f"{name!r} cannot be changed by a repair link.", code="UnknownParameter", target=name)
    return await verify_connection(
        services,
        row.connection_id,
        parameters,
        person_id=link.created_by,
        confirmed=link.is_confirmed,
        purpose=Purpose.REPAIR_LINK,
        permit=use_up(services, link),
    )


def link_for_consent(services: Services, secret: str, address: str) -> RepairLinkRow:
    """The link, good to begin a sign-in in the browser with. Errors: as `open_repair_link`."""
    link, _ = _good_link(services, secret, address, is_attempt=True)
    return link


def use_up(services: Services, link: RepairLinkRow) -> Permit:
    """Uses the link up, to be called between proof and swap: of two who proved something only one gets in."""

    def permit() -> None:
        now = services.clock.now
        if not _is_open(services, link) or not services.store.repair_links.use(link.digest, now):
            raise _not_good()
        details = {"incident": link.incident_id, "made_by": link.created_by}
        services.store.audit.note("", "use_repair_link", link.connection_id, details, at=now)

    return permit


def wait_at_door(door: RecentCounts, key: str, now: datetime) -> None:
    """Errors: TooManyAttempts where this key was counted too often lately."""
    free_at = door.free_at(key, now)
    if free_at is not None:
        raise TooManyAttempts.until(free_at, now, "Too many tries.")


def _good_link(
    services: Services, secret: str, address: str, *, is_attempt: bool = False
) -> tuple[RepairLinkRow, ConnectionRow]:
    now, door = services.clock.now, services.repair_door
    wait_at_door(door, f"address {address}", now)
    link = services.store.repair_links.get(_digest(secret)) if 0 < len(secret) <= _LONGEST_CODE else None
    row = services.store.connections.get(link.connection_id) if link is not None else None
    if link is None or row is None or link.used_at or link.expires_at <= now or not _is_open(services, link):
        door.add(f"address {address}", now)
        raise _not_good()
    if is_attempt:
        wait_at_door(door, f"link {link.digest.hex()}", now)
        door.add(f"link {link.digest.hex()}", now)
    return link, row


def _is_open(services: Services, link: RepairLinkRow) -> bool:
    """Whether the incident waits for this connection still, itself or as part of one it was merged into."""
    waiting = services.store.incidents.open_of([link.connection_id]).get(link.connection_id, "")
    incident_id, seen = link.incident_id, set[str]()
    while waiting and incident_id and incident_id not in seen:
        if incident_id == waiting:
            return True
        seen.add(incident_id)
        incident = services.store.incidents.get(incident_id)
        incident_id = incident.merged_into if incident is not None else ""
    return False


def _not_good() -> NotAllowed:
    return NotAllowed(
        "This repair link is not good: it was used, withdrawn or is older than a day, or the connection works again. "
        "Ask whoever sent it for a new one.",
        code="LinkNotGood",
    )


def _digest(secret: str) -> bytes:
    # 256 random bits, so a plain digest cannot be searched.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
