"""The tables of what people are told."""

from sqlalchemy import BigInteger, Boolean, Column, Index, LargeBinary, Table, UniqueConstraint

from flowmend.store.column_types import Instant, JsonText, Named, Words
from flowmend.store.notice_rows import ChannelKind, DeliveryState, NoticeKind
from flowmend.store.schema import index_where, key, metadata, must, part_of

notices = Table(
    "notices",
    metadata,
    key("notice_id"),
    must("kind", Named(NoticeKind)),
    must("subject"),
    must("owner_id"),
    must("facts", JsonText),
    must("at", Instant),
    Column("read_at", Instant),
    # Nobody is told the same twice, whoever notes it.
    UniqueConstraint("kind", "subject", name="uq_notices_subject"),
    Index("ix_notices_at", "at"),
)
index_where("unread", notices.c.read_at.is_(None), notices.c.at)

message_routes = Table(
    "message_routes",
    metadata,
    key("route_id"),
    must("channel", Named(ChannelKind)),
    must("address", Words),
    must("sealed_secret", LargeBinary),
    must("after_minutes", BigInteger),
    must("kinds", JsonText),
    must("language"),
    must("is_on", Boolean),
    must("created_at", Instant),
)

deliveries = Table(
    "deliveries",
    metadata,
    part_of("notice_id", "notices.notice_id", is_key=True),
    part_of("route_id", "message_routes.route_id", is_key=True),
    must("state", Named(DeliveryState)),
    must("attempts", BigInteger),
    Column("next_at", Instant),
    Column("sent_at", Instant),
    must("code"),
    must("message", Words),
)
index_where("due", deliveries.c.next_at.is_not(None), deliveries.c.next_at)

#: What people chose in Settings for everybody, by name.
preferences = Table("preferences", metadata, key("name"), must("value", JsonText))
