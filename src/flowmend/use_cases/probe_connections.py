"""Probe a connection that nobody asked about: what it learns goes into health and incident, as if a call had learnt it.

A refusal breaks a connection only where the probe is known to tell good from bad; an outage, a throttling or a guess that was
never seen to work changes nothing but when to look again.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from flowmend.core.connection.forecast import is_idle
from flowmend.core.connection.health import HealthEvent, HealthState, next_health
from flowmend.core.connection.probe import ProbeKind
from flowmend.core.connection.probe_schedule import (
    KEEP_ALIVE,
    UNUSED_FACTOR,
    counts_as_probe,
    next_probe_at,
    passes_by_itself,
)
from flowmend.core.connection.token_endpoint import SignInRefusal
from flowmend.core.connector import fill_url
from flowmend.core.errors import FlowmendError, StoreUnavailable
from flowmend.settings import Settings
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.connection_reports import NO_REFUSAL, report_good, report_refusal
from flowmend.use_cases.credential_holder import credential_holder
from flowmend.use_cases.held_events import release_held
from flowmend.use_cases.incident_watch import note_proof
from flowmend.use_cases.opened_connections import OpenedConnection, open_connection
from flowmend.use_cases.ports import Services
from flowmend.use_cases.probe_calls import CredentialTest, refused_by_provider
from flowmend.use_cases.prove_credential import test_opened
from flowmend.use_cases.sealed_credentials import open_credential

#: A connection whose connector or credential does not open is not asked about before its next slot.
_NO_TEST = CredentialTest(is_testable=False, is_proven=False, code="NotTestable")


def period_of(settings: Settings, *, is_used: bool) -> timedelta:
    """How often a connection is probed where nothing else is known of it."""
    period = timedelta(minutes=settings.probe_period_minutes)
    return period if is_used else period * UNUSED_FACTOR


def planned_at(settings: Settings, row: ConnectionRow, now: datetime, *, is_used: bool) -> datetime | None:
    """When to probe a connection, as it stands."""
    heals = passes_by_itself(row.refused_category, row.refused_fixable_by)
    period = period_of(settings, is_used=is_used)
    return next_probe_at(row.connection_id, row.health, now, period, doubts=row.doubts, heals=heals)


def needs_probe(settings: Settings, row: ConnectionRow, now: datetime, *, is_used: bool) -> bool:
    """Whether a connection that is due is to be asked at all, rather than planned anew.

    What a good call proved needs no probe, but tokens that lie idle are to be renewed all the same.
    """
    if row.refreshed_at is not None and now - row.refreshed_at >= KEEP_ALIVE:
        return True
    return not counts_as_probe(row.health, row.last_good_at, now, period_of(settings, is_used=is_used))


async def probe_connection(services: Services, connection_id: str, *, is_used: bool = True) -> CredentialTest | None:
    """Probe a connection's stored credential, report what came of it, and plan the next time.

    None where there is no such connection any more. Errors: StoreUnavailable.
    """
    row = await asyncio.to_thread(services.store.connections.get, connection_id)
    if row is None:
        return None
    try:
        test, opened = await _tested(services, row)
        await _report(services, opened, test)
    except StoreUnavailable:
        raise
    except FlowmendError:  # it does not open: its page says why, and what to do
        test = _NO_TEST
    await asyncio.to_thread(_plan_after, services, connection_id, test, is_used=is_used)
    return test


async def _tested(services: Services, row: ConnectionRow) -> tuple[CredentialTest, OpenedConnection]:
    connector = services.connectors.get(row.connector_id)
    holder = credential_holder(services, row)
    opened = open_connection(row, connector, open_credential(services.vault, holder), holder=holder)
    if _lies_idle(opened, services.clock.now):
        fresh = await services.operations.refresher.refreshed(services, opened)
        if isinstance(fresh, SignInRefusal):
            return refused_by_provider(fresh), opened
        renewed = CredentialTest(
            is_testable=True, is_proven=True, operation_id="token", code="OK", kind=ProbeKind.REFRESH
        )
        return renewed, fresh
    return await test_opened(services, opened)


def _lies_idle(opened: OpenedConnection, now: datetime) -> bool:
    oauth, settings = opened.oauth, opened.method.oauth
    if oauth is None or settings is None or not oauth.refresh_token:
        return False
    address = fill_url(settings.refresh_url, opened.row.parameters or {})
    return is_idle(address, opened.holder.refreshed_at or oauth.issued_at, now, KEEP_ALIVE)


async def _report(services: Services, opened: OpenedConnection, test: CredentialTest) -> None:
    if opened.row.health is HealthState.BROKEN:
        # Refused once more it stays so; its incident counts what runs were refused, not what we ask.
        if test.is_proven:
            await _mend(services, opened.row)
    elif test.is_proven:
        await report_good(services, opened)
    elif test.is_refused and test.is_trusted and test.diagnosis is not None:
        await report_refusal(services, opened, HealthEvent.REFUSED_AGAIN, test.diagnosis, test.code)


async def _mend(services: Services, row: ConnectionRow) -> None:
    """What had broken it passed by itself: the same credential is accepted again."""
    now, health = services.clock.now, next_health(row.health, HealthEvent.PROVEN)
    changes: dict[str, object] = {"health": health, "health_changed_at": now, "last_good_at": now, **NO_REFUSAL}
    change: Callable[..., bool] = services.store.connections.change_while_current
    if not await asyncio.to_thread(change, row.connection_id, row.credential_version, **changes):
        return
    services.changes.publish("connection", connection_id=row.connection_id, health=health.value)
    await note_proof(services, row.connection_id)
    await release_held(services, row.connection_id)


def _plan_after(services: Services, connection_id: str, test: CredentialTest, *, is_used: bool) -> None:
    row = services.store.connections.get(connection_id)
    if row is None:
        return
    now = services.clock.now
    is_doubtful = not test.is_proven and (
        test.is_transient or (test.is_refused and not test.is_trusted) or row.health is HealthState.SUSPECT
    )
    doubts = row.doubts + 1 if is_doubtful and row.health is not HealthState.BROKEN else 0
    asked = timedelta(seconds=test.retry_after_seconds or 0.0)
    at = next_probe_at(
        connection_id,
        row.health,
        now,
        period_of(services.settings, is_used=is_used),
        doubts=doubts,
        heals=passes_by_itself(row.refused_category, row.refused_fixable_by),
        retry_after=min(asked, timedelta(days=1)),
    )
    services.store.probes.plan(connection_id, at, last_probe_at=now, doubts=doubts)
