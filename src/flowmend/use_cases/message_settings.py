"""How messages to people leave, and how often failures of other kinds are summed up: what the settings and people chose."""

from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum

import msgspec

from flowmend.core.connection.health import HealthState
from flowmend.core.errors import AskedWrongly, NotFound
from flowmend.use_cases.ports import Services

MAIL_CONNECTOR = "smtp"
_NAME = "messages"
#: When a day's digest is told, in this machine's zone: before the first look into the mail.
_DIGEST_AT = time(6)


class DigestEvery(StrEnum):
    """How often runs that failed for reasons other than a broken connection are summed up."""

    OFF = "off"
    HOUR = "hour"
    DAY = "day"


class MessageSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What people chose. mail_connection: that mail goes through, "" for the server of `FLOWMEND_SMTP_URL`."""

    mail_connection: str = ""
    digest: DigestEvery = DigestEvery.DAY


class MailWay(msgspec.Struct, frozen=True, kw_only=True):
    """How mail leaves. connection_id: "" for the server of the settings. problem: a code where no mail can leave, else "".

    name: of the connection, or the server's host.
    """

    connection_id: str = ""
    name: str = ""
    problem: str = ""


#: Neither a setting nor a connection says how mail leaves.
NO_MAIL = "NoMailServer"
#: The connection that mail goes through was deleted.
MAIL_CONNECTION_GONE = "NoMailConnection"
#: The connection that mail goes through needs repair itself.
MAIL_CONNECTION_BROKEN = "ConnectionNeedsRepair"
#: The mail server of the settings has not let another message in yet; this one waits for its next try.
MAIL_SIGN_IN_PENDING = "MailSignInPending"
#: The settings name a mail server and nobody to send as.
NO_SENDER = "NoMailSender"


def message_settings(services: Services) -> MessageSettings:
    """What was chosen, or the defaults. Errors: StoreUnavailable."""
    kept = services.store.preferences.get(_NAME)
    try:
        return msgspec.convert(kept or {}, MessageSettings)
    except msgspec.ValidationError:
        return MessageSettings()


def change_message_settings(
    services: Services, *, mail_connection: str | None = None, digest: str | None = None, person_id: str
) -> MessageSettings:
    """What is None stays. Errors: NotFound, AskedWrongly, StoreUnavailable."""
    changes: dict[str, object] = {}
    if mail_connection is not None:
        row = services.store.connections.get(mail_connection) if mail_connection else None
        if mail_connection and (row is None or row.connector_id != MAIL_CONNECTOR):
            raise NotFound(
                f"There is no connection {mail_connection!r} that sends mail.",
                code="ConnectionNotFound",
                target="mail_connection",
            )
        changes["mail_connection"] = mail_connection
    if digest is not None:
        if digest not in set(DigestEvery):
            wanted = ", ".join(DigestEvery)
            raise AskedWrongly(f"The digest is one of {wanted}.", code="InvalidDigest", target="digest")
        changes["digest"] = DigestEvery(digest)
    chosen = msgspec.structs.replace(message_settings(services), **changes)
    services.store.preferences.put(_NAME, msgspec.to_builtins(chosen))
    services.store.audit.note(person_id, "change_messages", _NAME, msgspec.to_builtins(chosen), at=services.clock.now)
    services.changes.publish("notice", notice_id="", kind="")
    return chosen


def mail_way(services: Services) -> MailWay:
    """How mail leaves now, or why it cannot. Errors: StoreUnavailable."""
    chosen, settings = message_settings(services).mail_connection, services.settings
    if chosen:
        row = services.store.connections.get(chosen)
        if row is None:
            return MailWay(connection_id=chosen, problem=MAIL_CONNECTION_GONE)
        is_broken = row.health in {HealthState.BROKEN, HealthState.PENDING_CONSENT}
        problem = MAIL_CONNECTION_BROKEN if is_broken else ""
        return MailWay(connection_id=chosen, name=row.display_name, problem=problem)
    if settings.mail is None:
        return MailWay(problem=NO_MAIL)
    has_sender = "@" in (settings.mail_from or settings.mail.user)
    return MailWay(name=settings.mail.host, problem="" if has_sender else NO_SENDER)


def last_digest_end(every: DigestEvery, now: datetime, zone: tzinfo) -> datetime:
    """When the latest whole hour, or day to six in the morning, ended; aware, UTC. every: not OFF."""
    local = now.astimezone(zone)
    if every is DigestEvery.HOUR:
        return local.replace(minute=0, second=0, microsecond=0).astimezone(UTC)
    end = datetime.combine(local.date(), _DIGEST_AT, zone)
    if end > local:
        end = datetime.combine(local.date() - timedelta(days=1), _DIGEST_AT, zone)
    return end.astimezone(UTC)


def next_digest_end(every: DigestEvery, now: datetime, zone: tzinfo) -> datetime:
    """When the hour or day that runs now ends; aware, UTC. every: not OFF."""
    if every is DigestEvery.HOUR:
        return last_digest_end(every, now, zone) + timedelta(hours=1)
    after = last_digest_end(every, now, zone).astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(after, _DIGEST_AT, zone).astimezone(UTC)
