"""Where messages go: the owner out of the box, then whoever else is to know; trying one out, and what became of each."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

import msgspec

from flowmend.core.errors import AskedWrongly, Conflict, NotFound, TooManyAttempts
from flowmend.store.deliveries import DeliveryEntry
from flowmend.store.notice_rows import ChannelKind, DeliveryRow, MessageRouteRow, NoticeKind, NoticeRow
from flowmend.store.rows import PersonRow
from flowmend.use_cases.access import ensure_owner
from flowmend.use_cases.message_channels import new_secret, seal_secret
from flowmend.use_cases.message_settings import MAIL_CONNECTOR, MailWay, MessageSettings, mail_way, message_settings
from flowmend.use_cases.note_notices import OWNER_ROUTE, address_of, note_trial
from flowmend.use_cases.ports import Services

#: Tests go to addresses that somebody typed: a portal is no way to fill other people's mailboxes.
MOST_TESTS = 5
TESTS_WITHIN = timedelta(minutes=10)
_MOST_ROUTES = 50
_LONGEST_URL = 2_000
_LONGEST_WAIT_MINUTES = 7 * 24 * 60
#: What messages are written in: the portal's languages, which a test compares.
LANGUAGES = ("en", "zh-Hant")
#: What a route may be told of; a test arrives everywhere.
KINDS = tuple(kind for kind in NoticeKind if kind is not NoticeKind.TEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteView:
    """A route. address: where it leads now, "" for nowhere. is_owner: the one out of the box. last: its latest message."""

    row: MessageRouteRow
    address: str
    is_owner: bool
    last: DeliveryEntry | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesView:
    """Everything about messages. owner: who is told first. connections: (id, name) of those that mail could go through."""

    settings: MessageSettings
    way: MailWay
    owner: PersonRow
    routes: tuple[RouteView, ...]
    connections: tuple[tuple[str, str], ...]
    history: tuple[DeliveryEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRoute:
    """secret: what a webhook's receiver checks signatures with, shown this once; "" of a mail."""

    row: MessageRouteRow
    secret: str

    def __repr__(self) -> str:
        return f"NewRoute({self.row.route_id})"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeList:
    """A page of notices, the latest first. deliveries: {notice id: what was sent}. next_cursor: "" on the last page."""

    notices: Sequence[NoticeRow]
    deliveries: dict[str, list[DeliveryRow]]
    unread: int
    next_cursor: str


_HISTORY = 50


def ensure_owner_route(services: Services) -> None:
    """The owner is told by mail out of the box, once an address and a way for mail are known. Errors: StoreUnavailable."""
    if services.store.message_routes.get(OWNER_ROUTE) is None:
        try:
            services.store.message_routes.add(
                MessageRouteRow(
                    route_id=OWNER_ROUTE, channel=ChannelKind.MAIL, address="", created_at=services.clock.now
                )
            )
        except Conflict:
            return  # another process was quicker


async def read_messages(services: Services) -> MessagesView:
    """Errors: StoreUnavailable."""
    store = services.store
    ensure_owner_route(services)
    history = store.deliveries.latest(_HISTORY)
    last: dict[str, DeliveryEntry] = {}
    for one in history:
        last.setdefault(one.delivery.route_id, one)
    return MessagesView(
        settings=message_settings(services),
        way=mail_way(services),
        owner=await ensure_owner(services),
        routes=tuple(
            RouteView(
                row=row,
                address=address_of(services, row),
                is_owner=row.route_id == OWNER_ROUTE,
                last=last.get(row.route_id),
            )
            for row in sorted(
                store.message_routes.list(), key=lambda one: (one.after_minutes, one.route_id != OWNER_ROUTE)
            )
        ),
        connections=tuple(
            (row.connection_id, row.display_name) for row in store.connections.list(connector_id=MAIL_CONNECTOR)
        ),
        history=tuple(history),
    )


async def list_notices(services: Services, *, limit: int = 50, cursor: str = "") -> NoticeList:
    """Errors: StoreUnavailable."""
    found, next_cursor = services.store.notices.list(limit=limit, cursor=cursor)
    return NoticeList(
        notices=found,
        deliveries=services.store.deliveries.of_notices([one.notice_id for one in found]),
        unread=services.store.notices.count_unread(),
        next_cursor=next_cursor,
    )


