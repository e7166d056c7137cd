"""The table of what arrived under a name its sender gave it."""

from sqlalchemy import Index, Table

from flowmend.store.column_types import Instant, Words
from flowmend.store.schema import key, metadata, must

#: No foreign key: it is written with each event, and outlives neither its flow nor a day by much.
received_events = Table(
    "received_events",
    metadata,
    key("flow_id"),
    key("identity"),
    key("content"),
    must("trigger_name", Words),
    must("event_name"),
    must("received_at", Instant),
    Index("ix_received_events_received_at", "received_at"),
)
