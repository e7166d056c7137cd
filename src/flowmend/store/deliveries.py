"""The outbox: one row for each notice and address, written with the notice, so that no message is lost or sent twice."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, func, select

from flowmend.store.database import Database, select_row
from flowmend.store.notice_rows import ChannelKind, DeliveryRow, DeliveryState, NoticeKind
from flowmend.store.notice_tables import deliveries, message_routes, notices

#: Whoever has one of these may have read it.
TOLD = (DeliveryState.SENT, DeliveryState.UNKNOWN, DeliveryState.SENDING)


class DeliveryEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery with the notice it is of and the route it takes."""

    delivery: DeliveryRow
    kind: NoticeKind
    subject: str
    at: datetime


class Deliveries:
    """Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, notice_id: str, route_id: str) -> DeliveryRow | None:
        return self._database.first(select_row(deliveries, DeliveryRow).where(_one(notice_id, route_id)), DeliveryRow)

    def due(self, now: datetime, limit: int) -> Sequence[DeliveryRow]:
        """Those to be sent now, the longest due first."""
        chosen = select_row(deliveries, DeliveryRow).where(deliveries.c.next_at.is_not(None))
        chosen = chosen.where(deliveries.c.next_at <= now).order_by(deliveries.c.next_at).limit(limit)
        return self._database.every(chosen, DeliveryRow)

    def next_due(self) -> datetime | None:
        found = select_row(deliveries, DeliveryRow).where(deliveries.c.next_at.is_not(None))
        row = self._database.first(found.order_by(deliveries.c.next_at).limit(1), DeliveryRow)
        return None if row is None else row.next_at

    def claim(self, row: DeliveryRow) -> bool:
        """Take it to be sent, durably, before it is; False where another process did, or it is not due any more."""
        is_as_seen = (deliveries.c.state == DeliveryState.DUE) & (deliveries.c.attempts == row.attempts)
        changes = {"state": DeliveryState.SENDING, "attempts": row.attempts + 1, "next_at": None}
        return self._database.change(deliveries, _one(row.notice_id, row.route_id) & is_as_seen, changes)

    def put_off(self, row: DeliveryRow, until: datetime) -> bool:
        """Leave what is due alone for a while; what is being sent stays as it is: somebody may have got it."""
        is_due = deliveries.c.state == DeliveryState.DUE
        return self._database.change(deliveries, _one(row.notice_id, row.route_id) & is_due, {"next_at": until})

    def change(self, notice_id: str, route_id: str, **changes: Any) -> bool:
        return self._database.change(deliveries, _one(notice_id, route_id), changes)

    def recover(self, now: datetime) -> int:
        """What a process that was killed was sending: a webhook is sent again under its id, a mail is not; how many mails."""
        sending = deliveries.c.state == DeliveryState.SENDING
        hooks = select(message_routes.c.route_id).where(message_routes.c.channel == ChannelKind.WEBHOOK)
        self._database.changed(
            deliveries, sending & deliveries.c.route_id.in_(hooks), {"state": DeliveryState.DUE, "next_at": now}
        )
        changes = {"state": DeliveryState.UNKNOWN, "code": "AnswerLost", "next_at": None}
        return self._database.changed(deliveries, sending, changes)

    def wake(self, code: str, now: datetime) -> int:
        """Try at once what waits because of this; how many there were."""
        waiting = (deliveries.c.state == DeliveryState.DUE) & (deliveries.c.code == code)
        return self._database.changed(deliveries, waiting, {"next_at": now})

    def again(self, notice_id: str, route_id: str, now: datetime) -> bool:
        """Send once more what was given up or may not have arrived, because a person asks; False where it is neither."""
        stuck = deliveries.c.state.in_((DeliveryState.UNKNOWN, DeliveryState.GIVEN_UP))
        changes = {"state": DeliveryState.DUE, "attempts": 0, "next_at": now, "code": "", "message": ""}
        return self._database.change(deliveries, _one(notice_id, route_id) & stuck, changes)

    def told(self, notice_ids: Iterable[str]) -> dict[str, str]:
        """{route id: the first of these notices that it was told}, in the order of the notices given."""
        wanted = list(notice_ids)
        chosen = select(deliveries.c.notice_id, deliveries.c.route_id).where(
            deliveries.c.notice_id.in_(wanted), deliveries.c.state.in_(TOLD)
        )
        found = sorted(self._database.tuples(chosen), key=lambda one: wanted.index(one[0]), reverse=True)
        return {route_id: notice_id for notice_id, route_id in found}

    def drop_unsent(self, notice_ids: Iterable[str]) -> int:
        """What was not sent yet of these notices is no longer true; how many there were."""
        unsent = (deliveries.c.state == DeliveryState.DUE) & deliveries.c.notice_id.in_(list(notice_ids))
        return self._database.changed(deliveries, unsent, {"state": DeliveryState.DROPPED, "next_at": None})

    def sent_since(self, route_id: str, since: datetime) -> int:
        """How many messages a route got since then."""
        chosen = select(func.count()).where(deliveries.c.route_id == route_id, deliveries.c.sent_at > since)
        return int(self._database.value(chosen) or 0)

    def of_notices(self, notice_ids: Iterable[str]) -> dict[str, list[DeliveryRow]]:
        """{notice id: its deliveries}, those without left out."""
        chosen = select_row(deliveries, DeliveryRow).where(deliveries.c.notice_id.in_(list(notice_ids)))
        found: dict[str, list[DeliveryRow]] = {}
        for row in self._database.every(chosen.order_by(deliveries.c.route_id), DeliveryRow):
            found.setdefault(row.notice_id, []).append(row)
        return found

    def latest(self, limit: int) -> Sequence[DeliveryEntry]:
        """The latest, of the latest notices."""
        columns = [deliveries.c[name] for name in DeliveryRow.__struct_fields__]
        chosen = select(notices.c.kind, notices.c.subject, notices.c.at, *columns)
        chosen = chosen.join(notices, notices.c.notice_id == deliveries.c.notice_id)
        chosen = chosen.order_by(notices.c.at.desc(), deliveries.c.notice_id, deliveries.c.route_id).limit(limit)
        return [
            DeliveryEntry(
                delivery=DeliveryRow(**dict(zip(DeliveryRow.__struct_fields__, row, strict=True))),
                kind=kind,
                subject=subject,
                at=at,
            )
            for kind, subject, at, *row in self._database.tuples(chosen)
        ]


def _one(notice_id: str, route_id: str) -> ColumnElement[bool]:
    return and_(deliveries.c.notice_id == notice_id, deliveries.c.route_id == route_id)