async def mark_read(services: Services, notice_id: str = "") -> int:
    """One, or all; how many had not been read. Errors: StoreUnavailable."""
    count = services.store.notices.mark_read(services.clock.now, notice_id)
    if count:
        services.changes.publish("notice", notice_id=notice_id, kind="")
    return count


async def add_route(
    services: Services,
    address: str,
    *,
    after_minutes: int = 0,
    kinds: Sequence[str] = (),
    language: str = "",
    person_id: str,
) -> NewRoute:
    """Tell this mail address, or this `https://` address, as well.

    Errors: AskedWrongly `InvalidAddress`, `InvalidKind`, `InvalidLanguage`, `InvalidWait`; Conflict `RouteExists`,
    `TooManyRoutes`.
    """
    address = address.strip()
    is_hook = address.lower().startswith(("https://", "http://"))
    if is_hook:
        _check_hook(services, address)
    else:
        _check_mail(address)
    _check_choices(kinds, after_minutes, language)
    known = services.store.message_routes.list()
    if len(known) >= _MOST_ROUTES:
        raise Conflict(f"There are {_MOST_ROUTES} addresses already.", code="TooManyRoutes")
    if any(one.address.casefold() == address.casefold() and one.after_minutes == after_minutes for one in known):
        raise Conflict("This address is told already.", code="RouteExists", target="address")
    route_id = str(services.clock.guid())
    secret, shown = new_secret(secrets.token_bytes) if is_hook else (b"", "")
    row = MessageRouteRow(
        route_id=route_id,
        channel=ChannelKind.WEBHOOK if is_hook else ChannelKind.MAIL,
        address=address,
        sealed_secret=seal_secret(services, route_id, address, secret) if is_hook else b"",
        after_minutes=after_minutes,
        kinds=list(kinds) or None,
        language=language,
        created_at=services.clock.now,
    )
    services.store.message_routes.add(row)
    _noted(services, person_id, "add_message_route", row)
    return NewRoute(row=row, secret=shown)


async def change_route(
    services: Services,
    route_id: str,
    *,
    is_on: bool | None = None,
    after_minutes: int | None = None,
    kinds: Sequence[str] | None = None,
    language: str | None = None,
    person_id: str,
) -> MessageRouteRow:
    """What is None stays. Errors: NotFound; AskedWrongly as `add_route`."""
    row = _route(services, route_id)
    if kinds is not None or after_minutes is not None:
        _check_choices(
            row.kinds or () if kinds is None else kinds,
            row.after_minutes if after_minutes is None else after_minutes,
            "",
        )
    _check_choices((), 0, language or "")
    changes: dict[str, object] = {}
    if is_on is not None:
        changes["is_on"] = is_on
    if after_minutes is not None:
        changes["after_minutes"] = after_minutes
    if kinds is not None:
        changes["kinds"] = list(kinds) or None
    if language is not None:
        changes["language"] = language
    if changes:
        services.store.message_routes.change(route_id, **changes)
        row = msgspec.structs.replace(row, **changes)
        _noted(services, person_id, "change_message_route", row)
    return row


async def remove_route(services: Services, route_id: str, person_id: str) -> None:
    """With its history. Errors: NotFound; Conflict `OwnerRoute` of the one out of the box, which can be turned off."""
    row = _route(services, route_id)
    if route_id == OWNER_ROUTE:
        raise Conflict("The owner is always listed. Turn it off instead.", code="OwnerRoute", target=route_id)
    services.store.message_routes.remove(route_id)
    _noted(services, person_id, "remove_message_route", row)


async def change_owner(
    services: Services,
    *,
    email: str | None = None,
    language: str | None = None,
    person_id: str,
) -> PersonRow:
    """Where the owner is told, and in which language. Errors: AskedWrongly `InvalidAddress`, `InvalidLanguage`."""
    owner = await ensure_owner(services)
    _check_choices((), 0, language or "")
    changes: dict[str, str] = {}
    if email is not None:
        changes["email"] = email.strip()
        if changes["email"]:
            _check_mail(changes["email"])
    if language is not None:
        changes["language"] = language
    if changes:
        services.store.access.change_person(owner.person_id, **changes)
        services.store.audit.note(person_id, "change_owner", owner.person_id, {**changes}, at=services.clock.now)
        services.changes.publish("notice", notice_id="", kind="")
    return msgspec.structs.replace(owner, **changes)


