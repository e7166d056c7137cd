"""What calls learn of a connection goes into its health, by the one table of `core.connection.health`, and its incident."""

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from datetime import datetime, timedelta

from msgspec.structs import replace

from flowmend.core.connection.health import HealthEvent, HealthState, next_health
from flowmend.core.connection.redaction import shortened
from flowmend.core.connector import refused_outcome
from flowmend.core.errors import StoreUnavailable
from flowmend.core.outcome import Category, Diagnosis, FixableBy, Outcome
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.incident_watch import note_bad_call, note_break, note_proof
from flowmend.use_cases.known_health import needs_repair
from flowmend.use_cases.opened_connections import OpenedConnection
from flowmend.use_cases.ports import Services
from flowmend.use_cases.sign_in_gate import STOPPED

_log = logging.getLogger(__name__)

_GOOD_IS_NEWS_AFTER = timedelta(seconds=60)
#: The columns of a connection that tell of no refusal.
NO_REFUSAL: Mapping[str, object] = {
    "refused_at": None,
    "refused_code": "",
    "refused_message": "",
    "refused_category": "",
    "refused_fixable_by": "",
    "remedy": "",
}


async def report_good(services: Services, opened: OpenedConnection) -> None:
    """A call was accepted. Written only where the state changes, the old credential was still kept, or after a minute."""
    row, now = opened.row, services.clock.now
    if needs_repair(row.health):  # the call was under way when the connection broke; only a proof mends it
        return
    health = next_health(row.health, HealthEvent.GOOD)
    is_fresh = row.last_good_at is not None and now - row.last_good_at < _GOOD_IS_NEWS_AFTER
    if health is row.health and is_fresh and not row.sealed_candidate:
        return
    changes: dict[str, object] = {"last_good_at": now, "sealed_candidate": b""}
    if health is not row.health:
        changes |= {"health": health, "health_changed_at": now, **NO_REFUSAL}
    opened.row = replace(row, **changes)  # before the write: calls ending meanwhile need not write again
    if not await _written(services, row, changes):
        opened.row = row
    elif health is not row.health:
        services.changes.publish("connection", connection_id=row.connection_id, health=health.value)
        await _noted(note_proof(services, row.connection_id), row)


async def report_refusal(
    services: Services, opened: OpenedConnection, event: HealthEvent, diagnosis: Diagnosis, code: str
) -> None:
    """A call or refresh was refused for its credential. Nothing where the credential was replaced meanwhile."""
    known = opened.row
    try:
        row = await asyncio.to_thread(services.store.connections.get, known.connection_id)
    except StoreUnavailable as error:
        _log.warning("What a call learnt of connection %s is lost: %s", known.connection_id, error)
        return
    if row is None or row.credential_version != opened.row.credential_version:
        return
    health = next_health(row.health, event)
    if health in {row.health, opened.row.health}:  # as it was, or another call of the same moment has written it
        if health in {HealthState.BROKEN, HealthState.REPAIRING}:
            await note_bad_call(services, row.connection_id)
        return
    now = services.clock.now
    changes: dict[str, object] = {"health": health, "health_changed_at": now}
    message = diagnosis.message or f"The service answered {code}."
    if health is HealthState.BROKEN:
        changes |= refusal_columns(diagnosis, code=code, message=message, at=now)
    opened.row = replace(row, **changes)
    if not await _written(services, row, changes):
        opened.row = known
        return
    services.changes.publish("connection", connection_id=row.connection_id, health=health.value)
    if health is HealthState.BROKEN:
        await _noted(note_break(services, opened.row, diagnosis, code=code, message=message), row)


async def stop_call(services: Services, row: ConnectionRow) -> Outcome:
    """The end of a call on a connection known to be broken, unsent: repeated sign-ins lock accounts out."""
    if row.health is not HealthState.PENDING_CONSENT:  # what never worked did not break
        await note_bad_call(services, row.connection_id)
    return _known_refusal(row)


def refusal_columns(diagnosis: Diagnosis, *, code: str, message: str, at: datetime) -> dict[str, object]:
    """The columns of a connection that tell of a refusal. code, message: as received, secrets removed."""
    return {
        "refused_at": at,
        "refused_code": code,
        "refused_message": shortened(message),
        "refused_category": diagnosis.category.value,
        "refused_fixable_by": diagnosis.fixable_by.value,
        "remedy": diagnosis.remedy,
    }


async def _written(services: Services, row: ConnectionRow, changes: dict[str, object]) -> bool:
    """Whether the store took it; not where the credential was replaced since `row` was read.

    A call that was answered keeps its outcome: the next one reports again.
    """
    change, version = services.store.connections.change_while_current, row.credential_version
    try:
        return await asyncio.to_thread(change, row.connection_id, version, **changes)
    except StoreUnavailable as error:
        _log.warning("What a call learnt of connection %s is lost: %s", row.connection_id, error)
        return False


async def _noted(noting: Awaitable[object], row: ConnectionRow) -> None:
    """Incidents that miss something are made good at the next bad call or start; the call keeps its outcome."""
    try:
        await noting
    except StoreUnavailable as error:
        _log.warning("What a call learnt of connection %s is missing in its incident: %s", row.connection_id, error)


def _known_refusal(row: ConnectionRow) -> Outcome:
    if row.health is HealthState.PENDING_CONSENT:
        message = f"The connection {row.display_name!r} is not signed in yet. Sign in on its page."
    else:
        since = (row.refused_at or row.health_changed_at).strftime("%Y-%m-%d %H:%M:%S UTC")
        said = f" The service said: {row.refused_message}" if row.refused_message else ""
        message = f"The connection {row.display_name!r} needs repair since {since}, so the call was not sent.{said}"
    refused = refused_outcome("Unauthorized", message, connection_id=row.connection_id)
    return replace(refused, diagnosis=_stored_diagnosis(row))


def _stored_diagnosis(row: ConnectionRow) -> Diagnosis:
    """What the refusal that broke a connection said."""
    return Diagnosis(
        category=Category(row.refused_category) if row.refused_category else Category.UNKNOWN,
        fixable_by=FixableBy(row.refused_fixable_by) if row.refused_fixable_by else FixableBy.REVERIFY,
        is_auth_failure=True,
        connection_broken=True,
        remedy=row.remedy or "sign_in_again",
        rule=STOPPED,
        code=row.refused_code or "Unauthorized",
        message=row.refused_message,
    )
