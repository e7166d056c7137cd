"""What a broken connection did: the runs it failed, those that wait for it, and what these are about."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from sqlalchemy import ColumnElement, Connection, exists, func, or_, select

from flowmend.core.outcome import Status
from flowmend.store.connection_tables import connection_mappings, incident_connections
from flowmend.store.database import Database
from flowmend.store.hour_counts import HOUR, HourCount, HourCounts, settled_until
from flowmend.store.tables import HAS_CONNECTION, IS_THERE, flows, runs, tracked_values

#: What a window came to is kept, and counted on from there.
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_COUNTED_EVERY = timedelta(minutes=5)
_FAILED = (Status.FAILED.value, Status.TIMED_OUT.value)


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which a connection was broken. until: when it was mended, None while it is not."""

    connection_id: str
    since: datetime
    until: datetime | None = None


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What a window's runs that ended before `until` come to, by flow."""

    until: datetime
    forgotten: int
    counts: Counter[str]


class AffectedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that failed for a connection."""

    run_name: str
    flow_id: str
    failed_action: str
    error_code: str
    started_at: datetime


class BlastRadius:
    """A run counts where it named the connection as what failed it, began before the mend, and ended after the break and before
    the connection broke again.

    Errors of all methods: StoreUnavailable.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._others = HourCounts(database, self._count_others)
        self._kept: dict[Window, _Kept] = {}

    def failed_by_flow(self, windows: Sequence[Window]) -> dict[str, int]:
        """{flow id: number of runs that failed}, flows without any left out."""
        return dict(sum(self._failed(windows), Counter[str]()))

    def failed_by_connection(self, connection_ids: Sequence[str]) -> dict[str, int]:
        """{connection id: number of runs it ever failed}"""
        ever = [Window(connection_id=connection_id, since=_LONG_AGO) for connection_id in connection_ids]
        return {one: counts.total() for one, counts in zip(connection_ids, self._failed(ever), strict=True)}

    def failed_for_other_reasons(self, since: datetime, until: datetime) -> Sequence[tuple[str, str, int]]:
        """(flow id, error code, number of runs) of what ended badly within a time and no broken connection failed."""
        members = incident_connections.c
        is_late = or_(members.mended_at.is_(None), members.mended_at > since)
        broken = self._database.tuples(
            select(members.connection_id, members.first_bad_at, members.mended_at).where(is_late)
        )
        counts: Counter[tuple[str, str]] = Counter()
        for _hour, flow_id, error_code, count in self._others.between(since, until, rests_on=frozenset(broken)):
            counts[flow_id, error_code] += count
        return [(flow_id, error_code, count) for (flow_id, error_code), count in counts.items()]

    def _failed(self, windows: Sequence[Window]) -> Iterator[Counter[str]]:
        """{flow id: number of runs that failed}, of each window in turn."""
        settled, forgotten = settled_until(self._database), self._database.forgotten
        with self._database.reading() as connection:
            for window in windows:
                kept = self._kept.get(window)
                if kept is None or kept.until > settled or kept.forgotten != forgotten:
                    kept = _Kept(until=window.since, forgotten=forgotten, counts=Counter())
                if settled - kept.until > _COUNTED_EVERY:
                    counted = kept.counts + _count_failed(connection, window, kept.until, settled)
                    kept = self._kept[window] = _Kept(until=settled, forgotten=forgotten, counts=counted)
                yield kept.counts + _count_failed(connection, window, kept.until, None)

    def _count_others(self, since: datetime, until: datetime | None) -> Sequence[HourCount]:
        members = incident_connections.c
        broken = exists().where(
            members.connection_id == runs.c.connection_id,
            members.first_bad_at <= runs.c.ended_at,
            or_(members.mended_at.is_(None), members.mended_at > runs.c.started_at),
        )
        chosen = select(HOUR, runs.c.flow_id, runs.c.error_code, func.count()).where(
            runs.c.ended_at >= since, runs.c.status.in_(_FAILED), ~broken, IS_THERE
        )
        if until is not None:
            chosen = chosen.where(runs.c.ended_at < until)
        return self._database.tuples(chosen.group_by(HOUR, runs.c.flow_id, runs.c.error_code))

    def newest_failed(self, windows: Sequence[Window], limit: int) -> Sequence[AffectedRun]:
        """The runs that failed last, the latest end first."""
        columns = [runs.c[name] for name in AffectedRun.__struct_fields__]
        found: list[tuple[datetime, AffectedRun]] = []
        with self._database.reading() as connection:
            for window in windows:
                latest = runs.c.ended_at.desc()
                chosen = select(runs.c.ended_at, *columns).where(*failed_in(window)).order_by(latest).limit(limit)
                found += [(ended_at, _affected(run)) for ended_at, *run in connection.execute(chosen)]
        found.sort(key=lambda one: (one[0], one[1].run_name), reverse=True)
        return [run for _, run in found[:limit]]

    def flows_using(self, connection_ids: Sequence[str]) -> dict[str, dict[str, str]]:
        """{connection id: {flow id: its name}}, by name; connections that no flow uses left out."""
        mapped = connection_mappings.c
        chosen = select(mapped.connection_id, flows.c.flow_id, flows.c.name).distinct()
        chosen = chosen.join(flows, flows.c.flow_id == mapped.flow_id).where(mapped.connection_id.in_(connection_ids))
        using: dict[str, dict[str, str]] = {}
        for connection_id, flow_id, name in self._database.tuples(chosen.order_by(flows.c.name, flows.c.flow_id)):
            using.setdefault(connection_id, {})[flow_id] = name
        return using

    def held_by_connection(self, connection_ids: Sequence[str]) -> dict[str, int]:
        """{connection id: how many runs wait for it now}, those for which none waits left out."""
        # What has not ended stands together in the index, behind each connection.
        is_held = runs.c.ended_at.is_(None) & (runs.c.status == Status.WAITING.value) & HAS_CONNECTION
        held = select(runs.c.connection_id, func.count()).where(is_held, runs.c.connection_id.in_(connection_ids))
        held = held.with_hint(runs, "INDEXED BY ix_runs_connection_ended", "sqlite")
        return dict(self._database.tuples(held.group_by(runs.c.connection_id)))

    def tracked(self, windows: Sequence[Window], name: str, among: int) -> Sequence[str]:
        """The values that runs which failed tracked under this name, or any where "", of the last failed first, each once.

        among: how many runs of each window are asked, the last ones; asking all of a hundred thousand takes its time.
        """
        found: list[tuple[datetime, str]] = []
        with self._database.reading() as connection:
            for window in windows:
                found += _tracked(connection, window, name, among)
        found.sort(key=lambda one: one[0], reverse=True)
        return list(dict.fromkeys(value for _, value in found))


