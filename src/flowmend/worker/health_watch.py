"""Keeps connections honest: probes each in its slot, a doubtful one at once, and those of a scheduled run before it begins.

One task, driven by rows: what is due is asked of the store, so a restart loses nothing and ten thousand connections need
no timer. Few probes run at once, fewer still against one host, and a host that is slow holds up no other.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from flowmend.core.connection.health import HealthState
from flowmend.core.connection.probe_schedule import CATCH_UP, LATE_AFTER, looks_ahead, next_slot
from flowmend.core.errors import FlowmendError, StoreUnavailable
from flowmend.core.json_value import Json
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.known_health import needs_repair
from flowmend.use_cases.ports import Services
from flowmend.use_cases.probe_connections import needs_probe, planned_at, probe_connection
from flowmend.worker.row_watch import RowWatch

_log = logging.getLogger(__name__)

_LOOK_AGAIN = timedelta(seconds=60)
_SOONEST = timedelta(milliseconds=50)
#: What failed for a reason of ours is left alone this long.
_AFTER_TROUBLE = timedelta(minutes=10)
_MOST_AT_ONCE = 8
_MOST_PER_HOST = 2
_MOST_LISTED = 200
_ALL = 1_000_000
#: Where hosts are busy. Listing ten thousand takes its time.
_ALL_LISTED_EVERY = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """rows: to be probed now. used: the ids of those that flows use. is_all: nothing else is due."""

    rows: list[ConnectionRow]
    used: frozenset[str]
    is_all: bool


class HealthWatch(RowWatch):
    """One task that sleeps until the next connection is to be probed."""

    def __init__(self, services: Callable[[], Services]) -> None:
        super().__init__(services, name="health watch", look_again=_LOOK_AGAIN, soonest=_SOONEST)
        self._is_planned = False
        self._news: set[str] = set()
        self._probing: dict[str, asyncio.Task[None]] = {}
        self._hosts: Counter[str] = Counter()
        self._lists_all_at = 0.0

    def start(self) -> None:
        if self._services().settings.probe_period_minutes:
            self._is_planned = False
            super().start()

    def heard(self, topic: str, facts: dict[str, Json]) -> None:
        """A listener for `Changes`: a connection is new, doubtful, broken or mended."""
        if topic == "connection" and facts["connection_id"] not in self._probing:
            self._news.add(facts["connection_id"])
            self._changed.set()

    def _under_way(self) -> Collection[asyncio.Task[None]]:
        return self._probing.values()

    async def _look(self) -> timedelta:
        services = self._services()
        if not self._is_planned:
            await asyncio.to_thread(_plan_at_start, services)
            self._is_planned = True
        news, self._news = self._news, set()
        due = await asyncio.to_thread(_due, services, news, _MOST_LISTED)
        self._begin_some(services, due)
        if not due.is_all and len(self._probing) < _MOST_AT_ONCE:
            # The first are of hosts that are busy: whoever stands behind them need not wait for these.
            now = asyncio.get_running_loop().time()
            if now < self._lists_all_at:
                return timedelta(seconds=self._lists_all_at - now)
            self._lists_all_at = now + _ALL_LISTED_EVERY.total_seconds()
            self._begin_some(services, await asyncio.to_thread(_due, services, (), _ALL))
            return _ALL_LISTED_EVERY
        if due.rows:
            return _LOOK_AGAIN  # whichever probe ends says so
        return self._until(await asyncio.to_thread(services.store.probes.next_due))

    def _begin_some(self, services: Services, due: _Due) -> None:
        """Begin as many probes as may be under way."""
        for row in due.rows:
            if len(self._probing) >= _MOST_AT_ONCE:
                break
            host = _host(row)
            if row.connection_id not in self._probing and self._hosts.get(host, 0) < _MOST_PER_HOST:
                self._begin(services, row.connection_id, host, is_used=row.connection_id in due.used)

    def _begin(self, services: Services, connection_id: str, host: str, *, is_used: bool) -> None:
        self._hosts[host] += 1
        task = asyncio.get_running_loop().create_task(_probe(services, connection_id, is_used=is_used))
        self._probing[connection_id] = task

        def ended(_: asyncio.Task[None]) -> None:
            del self._probing[connection_id]
            self._hosts[host] -= 1
            if not self._hosts[host]:
                del self._hosts[host]
            self._changed.set()

        task.add_done_callback(ended)


async def _probe(services: Services, connection_id: str, *, is_used: bool) -> None:
    try:
        test = await probe_connection(services, connection_id, is_used=is_used)
        if test is not None and test.is_refused:
            _log.info("A probe of connection %s was refused: %s", connection_id, test.code)
    except FlowmendError as error:
        _log.warning("Connection %s could not be probed: %s", connection_id, error)
        await _leave_alone(services, connection_id)
    except Exception:  # noqa: BLE001  # one connection must not keep the others from being probed
        _log.exception("Connection %s could not be probed", connection_id)
        await _leave_alone(services, connection_id)


async def _leave_alone(services: Services, connection_id: str) -> None:
    """As if it had been looked at: a run ahead would have it probed again at once, and again."""
    now = services.clock.now
    with suppress(StoreUnavailable):
        await asyncio.to_thread(services.store.probes.plan, connection_id, now + _AFTER_TROUBLE, last_probe_at=now)


def _plan_at_start(services: Services) -> None:
    """Give a time to every connection that has none, and spread what was missed while the server was down."""
    store, now = services.store, services.clock.now
    rows = store.probes.unplanned()
    _plan(services, rows, now, store.probes.used([row.connection_id for row in rows]))
    missed = store.probes.due(now - LATE_AFTER, _ALL)
    store.probes.plan_all(
        [(row.connection_id, next_slot(row.connection_id, now, CATCH_UP)) for row in missed if not row.doubts]
    )


def _due(services: Services, news: Iterable[str], limit: int) -> _Due:
    """What is to be probed now, so many at most. What needs no probe is planned anew on the way."""
    store, settings, now = services.store, services.settings, services.clock.now
    changed = [row for one in sorted(news) if (row := store.connections.get(one)) is not None]
    used = store.probes.used([row.connection_id for row in changed])
    store.probes.plan_all(
        [
            (row.connection_id, _no_later(row, planned_at(settings, row, now, is_used=row.connection_id in used)))
            for row in changed
        ]
    )
    rows = store.probes.due(now, limit)
    used = store.probes.used([row.connection_id for row in rows])
    asked: list[ConnectionRow] = []
    later: list[ConnectionRow] = []
    for row in rows:
        needs = needs_probe(settings, row, now, is_used=row.connection_id in used)
        (asked if needs else later).append(row)
    _plan(services, later, now, used)
    known = {row.connection_id for row in asked}
    ahead = [row for row in _ahead(services, now) if row.connection_id not in known]
    used |= {row.connection_id for row in ahead}
    return _Due(rows=[*ahead, *asked], used=used, is_all=len(rows) < limit)


def _ahead(services: Services, now: datetime) -> Iterator[ConnectionRow]:
    """The connections to be probed now because a scheduled run needs them before long."""
    lead = timedelta(minutes=services.settings.probe_ahead_minutes)
    if not lead:
        return
    for one in services.store.probes.ahead(now, now + lead):
        row = one.row
        looks = [at for at in (row.last_probe_at, row.last_good_at) if at is not None]
        is_proven = row.last_good_at is not None and row.last_good_at >= one.run_at - lead
        if not needs_repair(row.health) and looks_ahead(
            one.run_at, now, lead, max(looks, default=None), is_proven=is_proven
        ):
            yield row


def _plan(services: Services, rows: Iterable[ConnectionRow], now: datetime, used: frozenset[str]) -> None:
    settings = services.settings
    services.store.probes.plan_all(
        [(row.connection_id, planned_at(settings, row, now, is_used=row.connection_id in used)) for row in rows]
    )


def _no_later(row: ConnectionRow, at: datetime | None) -> datetime | None:
    """News puts no probe off: tokens that are renewed every hour would keep one waiting for ever."""
    if at is None or row.next_probe_at is None or row.health is HealthState.BROKEN:
        return at
    return min(at, row.next_probe_at)


def _host(row: ConnectionRow) -> str:
    """What a probe bothers: the first address the connection may go to, else its connector."""
    return str(next(iter(row.allowed_origins or ()), row.connector_id))
