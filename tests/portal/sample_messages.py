"""Messages: what was told, and who is told; notices of every kind with facts as they are kept."""

from datetime import datetime, timedelta

from flowmend.core.connection.incident import SourceKind
from flowmend.core.json_value import Json
from flowmend.portal.pages.messages import MessagesPage
from flowmend.portal.pages.notices import NoticesPage, ShownNotice
from flowmend.store.deliveries import DeliveryEntry
from flowmend.store.notice_rows import (
    ChannelKind,
    DeliveryRow,
    DeliveryState,
    MessageRouteRow,
    NoticeKind,
    NoticeRow,
)
from flowmend.store.rows import PersonRow
from flowmend.use_cases.message_routes import MessagesView, NewRoute, RouteView
from flowmend.use_cases.message_settings import MailWay, MessageSettings
from flowmend.use_cases.notice_facts import (
    DigestFacts,
    Facts,
    FlowFailures,
    IncidentFacts,
    PlanFacts,
    TrialFacts,
    as_json,
)

Pages = dict[str, tuple[str, str, dict[str, object]]]


def incident(now: datetime, **parts: object) -> IncidentFacts:
    values: dict[str, object] = {
        "incident_id": "i-password",
        "name": "Contoso Orders",
        "service": "Contoso Orders",
        "source_kind": SourceKind.ACCOUNT,
        "category": "wrong_password",
        "remedy": "verify_password",
        "fixable_by": "reverify",
        "sign_in": "basic",
        "code": "Unauthorized",
        "person": "Mei Chen",
        "account": "svc-orders@contoso.com",
        "first_bad_at": now - timedelta(hours=2),
        "last_good_at": now - timedelta(hours=3),
        "closed_at": None,
        "flows": ("Order intake to ERP", "Order status to Teams", "<Invoices> to archive"),
        "flow_count": 5,
        "connections": 12,
        "failed_runs": 1000,
        "held_events": 300,
        "held_runs": 2,
        "other_open": 2,
    }
    return IncidentFacts(**{**values, **parts})  # type: ignore[arg-type]


def every_kind(now: datetime) -> dict[NoticeKind, Facts]:
    """Facts of one notice of each kind."""
    flows = (
        FlowFailures(flow_id="f1", name="Invoices to archive", count=7, code="NotFound"),
        FlowFailures(flow_id="f2", name="Stock, nightly", count=1, code=""),
    )
    return {
        NoticeKind.BROKEN: incident(now),
        NoticeKind.ESCALATED: incident(now, after_minutes=30, is_mail=True),
        NoticeKind.MENDED: incident(now, closed_at=now, held_events=0, held_runs=0),
        NoticeKind.DIGEST: DigestFacts(
            since=now - timedelta(days=1), until=now, failed_runs=8, flow_count=2, flows=flows
        ),
        NoticeKind.REPAIRED: PlanFacts(
            plan_id="p", name="Contoso Orders", succeeded=990, failed=3, left=7, stop_code="NewAuthenticationFailure"
        ),
        NoticeKind.TEST: TrialFacts(person="Mei Chen"),
    }


def notice(kind: NoticeKind, facts: Json, now: datetime, *, read_at: datetime | None = None) -> NoticeRow:
    return NoticeRow(notice_id=f"n-{kind}", kind=kind, subject="s", facts=facts, at=now, read_at=read_at)


