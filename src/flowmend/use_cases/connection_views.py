"""Connections as people see them: a page of the list, and one with all there is to tell of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from flowmend.core.connection.forecast import End
from flowmend.core.connection.health import HealthState
from flowmend.core.connection.probe import SafeCall
from flowmend.core.connector.operation import SignInKind
from flowmend.core.outcome import Status
from flowmend.store.connection_list import ConnectionFilter, RunCounts
from flowmend.store.hourly_ticks import Tick
from flowmend.store.rows import ConnectionRow, ConnectorRow, RunRow
from flowmend.use_cases.changed_connector import hosts_to_trust
from flowmend.use_cases.connections import SecretField, connection_row, fields_of
from flowmend.use_cases.failed_calls import failed_call
from flowmend.use_cases.forecasts import connections_ending, ends_of_connection
from flowmend.use_cases.granted_scopes import scopes_not_granted
from flowmend.use_cases.known_health import PORTAL_STATUS
from flowmend.use_cases.ports import Services
from flowmend.use_cases.prove_credential import TestPlan, plan_test
from flowmend.use_cases.unreadable import CANNOT_BE_READ, why_connector_unreadable

_HOURS_SHOWN = 24
_HOUR = timedelta(hours=1)
_FAILED = (Status.FAILED, Status.TIMED_OUT)
#: What somebody has to do something about: no call works, or none will before long.
_IN_NEED = (HealthState.BROKEN, HealthState.PENDING_CONSENT, HealthState.REPAIRING)
_ENDS_SOON = timedelta(days=7)
#: As many as a database takes in one question.
_MOST_ENDING = 20_000
#: Many times what a page shows; for lists that are wanted whole.
_WHOLE = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionView:
    """A connection with what it is used by and what its breakage did.

    sign_in: a `SignInKind`. ticks: the last 24 hours, oldest first, each `ok`, `bad`, `held` or `none`. failed_run: the
    newest run that this connection failed. test: what a test would call, None where nothing can be tested. new_hosts: the
    origins its client secret must be given anew for. ends: what of its sign-in ends, the soonest first. missing_scopes:
    asked for and not granted, told of a single connection only. unreadable: why its connector no longer reads and what to
    do next, "" where it reads.
    """

    row: ConnectionRow
    connector: ConnectorRow
    sign_in: str
    used_by: tuple[tuple[str, str], ...]
    failed_runs: int
    held_events: int
    held_runs: int
    failed_run: RunRow | None
    ticks: tuple[str, ...]
    test: TestPlan | None
    fields: tuple[SecretField, ...]
    new_hosts: tuple[str, ...] = ()
    ends: tuple[End, ...] = ()
    missing_scopes: tuple[str, ...] = ()
    unreadable: str = ""

    @property
    def portal_status(self) -> str:
        """The English words of its health."""
        return PORTAL_STATUS[self.row.health]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionPage:
    """A page of the list. cursor: of the next page, "" at the end."""

    views: tuple[ConnectionView, ...]
    cursor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionCounts:
    """How many connections there are. in_need: somebody has to do something, or will within a week."""

    total: int
    in_need: int
    broken: int
    unfinished: int
    suspect: int
    untested: int


def needing_attention(services: Services, *, text: str = "") -> ConnectionFilter:
    """The connections that somebody has to do something about, now or within a week."""
    return ConnectionFilter(
        states=_IN_NEED,
        ends_before=services.clock.now + _ENDS_SOON,
        ids=connections_ending(services, _ENDS_SOON)[:_MOST_ENDING],
        text=text,
    )


async def page_of_connections(
    services: Services, wanted: ConnectionFilter, *, limit: int, cursor: str = ""
) -> ConnectionPage:
    """Connections that need somebody first, then by name. Errors: AskedWrongly `InvalidCursor`."""
    rows, following = services.store.connection_list.page(wanted, limit=limit, cursor=cursor)
    return ConnectionPage(views=_views(services, rows), cursor=following)


async def count_connections(services: Services) -> ConnectionCounts:
    """How many connections there are of each kind that lists are narrowed to."""
    by_health = services.store.connection_list.count_by_health()
    return ConnectionCounts(
        total=sum(by_health.values()),
        in_need=services.store.connection_list.count(needing_attention(services)),
        broken=by_health.get(HealthState.BROKEN, 0),
        unfinished=by_health.get(HealthState.PENDING_CONSENT, 0),
        suspect=by_health.get(HealthState.SUSPECT, 0),
        untested=by_health.get(HealthState.UNTESTED, 0),
    )


async def list_connections(services: Services) -> list[ConnectionView]:
    """Every connection, in the order of pages."""
    return list((await page_of_connections(services, ConnectionFilter(), limit=_WHOLE)).views)


async def views_of(services: Services, connection_ids: Sequence[str]) -> list[ConnectionView]:
    """The connections of these ids, in their order; those that are gone left out."""
    return list(_views(services, services.store.connection_list.rows(connection_ids)))


async def read_connection(services: Services, connection_id: str) -> ConnectionView:
    """Errors: NotFound."""
    row = connection_row(services, connection_id)
    (view,) = _views(services, [row], failed=failed_call(services.vault, row))
    return replace(view, missing_scopes=scopes_not_granted(services, row))


def _views(
    services: Services, rows: Sequence[ConnectionRow], *, failed: SafeCall | None = None
) -> tuple[ConnectionView, ...]:
    ids = [row.connection_id for row in rows]
    if not ids:
        return ()
    store, now = services.store, services.clock.now
    ticks = store.connection_list.hourly_ticks(_this_hour(now) - _HOUR * (_HOURS_SHOWN - 1), ids)
    using = store.blast_radius.flows_using(ids)
    counts = store.connection_list.run_counts(ids)
    held = store.trigger_events.held_of_each_flow()
    return tuple(
        _view(
            services,
            row,
            used_by=using.get(row.connection_id, {}),
            counts=counts.get(row.connection_id, RunCounts()),
            held_events=sum(held.get(flow_id, 0) for flow_id in using.get(row.connection_id, {})),
            ticks=_hourly(ticks.get(row.connection_id, ()), now),
            failed=failed,
        )
        for row in rows
    )


def _view(
    services: Services,
    row: ConnectionRow,
    *,
    used_by: dict[str, str],
    counts: RunCounts,
    held_events: int,
    ticks: tuple[str, ...],
    failed: SafeCall | None,
) -> ConnectionView:
    sign_in, test, unreadable = SignInKind.UNSUPPORTED, None, ""
    fields: tuple[SecretField, ...] = ()
    new_hosts: tuple[str, ...] = ()
    ends: tuple[End, ...] = ()
    try:
        connector = services.connectors.get(row.connector_id)
    except CANNOT_BE_READ as error:
        unreadable = why_connector_unreadable(error)
    else:
        method = connector.method_named(row.parameter_set)
        sign_in, test = method.kind, plan_test(connector, row, failed=failed)
        fields = fields_of(method, row.parameters or {})
        new_hosts = hosts_to_trust(services, row, connector)
        ends = ends_of_connection(services, row, method)
    return ConnectionView(
        row=row,
        connector=services.connectors.row(row.connector_id),
        sign_in=sign_in.value,
        used_by=tuple(used_by.items()),
        failed_runs=counts.failed,
        held_events=held_events,
        held_runs=counts.held,
        failed_run=counts.newest_failed,
        ticks=ticks,
        test=test,
        fields=fields,
        new_hosts=new_hosts,
        ends=ends,
        unreadable=unreadable,
    )


def _hourly(ticks: Sequence[Tick], now: datetime) -> tuple[str, ...]:
    """One word an hour: a failure shows before a hold, a hold before a success."""
    first = _this_hour(now) - _HOUR * (_HOURS_SHOWN - 1)
    words = ["none"] * _HOURS_SHOWN
    strength = {"none": 0, "ok": 1, "held": 2, "bad": 3}
    for tick in ticks:
        index = int((tick.hour - first) / _HOUR)
        word = "bad" if tick.status in _FAILED else "held" if tick.status == Status.WAITING else "ok"
        if 0 <= index < _HOURS_SHOWN and strength[word] > strength[words[index]]:
            words[index] = word
    return tuple(words)


def _this_hour(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
