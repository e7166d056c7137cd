"""Incidents open, grow and close: told by everyone who learns that a credential was refused or proven."""

import asyncio
import logging

from flowmend.core.connection.health import HealthState
from flowmend.core.errors import StoreUnavailable
from flowmend.core.outcome import Category, Diagnosis, FixableBy
from flowmend.store.incident_rows import IncidentRow
from flowmend.store.incidents import Refusal
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.ports import Services

_log = logging.getLogger(__name__)

#: How long bad calls are counted in memory before they are written. A crash loses this much of a count.
_WRITTEN_AFTER_SECONDS = 1.0
#: A loop keeps no task alive by itself.
_being_written: set[asyncio.Task[None]] = set()


async def note_break(
    services: Services, row: ConnectionRow, diagnosis: Diagnosis, *, code: str, message: str, calls: int = 1
) -> str:
    """Open or join the incident of what a connection was refused for; its id, "" where the connection is good again.

    To be called once its health is written as broken. row: of the connection before or after that. code, message:
    as received, secrets removed. calls: how many refused calls this tells of, 0 where none was made.
    Errors: StoreUnavailable.
    """
    now, is_broken = services.clock.now, row.health in {HealthState.BROKEN, HealthState.REPAIRING}
    refusal = Refusal(
        at=now,
        since=(row.refused_at if is_broken else None) or now,
        category=diagnosis.category.value,
        fixable_by=diagnosis.fixable_by.value,
        remedy=diagnosis.remedy,
        code=code,
        message=message,
        calls=calls,
    )
    return await _fold(services, row, refusal)


async def note_known_break(services: Services, row: ConnectionRow, *, calls: int = 1) -> str:
    """As `note_break`, from what the connection's row says of its refusal."""
    since = row.refused_at or row.health_changed_at
    refusal = Refusal(
        at=since,
        since=since,
        category=row.refused_category or Category.UNKNOWN.value,
        fixable_by=row.refused_fixable_by or FixableBy.REVERIFY.value,
        remedy=row.remedy,
        code=row.refused_code,
        message=row.refused_message,
        calls=calls,
    )
    return await _fold(services, row, refusal)


async def note_proof(services: Services, connection_id: str) -> None:
    """A connection was proven good: mended in its incident, which closes when it was the last.

    To be called once its health is written as connected; nothing where it is in no incident. Errors: StoreUnavailable.
    """
    now = services.clock.now
    _tell(services, await asyncio.to_thread(services.store.incidents.prove, connection_id, now))


async def note_departure(services: Services, connection_id: str, person_id: str) -> None:
    """A connection was deleted: it leaves its incident, which closes when it was the last. Errors: StoreUnavailable."""
    now = services.clock.now
    _tell(services, await asyncio.to_thread(services.store.incidents.leave, connection_id, now, person_id))


async def note_bad_call(services: Services, connection_id: str) -> None:
    """Count a call that was refused, or stopped because the connection is broken. Written later, for many at once."""
    if services.store.incidents.note_bad_call(connection_id, services.clock.now):
        asyncio.get_running_loop().call_later(_WRITTEN_AFTER_SECONDS, _begin_writing, services)


async def make_consistent(services: Services) -> None:
    """Open and close what a server that was killed between a refusal, or a proof, and its incident left undone.

    Errors: StoreUnavailable.
    """
    alone, over = await asyncio.to_thread(services.store.incidents.adrift)
    for connection_id in alone:
        await _open_for(services, connection_id)
    for connection_id in over:
        await note_proof(services, connection_id)
        await note_departure(services, connection_id, "")  # nothing where it is still there


def _begin_writing(services: Services) -> None:
    task = asyncio.get_running_loop().create_task(_write(services))
    _being_written.add(task)
    task.add_done_callback(_being_written.discard)


async def _write(services: Services) -> None:
    try:
        for connection_id in await asyncio.to_thread(services.store.incidents.write_bad_calls):
            await _open_for(services, connection_id)  # its incident could not be written before
    except StoreUnavailable as error:
        _log.warning("Calls refused on broken connections were not counted: %s", error)


async def _open_for(services: Services, connection_id: str) -> None:
    row = await asyncio.to_thread(services.store.connections.get, connection_id)
    if row is not None and row.health is HealthState.BROKEN:
        await note_known_break(services, row)


async def _fold(services: Services, row: ConnectionRow, refusal: Refusal) -> str:
    new_id = str(services.clock.guid())
    incident = await asyncio.to_thread(services.store.incidents.fold, row, refusal, new_id)
    _tell(services, incident)
    return incident.incident_id if incident is not None else ""


def _tell(services: Services, incident: IncidentRow | None) -> None:
    if incident is not None:
        services.changes.publish("incident", incident_id=incident.incident_id, state=incident.state.value)