def failed_in(window: Window) -> Iterator[ColumnElement[bool]]:
    """The conditions on `runs`, to be joined by AND, of those that a connection failed while it was broken."""
    yield HAS_CONNECTION
    yield runs.c.connection_id == window.connection_id
    yield runs.c.ended_at >= window.since
    yield runs.c.status.in_(_FAILED)
    yield IS_THERE
    if window.until is not None:
        yield runs.c.started_at < window.until
        # What arrived while it was broken is older than the mend; where it fails in the next break, that one failed it.
        members = incident_connections.c
        later = (members.connection_id == window.connection_id) & (members.first_bad_at >= window.until)
        next_break = select(func.min(members.first_bad_at)).where(later).scalar_subquery()
        yield next_break.is_(None) | (runs.c.ended_at < next_break)


def _count_failed(connection: Connection, window: Window, since: datetime, until: datetime | None) -> Counter[str]:
    """{flow id: number of runs} of a window that ended within a part of it."""
    is_meant = list(failed_in(msgspec.structs.replace(window, since=since)))
    if until is not None:
        is_meant.append(runs.c.ended_at < until)
    chosen = select(runs.c.flow_id, func.count()).where(*is_meant).group_by(runs.c.flow_id)
    chosen = chosen.with_hint(runs, "INDEXED BY ix_runs_connection_ended", "sqlite")
    return Counter(dict(connection.execute(chosen).tuples().all()))


def _tracked(connection: Connection, window: Window, name: str, among: int) -> list[tuple[datetime, str]]:
    last = select(runs.c.run_name, runs.c.ended_at).where(*failed_in(window))
    asked = last.order_by(runs.c.ended_at.desc()).limit(among).subquery()
    same = tracked_values.c.run_name == asked.c.run_name
    if name:
        same &= tracked_values.c.name == name
    chosen = select(asked.c.ended_at, tracked_values.c.value).select_from(asked).join(tracked_values, same)
    return [(ended_at, value) for ended_at, value in connection.execute(chosen)]


def _affected(run: Sequence[object]) -> AffectedRun:
    return AffectedRun(**dict(zip(AffectedRun.__struct_fields__, run, strict=True)))  # type: ignore[arg-type]
