"""Rows of what people are told, as values. Frozen; times aware, UTC."""

from datetime import datetime
from enum import StrEnum

from flowmend.core.json_value import Json
from flowmend.store.rows import Row


class NoticeKind(StrEnum):
    """What a notice tells of."""

    BROKEN = "broken"  # a credential source broke: one per incident
    MENDED = "mended"  # it works again: one per incident
    ESCALATED = "escalated"  # still broken after the time a route gives
    DIGEST = "digest"  # runs that failed for other reasons, together
    REPAIRED = "repaired"  # a repair plan ended or stopped
    TEST = "test"  # somebody asked whether messages arrive


class ChannelKind(StrEnum):
    """How a message leaves."""

    MAIL = "mail"
    WEBHOOK = "webhook"


class DeliveryState(StrEnum):
    """Where one message to one address stands."""

    DUE = "due"
    SENDING = "sending"  # handed over just now; written before it is
    SENT = "sent"
    UNKNOWN = "unknown"  # handed over, and no answer came: it may have arrived and is not sent again
    GIVEN_UP = "given_up"
    DROPPED = "dropped"  # no longer true before it could be sent


class NoticeRow(Row, frozen=True, kw_only=True):
    """Something people are told, once. subject: of what; unique with kind.

    Of an incident its id, with `/<minutes>` where it was escalated; of a digest when its time ended; of a plan
    `<id>/<when it was started>/<state>`. facts: names, numbers and codes the texts are made of, in the reader's language, when they are shown or sent; no secrets.
    """

    notice_id: str
    kind: NoticeKind
    subject: str
    owner_id: str = ""
    facts: Json = None
    at: datetime
    read_at: datetime | None = None


class MessageRouteRow(Row, frozen=True, kw_only=True):
    """Where messages go besides the portal.

    address: of a mail, or a webhook's URL; "" is the owner's own address. sealed_secret: signs what a webhook gets. after_minutes: 0 is told at once, more only
    where nobody mended it by then. kinds: which notices, empty for all.
    """

    route_id: str
    channel: ChannelKind
    address: str
    sealed_secret: bytes = b""
    after_minutes: int = 0
    kinds: Json = None
    language: str = ""
    is_on: bool = True
    created_at: datetime


class DeliveryRow(Row, frozen=True, kw_only=True):
    """One message to one address; a notice goes to each address once. next_at: of the next try. code: why the last one failed."""

    notice_id: str
    route_id: str
    state: DeliveryState = DeliveryState.DUE
    attempts: int = 0
    next_at: datetime | None = None
    sent_at: datetime | None = None
    code: str = ""
    message: str = ""
