"""The pages of held events and of a flow's settings in their states."""

from dataclasses import replace
from datetime import datetime, timedelta

from flowmend.portal.pages.flow_settings import SettingsPage
from flowmend.portal.pages.held import DiscardPage, HeldEventsPage
from flowmend.store.rows import TriggerEventRow
from flowmend.use_cases.flow_settings import FlowSettings
from flowmend.use_cases.held_lists import HeldEventView, HeldPage, HoldingFlow, WaitsFor

FLOW, NAME = "5f2f1d0e-6c1d-4c55-9f0b-0d8f1f3a7711", "Order intake to ERP"


def flow_settings(*, broken: bool = True, answers: bool = False) -> FlowSettings:
    return FlowSettings(
        on_broken="fail" if answers else "holdEvents",
        on_broken_is_chosen=False,
        answers_caller=answers,
        held_days=30 if broken else 0,
        held_days_is_chosen=broken,
        history_days=0,
        history_days_is_chosen=False,
    )


def _event(number: int, at: datetime, key: str = "") -> TriggerEventRow:
    return TriggerEventRow(
        event_name=f"0858400000000000000000000{number:04d}CU00", flow_id=FLOW, trigger_name="manual", status="Waiting",
        fired=False, started_at=at, tracking_id="t", client_tracking_id="t", business_key=key,
    )  # fmt: skip


def held_pages(now: datetime) -> dict[str, tuple[str, str, dict[str, object]]]:
    """{name: (template, place, values)}."""
    flow = HoldingFlow(
        flow_id=FLOW,
        name=NAME,
        count=49_998,
        oldest_at=now - timedelta(hours=7),
        waits_for=WaitsFor.REPAIR,
        connection_id="contoso-orders",
        connection_name="Contoso Orders",
        days=30,
    )
    other = HoldingFlow(
        flow_id="other", name="Nightly sync", count=1, oldest_at=now - timedelta(hours=2), waits_for=WaitsFor.FLOW
    )
    views = (
        HeldEventView(
            row=_event(1, now - timedelta(hours=7), "4711"),
            flow_name=NAME,
            waits_for=WaitsFor.REPAIR,
            preview='{"order": "4711", "customer": "Contoso", "lines": [{"sku": "HELM-010", "quantity": 3}]}',
        ),
        HeldEventView(
            row=_event(2, now - timedelta(hours=6)), flow_name=NAME, waits_for=WaitsFor.REPAIR, is_secret=True
        ),
        HeldEventView(
            row=_event(4, now - timedelta(hours=5), "4713"),
            flow_name="Invoices",
            waits_for=WaitsFor.TURN,
            behind_run="08584000000000000000000000007CU00",
            preview='{"order": "4713"}',
        ),
        HeldEventView(
            row=_event(3, now - timedelta(hours=5), "4712"), flow_name="Nightly sync", waits_for=WaitsFor.FLOW
        ),
    )
    page = HeldEventsPage(
        held=HeldPage(flows=(flow, other), events=views, cursor="next"),
        flow_id="",
        flow_name="",
        address="/held",
        later="/held?cursor=next",
        is_later_page=False,
        discarded=0,
    )
    of_one = replace(
        page,
        held=HeldPage(flows=(flow,), events=views[:2], cursor=""),
        flow_id=FLOW,
        flow_name=NAME,
        later="",
        is_later_page=True,
        discarded=3,
    )
    question = DiscardPage(
        flow_id="", flow_name="", count=2, events=tuple(view.row for view in views[:2]), back="/held", names=("a", "b")
    )
    every = replace(question, flow_id=FLOW, flow_name=NAME, count=49_998, names=(), before=now.isoformat())
    settings = SettingsPage(
        flow_id=FLOW,
        name=NAME,
        settings=flow_settings(),
        fitting="holdEvents",
        choice="default",
        held_days="30",
        history_days="",
        all_held_days=0,
        all_history_days=90,
    )
    answering = replace(
        settings, settings=flow_settings(answers=True), fitting="fail", choice="holdAtAction", held_days="soon", error="held_days"
    )  # fmt: skip
    return {
        "held": ("held.html", "flows", {"page": page}),
        "held-of-one": ("held.html", "flows", {"page": of_one, "done": "discarded"}),
        "held-nothing": ("held.html", "flows", {"page": replace(page, held=HeldPage(flows=(), events=(), cursor=""))}),
        "held-discard": ("held_discard.html", "flows", {"page": question}),
        "held-discard-all": ("held_discard.html", "flows", {"page": every}),
        "held-discard-none": ("held_discard.html", "flows", {"page": replace(every, count=0, events=())}),
        "flow-settings": ("flow_settings.html", "flows", {"page": settings, "most_days": 36_500}),
        "flow-settings-wrong": ("flow_settings.html", "flows", {"page": answering, "most_days": 36_500}),
    }
