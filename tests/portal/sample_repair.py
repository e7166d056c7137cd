"""The pages around a connection's repair: another connection instead, uses of its secret, repair links."""

from dataclasses import replace
from datetime import datetime, timedelta

from msgspec.structs import replace as with_columns

from flowmend.core.connection.health import HealthState
from flowmend.portal.pages.connection_swap import SwapPage
from flowmend.portal.pages.repair import RepairPage
from flowmend.portal.pages.repair_link import RepairLinkPage
from flowmend.portal.pages.secret_uses import PURPOSE_WORDS, UsesPage
from flowmend.store.incident_rows import RepairLinkRow
from flowmend.store.rows import SecretUseRow
from flowmend.use_cases.connection_views import ConnectionView
from flowmend.use_cases.connections import SecretField
from flowmend.use_cases.repair_links import MadeLink, RepairPlan
from flowmend.use_cases.secret_uses import Purpose
from flowmend.use_cases.swap_connection import ConnectionSwap, SwappedReference
from flowmend.use_cases.verify_connection import Verification


def repair_pages(
    broken: ConnectionView, now: datetime, proven: Verification, refused: Verification
) -> dict[str, tuple[str, str, dict[str, object]]]:
    """{name: (template, place, values)}."""
    row = broken.row
    other = with_columns(row, connection_id="orders-new", display_name="Orders of the team", account_name="team@contoso.com", health=HealthState.BROKEN)  # fmt: skip
    references = (
        SwappedReference(flow_id="f1", flow_name="Order intake to ERP", reference="shared_orders"),
        SwappedReference(flow_id="f2", flow_name="Order status to Teams", reference="shared_orders"),
    )
    swap = ConnectionSwap(old=row, new=other, references=references, warnings=("AnotherAccount", "NeedsRepair"))
    link = RepairLinkRow(digest=b"d", incident_id="i", connection_id=row.connection_id, created_by="p", created_at=now, expires_at=now + timedelta(hours=24))  # fmt: skip
    links = (
        link,
        with_columns(link, used_at=now - timedelta(days=2), expires_at=now - timedelta(days=1)),
        with_columns(link, expires_at=now - timedelta(days=3)),
    )
    secret = SecretField(name="password", title="Password", description="", is_secret=True, required=True, value="")
    plan = RepairPlan(
        connection_id=row.connection_id,
        connection_name=row.display_name,
        connector_name="Contoso Orders",
        connector_id=row.connector_id,
        account=row.account_name,
        sign_in="basic",
        host="orders.contoso.com",
        fields=(secret,),
        expires_at=now + timedelta(hours=24),
    )
    made = MadeLink(url="https://flows.contoso.com/repair#U3Vubnk", expires_at=now + timedelta(hours=24))
    needed = replace(refused, code="ConfirmationNeeded", message="The service does not say whose it is.")
    return {
        "connection-swap": ("connection_swap.html", "connections", {"page": SwapPage(row=row, choices=(other,), plan=swap, error="Nothing.")}),
        "connection-swap-made": ("connection_swap.html", "connections", {"page": SwapPage(row=row, choices=(), made=swap)}),
        "connection-swap-none": ("connection_swap.html", "connections", {"page": SwapPage(row=row, choices=())}),
        "connection-swap-http": ("connection_swap.html", "connections", {"page": SwapPage(row=with_columns(row, connector_id="http"), choices=())}),
        "secret-uses": ("secret_uses.html", "connections", {"page": _uses(broken, now), "purpose_words": PURPOSE_WORDS}),
        "secret-uses-none": ("secret_uses.html", "connections", {"page": replace(_uses(broken, now), uses=()), "purpose_words": PURPOSE_WORDS}),
        "repairlink": ("repair_link.html", "connections", {"page": RepairLinkPage(view=broken, links=links, asks_whose=True), "done": "revoked"}),
        "repairlink-made": ("repair_link.html", "connections", {"page": RepairLinkPage(view=broken, links=links[:1], made=made), "done": ""}),
        "repair-": ("repair.html", "", {"page": RepairPage()}),
        "repair-not-good": ("repair.html", "", {"page": RepairPage(error="Too many tries for now", detail="Try again in 12 minutes.")}),
        "repair-again": ("repair.html", "", {"page": RepairPage(error="Too many tries for now", may_try_again=True)}),
        "repair-form": ("repair.html", "", {"page": RepairPage(plan=plan)}),
        "repair-oauth": ("repair.html", "", {"page": RepairPage(plan=replace(plan, sign_in="oauth2", account=""))}),
        "repair-refused": ("repair.html", "", {"page": RepairPage(plan=plan, result=refused)}),
        "repair-unsure": ("repair.html", "", {"page": RepairPage(plan=plan, result=needed, needs_maker=True)}),
        "repair-done": ("repair.html", "", {"page": RepairPage(plan=plan, result=proven, is_done=True)}),
    }  # fmt: skip


def _uses(view: ConnectionView, now: datetime) -> UsesPage:
    def use(purpose: Purpose, minutes: int, outcome: str = "OK", run: str = "", action: str = "") -> SecretUseRow:
        return SecretUseRow(
            at=now - timedelta(minutes=minutes),
            connection_id=view.row.connection_id,
            purpose=purpose.value,
            run_name=run,
            action=action,
            host="orders.contoso.com",
            outcome=outcome,
        )

    return UsesPage(
        row=view.row,
        uses=(
            use(Purpose.VERIFY, 1),
            use(Purpose.PROBE, 3, "Unauthorized"),
            use(Purpose.CALL, 7, "Unauthorized", "08584271", "Create_order"),
            use(Purpose.CALL, 24, "OK", "08584270", "Create_order"),
            use(Purpose.REFRESH, 60),
        ),
        chips=tuple(
            (f"/connections/contoso-orders/uses?purpose={one}", one, one == "")
            for one in ("", *(one.value for one in Purpose))
        ),
        older="/connections/contoso-orders/uses?cursor=7",
        newest="/connections/contoso-orders/uses",
        is_later_page=True,
        kept_days=400,
    )