def message_pages(now: datetime) -> Pages:
    """{name: (template, place, values)}."""
    shown = []
    for number, (kind, facts) in enumerate(every_kind(now).items()):
        row = notice(kind, as_json(facts), now - timedelta(hours=number), read_at=now if number > 1 else None)
        sent = tuple(
            (delivery(state, now, notice_id=row.notice_id), "mei@contoso.com")
            for state in (DeliveryState.SENT, DeliveryState.GIVEN_UP)[: 1 + (number == 0)]
        )
        shown.append(ShownNotice(row=row, deliveries=sent))
    return {
        "notices": ("notices.html", "notices", {"page": NoticesPage(notices=tuple(shown), unread=2, older="/notices?cursor=n")}),
        "notices-none": ("notices.html", "notices", {"page": NoticesPage(notices=(), unread=0)}),
        "messages": ("messages.html", "settings", {"page": messages_page(now)}),
        "messages-mail-broken": ("messages.html", "settings", {"page": messages_page(now, problem="ConnectionNeedsRepair")}),
        "messages-mail-gone": ("messages.html", "settings", {"page": messages_page(now, problem="NoMailConnection")}),
        "messages-no-sender": ("messages.html", "settings", {"page": messages_page(now, problem="NoMailSender")}),
        "messages-none": ("messages.html", "settings", {"page": messages_page(now, problem="NoMailServer", is_empty=True), "done": "changed"}),
        "messages-wrong": ("messages.html", "settings", {"page": messages_page(now, error="This is no mail address.", target="address")}),
        "messages-flood": ("messages.html", "settings", {"page": messages_page(now, error="Try again in 9 minutes.", target="routes")}),
        "messages-made": ("messages.html", "settings", {"page": messages_page(now, made=NewRoute(row=hook(now), secret="whsec_c2VjcmV0"))}),
    }  # fmt: skip


def messages_page(
    now: datetime,
    *,
    problem: str = "",
    is_empty: bool = False,
    made: NewRoute | None = None,
    error: str = "",
    target: str = "",
) -> MessagesPage:
    owner = PersonRow(
        person_id="mei",
        name="Mei Chen",
        email="" if is_empty else "mei@contoso.com",
        language="zh-Hant",
        created_at=now,
    )
    mail = MessageRouteRow(route_id="owner", channel=ChannelKind.MAIL, address="", created_at=now)
    boss = MessageRouteRow(
        route_id="boss",
        channel=ChannelKind.MAIL,
        address="<boss>@contoso.com",
        after_minutes=60,
        language="en",
        created_at=now,
    )
    sums = MessageRouteRow(
        route_id="sums",
        channel=ChannelKind.MAIL,
        address="ops@contoso.com",
        kinds=["digest"],
        is_on=False,
        created_at=now,
    )
    history = () if is_empty else tuple(
        DeliveryEntry(delivery=delivery(state, now), kind=kind, subject="s", at=now)
        for state, kind in zip(DeliveryState, NoticeKind, strict=True)
    )  # fmt: skip
    routes = (mail,) if is_empty else (mail, hook(now), boss, sums)
    last = next(iter(history), None)
    views = tuple(
        RouteView(
            row=row,
            address=row.address or owner.email,
            is_owner=row.route_id == "owner",
            last=last if row.route_id == "owner" else None,
        )
        for row in routes
    )
    view = MessagesView(
        settings=MessageSettings(mail_connection="m" if problem.startswith("Conn") else ""),
        way=MailWay(connection_id="m", name="Mail of the office", problem=problem),
        owner=owner,
        routes=views,
        connections=(("m", "Mail of the office"),),
        history=history,
    )
    values = {"address": "<b>no</b>", "after": "30"} if target == "address" else {}
    to = {one.row.route_id: one.address for one in views}
    return MessagesPage(view=view, to=to, made=made, values=values, error=error, target=target)


def hook(now: datetime) -> MessageRouteRow:
    return MessageRouteRow(
        route_id="hook",
        channel=ChannelKind.WEBHOOK,
        address="https://hooks.contoso.com/flows",
        sealed_secret=b"s",
        created_at=now,
    )


def delivery(state: DeliveryState, now: datetime, *, notice_id: str = "n") -> DeliveryRow:
    is_sent = state is DeliveryState.SENT
    return DeliveryRow(
        notice_id=notice_id,
        route_id="owner",
        state=state,
        attempts=2,
        next_at=now if state is DeliveryState.DUE else None,
        sent_at=now if is_sent else None,
        code="" if is_sent else "ConnectionRefused" if state is DeliveryState.DUE else "421",
        message="" if is_sent else "421 <try> later",
    )
