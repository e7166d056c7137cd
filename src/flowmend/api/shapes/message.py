"""Messages and where they go. Nothing here holds a secret but the answer to making a webhook, and that once."""

from datetime import datetime
from enum import StrEnum

import msgspec

from flowmend.core.json_value import Json
from flowmend.store.notice_rows import ChannelKind, DeliveryRow, DeliveryState, NoticeKind, NoticeRow
from flowmend.use_cases.message_routes import MessagesView, NewRoute, RouteView
from flowmend.use_cases.message_settings import DigestEvery
from flowmend.use_cases.notice_facts import has_stopped


class MessageKind(StrEnum):
    """What a message tells. Routes know `stopped` as `repaired`: whoever hears of the end of a plan hears of both."""

    BROKEN = NoticeKind.BROKEN.value
    MENDED = NoticeKind.MENDED.value
    ESCALATED = NoticeKind.ESCALATED.value
    DIGEST = NoticeKind.DIGEST.value
    REPAIRED = NoticeKind.REPAIRED.value
    STOPPED = "stopped"  # a repair plan, by itself
    TEST = NoticeKind.TEST.value


class DeliveryShape(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one route. state `unknown`: handed over, no answer came. code, message: why it was not sent."""

    route: str
    state: DeliveryState
    attempts: int
    next_at: datetime | None
    sent_at: datetime | None
    code: str
    message: str


class MessageShape(msgspec.Struct, frozen=True, kw_only=True):
    """Something people are told, once. facts: names, numbers and codes, by kind. read_at: in the portal."""

    id: str
    kind: MessageKind
    at: datetime
    read_at: datetime | None
    facts: Json
    deliveries: list[DeliveryShape]


class MessageRouteShape(msgspec.Struct, frozen=True, kw_only=True):
    """Where messages go. address: "" where the owner's is not known. after_minutes: 0 at once, else only what is still broken.

    kinds: empty for all. secret: of a webhook, in the answer that makes it alone.
    """

    id: str
    channel: ChannelKind
    address: str
    after_minutes: int
    kinds: list[str]
    language: str
    is_on: bool
    is_owner: bool
    secret: str = ""

    def __repr__(self) -> str:
        return f"MessageRouteShape(id={self.id!r}, channel={self.channel!r})"


class MessageSettingsShape(msgspec.Struct, frozen=True, kw_only=True):
    """mail_connection: that mail goes through, "" for the server of FLOWMEND_SMTP_URL. mail_problem: a code where none leaves."""

    mail_connection: str
    mail_problem: str
    digest: DigestEvery
    owner_email: str
    owner_language: str


def message_shape(row: NoticeRow, deliveries: list[DeliveryRow]) -> MessageShape:
    return MessageShape(
        id=row.notice_id,
        kind=MessageKind.STOPPED if has_stopped(row) else MessageKind(row.kind.value),
        at=row.at,
        read_at=row.read_at,
        facts=row.facts,
        deliveries=[
            DeliveryShape(
                route=one.route_id,
                state=one.state,
                attempts=one.attempts,
                next_at=one.next_at,
                sent_at=one.sent_at,
                code=one.code,
                message=one.message,
            )
            for one in deliveries
        ],
    )


def route_shape(view: RouteView) -> MessageRouteShape:
    row = view.row
    return MessageRouteShape(
        id=row.route_id,
        channel=row.channel,
        address=view.address,
        after_minutes=row.after_minutes,
        kinds=list(row.kinds or ()),
        language=row.language,
        is_on=row.is_on,
        is_owner=view.is_owner,
    )


def new_route_shape(made: NewRoute) -> MessageRouteShape:
    shape = route_shape(RouteView(row=made.row, address=made.row.address, is_owner=False, last=None))
    return msgspec.structs.replace(shape, secret=made.secret)


def message_settings_shape(view: MessagesView) -> MessageSettingsShape:
    return MessageSettingsShape(
        mail_connection=view.settings.mail_connection,
        mail_problem=view.way.problem,
        digest=view.settings.digest,
        owner_email=view.owner.email,
        owner_language=view.owner.language,
    )
