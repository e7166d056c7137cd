"""Held events and what flows do while a connection is broken: our own resources, snake_case."""

from datetime import datetime

import msgspec

from flowmend.use_cases.flow_settings import FlowSettings
from flowmend.use_cases.held_lists import HeldEventView, HoldingFlow


class HeldEventShape(msgspec.Struct, frozen=True, kw_only=True):
    """An event that waits. business_key: what it is about, "" where its flow has no word for it. waits_for: `repair` of a
    connection, `plan` that keeps it back, `flow` which is off, `reading` of a definition that does not read any more, its
    `turn`. behind_run: the run about the same thing whose end it waits for, "" for none. preview: the beginning of what came; "" where the trigger's outputs are secure, or large.
    """

    name: str
    flow: str
    flow_name: str
    trigger: str
    arrived_at: datetime
    business_key: str
    waits_for: str
    behind_run: str
    is_secret: bool
    preview: str


class HoldingFlowShape(msgspec.Struct, frozen=True, kw_only=True):
    """A flow that holds events. connection: the broken one they wait for, "" for none. held_days: then they are let go, 0 for
    never.
    """

    flow: str
    flow_name: str
    count: int
    oldest_at: datetime
    waits_for: str
    connection: str
    held_days: int


class FlowSettingsShape(msgspec.Struct, frozen=True, kw_only=True):
    """The settings in force. on_broken_connection: `holdEvents`, `fail` or `holdAtAction`; held_days, history_days: 0 for
    ever. *_is_chosen: for this flow, else by what fits it or by the setting of all flows.
    """

    on_broken_connection: str
    on_broken_connection_is_chosen: bool
    answers_caller: bool
    held_days: int
    held_days_is_chosen: bool
    history_days: int
    history_days_is_chosen: bool


class Discard(msgspec.Struct, frozen=True, kw_only=True):
    """events: names of held events, of any flow."""

    events: list[str]


class DiscardAll(msgspec.Struct, frozen=True, kw_only=True):
    """arrived_before: what came later stays; null for everything held now."""

    arrived_before: datetime | None = None


class Discarded(msgspec.Struct, frozen=True, kw_only=True):
    """discarded: how many were still held."""

    discarded: int


def held_event_shape(view: HeldEventView) -> HeldEventShape:
    return HeldEventShape(
        name=view.row.event_name,
        flow=view.row.flow_id,
        flow_name=view.flow_name,
        trigger=view.row.trigger_name,
        arrived_at=view.row.started_at,
        business_key=view.row.business_key,
        waits_for=view.waits_for.value,
        behind_run=view.behind_run,
        is_secret=view.is_secret,
        preview=view.preview,
    )


def holding_flow_shape(flow: HoldingFlow) -> HoldingFlowShape:
    return HoldingFlowShape(
        flow=flow.flow_id,
        flow_name=flow.name,
        count=flow.count,
        oldest_at=flow.oldest_at,
        waits_for=flow.waits_for.value,
        connection=flow.connection_id,
        held_days=flow.days,
    )


def flow_settings_shape(settings: FlowSettings) -> FlowSettingsShape:
    return FlowSettingsShape(
        on_broken_connection=settings.on_broken,
        on_broken_connection_is_chosen=settings.on_broken_is_chosen,
        answers_caller=settings.answers_caller,
        held_days=settings.held_days,
        held_days_is_chosen=settings.held_days_is_chosen,
        history_days=settings.history_days,
        history_days_is_chosen=settings.history_days_is_chosen,
    )