async def send_test(services: Services, route_id: str, person: PersonRow) -> NoticeRow:
    """A test message to one route; what becomes of it stands in the history.

    Errors: NotFound; Conflict `RouteOff`, `NoAddress`; TooManyAttempts.
    """
    row = _route(services, route_id)
    if not row.is_on:
        raise Conflict("This address is turned off.", code="RouteOff", target=route_id)
    if not address_of(services, row):
        raise Conflict("No mail address of the owner is known. Enter it first.", code="NoAddress", target=route_id)
    now = services.clock.now
    store, since = services.store.notices, now - TESTS_WITHIN
    if store.count_since(NoticeKind.TEST, since) >= MOST_TESTS:
        free_at = (store.first_since(NoticeKind.TEST, since) or now) + TESTS_WITHIN
        raise TooManyAttempts.until(free_at, now, f"{MOST_TESTS} test messages were sent in the last 10 minutes.")
    services.store.audit.note(person.person_id, "test_message_route", route_id, None, at=now)
    return note_trial(services, row, person)


async def send_again(services: Services, notice_id: str, route_id: str, person_id: str) -> None:
    """Send once more what was given up or may not have arrived. Errors: Conflict `NotStuck` where it is neither."""
    now = services.clock.now
    if not services.store.deliveries.again(notice_id, route_id, now):
        raise Conflict(
            "Only a message that was given up, or may not have arrived, is sent once more.",
            code="NotStuck",
            target=notice_id,
        )
    services.store.audit.note(person_id, "send_message_again", notice_id, {"route": route_id}, at=now)
    services.changes.publish("notice", notice_id=notice_id, kind="")


def _route(services: Services, route_id: str) -> MessageRouteRow:
    if route_id == OWNER_ROUTE:
        ensure_owner_route(services)
    row = services.store.message_routes.get(route_id)
    if row is None:
        raise NotFound(f"There is no address {route_id} for messages.", code="RouteNotFound", target=route_id)
    return row


def _check_mail(address: str) -> None:
    from flowmend.transport.mail_message import is_mail_address  # not at every start

    if not is_mail_address(address):
        raise AskedWrongly("This is no mail address.", code="InvalidAddress", target="address")


def _check_hook(services: Services, address: str) -> None:
    """Whether it may be called is asked again, of what its name leads to, each time it is."""
    wrong = AskedWrongly(
        "A webhook's address is https://HOST/PATH, without a user name in it.", code="InvalidAddress", target="address"
    )
    is_plain = address.isascii() and address.isprintable() and " " not in address and "\\" not in address
    if not is_plain or len(address) > _LONGEST_URL:
        raise wrong
    try:
        parts = urlsplit(address)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise wrong from None
    if not parts.hostname or "@" in parts.netloc or parts.fragment:
        raise wrong
    allowed = {one.lower() for one in services.settings.allowed_private_hosts}
    if parts.scheme != "https" and f"{parts.hostname}:{port}" not in allowed:
        raise AskedWrongly(
            "A webhook's address begins with https://. Only hosts of FLOWMEND_ALLOWED_PRIVATE_HOSTS may be called without.",
            code="InvalidAddress",
            target="address",
        )


def _check_choices(kinds: Sequence[str], after_minutes: int, language: str) -> None:
    wrong = next((kind for kind in kinds if kind not in set(KINDS)), None)
    if wrong is not None:
        raise AskedWrongly(f"The kinds of notices are {', '.join(KINDS)}.", code="InvalidKind", target="kinds")
    if not 0 <= after_minutes <= _LONGEST_WAIT_MINUTES:
        raise AskedWrongly(
            f"The wait is between 0 and {_LONGEST_WAIT_MINUTES} minutes.", code="InvalidWait", target="after_minutes"
        )
    if after_minutes and kinds and NoticeKind.ESCALATED.value not in kinds:
        raise AskedWrongly(
            "An address that is told later is told only of what is still broken then: leave the kinds empty, or name "
            f"{NoticeKind.ESCALATED.value} among them.",
            code="InvalidKind",
            target="kinds",
        )
    if language and language not in LANGUAGES:
        raise AskedWrongly(f"The languages are {', '.join(LANGUAGES)}.", code="InvalidLanguage", target="language")


def _noted(services: Services, person_id: str, verb: str, row: MessageRouteRow) -> None:
    details: dict[str, str | int] = {"channel": row.channel.value, "after_minutes": row.after_minutes}
    services.store.audit.note(person_id, verb, row.route_id, details, at=services.clock.now)
    services.changes.publish("notice", notice_id="", kind="")
