"""Sends what stands in the outbox, each message once.

A row says that a message is being sent before it is. So a mail whose answer is lost, or whose sender is killed, is not sent again:
somebody may have read it. A webhook is, under its id.
"""

import logging
from datetime import timedelta

from flowmend.core.errors import FlowmendError, StoreUnavailable
from flowmend.core.json_value import Json
from flowmend.store.incident_rows import IncidentState
from flowmend.store.notice_rows import (
    ChannelKind,
    DeliveryRow,
    DeliveryState,
    MessageRouteRow,
    NoticeKind,
    NoticeRow,
)
from flowmend.use_cases.message_channels import (
    MailDoor,
    Message,
    Result,
    Sent,
    Write,
    send_by_connection,
    send_webhook,
)
from flowmend.use_cases.message_settings import MAIL_CONNECTION_BROKEN, MAIL_SIGN_IN_PENDING, mail_way
from flowmend.use_cases.note_notices import address_of
from flowmend.use_cases.ports import Services

_log = logging.getLogger(__name__)

#: How long to wait after each failure; after the last one it is given up, half a day later.
WAITS = tuple(timedelta(seconds=one) for one in (30, 60, 120, 300, 900, 1800, 3600, 7200, 14400, 14400))
#: A connection that breaks every minute must not fill a mailbox; what is mended before its turn is not sent at all.
MOST_PER_HOUR = 30
_NO_ROOM_FOR = timedelta(minutes=5)
_REPAIR_ASKED_EVERY = timedelta(minutes=5)
#: What was told first is to arrive first.
_AFTER_THE_FIRST = timedelta(seconds=5)
TOO_MANY = "TooManyMessages"


async def deliver(services: Services, door: MailDoor, row: DeliveryRow, write: Write) -> None:
    """Send one message that is due, or say why not and when again. Errors: StoreUnavailable."""
    store = services.store
    notice, route = store.notices.get(row.notice_id), store.message_routes.get(row.route_id)
    if notice is None or route is None or not route.is_on:
        _drop(services, row)
        return
    answers = _first_told(services, notice, row)
    if answers is None:
        return
    if _has_to_wait(services, door, notice, route, row):
        return
    message = write(notice, _language(services, route))
    if not store.deliveries.claim(row):
        return
    try:
        if route.channel is ChannelKind.WEBHOOK:
            sent = await send_webhook(services, route, notice, message, key_of(notice.notice_id, route.route_id))
        else:
            sent = await _mail(services, door, route, message, row, answers=answers)
    except StoreUnavailable:
        raise
    except FlowmendError as error:
        sent = Sent(result=Result.AGAIN, code=error.code, message=error.message)
    _settle(services, row, sent)


def key_of(notice_id: str, route_id: str) -> str:
    """What a message is known by, however often it is sent."""
    return f"{notice_id}/{route_id}"


async def _mail(
    services: Services, door: MailDoor, route: MessageRouteRow, message: Message, row: DeliveryRow, *, answers: str
) -> Sent:
    """answers: the notice it is a reply to, "" for none."""
    mail: dict[str, Json] = {
        "To": address_of(services, route),
        "Subject": message.subject,
        "Body": message.html,
        "PlainBody": message.plain,
        "IsAutomatic": True,
    }
    if services.settings.mail_from:
        mail["From"] = services.settings.mail_from
    if answers:
        mail["InReplyToKey"] = key_of(answers, route.route_id)
    way = mail_way(services)
    if way.problem:
        return Sent(result=Result.AGAIN, code=way.problem)
    if way.connection_id:
        return await send_by_connection(services, way.connection_id, mail, key_of(row.notice_id, row.route_id))
    return await door.send(services, mail, key_of(row.notice_id, row.route_id))


def _first_told(services: Services, notice: NoticeRow, row: DeliveryRow) -> str | None:
    """The notice this one answers, "" for none; None where it is not to be sent, now or ever."""
    store = services.store
    if notice.kind in {NoticeKind.BROKEN, NoticeKind.ESCALATED}:
        incident = store.incidents.get(notice.subject.partition("/")[0])
        if incident is None or incident.state is not IncidentState.OPEN:
            _drop(services, row)
            return None
    if notice.kind is not NoticeKind.MENDED:
        return ""
    breaks = [one.notice_id for one in store.notices.breaks_of(notice.subject)]
    first = store.deliveries.told(breaks).get(row.route_id)
    if first is None:
        _drop(services, row)
        return None
    before = store.deliveries.get(first, row.route_id)
    if before is not None and before.state is DeliveryState.SENDING:
        _put_off(services, row, _AFTER_THE_FIRST, "")
        return None
    return first


def _has_to_wait(
    services: Services, door: MailDoor, notice: NoticeRow, route: MessageRouteRow, row: DeliveryRow
) -> bool:
    now = services.clock.now
    is_full = services.store.deliveries.sent_since(route.route_id, now - timedelta(hours=1)) >= MOST_PER_HOUR
    if is_full and notice.kind is not NoticeKind.TEST:
        _put_off(services, row, _NO_ROOM_FOR, TOO_MANY)
        return True
    if route.channel is not ChannelKind.MAIL:
        return False
    way = mail_way(services)
    if way.problem == MAIL_CONNECTION_BROKEN:
        _put_off(services, row, _REPAIR_ASKED_EVERY, MAIL_CONNECTION_BROKEN)
        return True
    is_asked_for = notice.kind is NoticeKind.TEST and not row.attempts  # somebody wants to know now
    wait = timedelta() if way.connection_id or is_asked_for else door.wait(now)
    if wait:
        _put_off(services, row, wait, MAIL_SIGN_IN_PENDING)
    return bool(wait)


def _settle(services: Services, row: DeliveryRow, sent: Sent) -> None:
    now, attempts = services.clock.now, row.attempts + 1
    changes: dict[str, object] = {"code": sent.code, "message": sent.message}
    if sent.result is Result.SENT:
        changes |= {"state": DeliveryState.SENT, "sent_at": now}
    elif sent.result is Result.UNKNOWN:
        changes |= {"state": DeliveryState.UNKNOWN}
    elif sent.result is Result.REFUSED or attempts > len(WAITS):
        changes |= {"state": DeliveryState.GIVEN_UP}
    else:
        changes |= {"state": DeliveryState.DUE, "next_at": now + WAITS[attempts - 1]}
    if sent.result is not Result.SENT:
        _log.warning("Message %s to route %s was not sent: %s", row.notice_id, row.route_id, sent.code)
    services.store.deliveries.change(row.notice_id, row.route_id, **changes)
    if sent.is_let_in:
        services.store.deliveries.wake(MAIL_SIGN_IN_PENDING, now)
    _tell(services, row)


def _put_off(services: Services, row: DeliveryRow, wait: timedelta, code: str) -> None:
    services.store.deliveries.change(row.notice_id, row.route_id, next_at=services.clock.now + wait, code=code)
    if code != row.code:
        _tell(services, row)


def _drop(services: Services, row: DeliveryRow) -> None:
    services.store.deliveries.change(row.notice_id, row.route_id, state=DeliveryState.DROPPED, next_at=None)
    _tell(services, row)


def _tell(services: Services, row: DeliveryRow) -> None:
    services.changes.publish("notice", notice_id=row.notice_id, kind="")


def _language(services: Services, route: MessageRouteRow) -> str:
    people = services.store.access.people()
    return route.language or (people[0].language if people else "") or "en"
