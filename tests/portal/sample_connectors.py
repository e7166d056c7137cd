"""The pages of connectors and of approvals."""

from dataclasses import replace
from datetime import datetime, timedelta

from flowmend.core.connector import (
    ConnectionParameter,
    Connector,
    Operation,
    ProbeOperation,
    SignInKind,
    SignInMethod,
)
from flowmend.core.problem import Problem, Severity
from flowmend.portal.pages.approvals import ApprovalPage, ApprovalsPage
from flowmend.portal.pages.approve import ApprovePage
from flowmend.portal.pages.connectors import AddConnectorPage, ConnectorPage, ConnectorsPage
from flowmend.store.approval_rows import ApprovalRow, ApprovalState, ApproverRow
from flowmend.store.rows import ConnectionRow, ConnectorRow
from flowmend.use_cases.approval_links import Question
from flowmend.use_cases.approvals import ApprovalView
from flowmend.use_cases.connector_gallery import ConnectorView, GalleryEntry
from flowmend.use_cases.uploaded_connectors import UploadedConnector

Pages = dict[str, tuple[str, str, dict[str, object]]]
_COUNTS = {"": 3, "installed": 2, "built-in": 1, "triggers": 1, "script": 1}


def connector_pages(connection: ConnectionRow, now: datetime) -> Pages:
    """{name: (template, place, values)}."""
    entries = (
        entry("contosoorders", "Contoso Orders", description="Orders & <stock>", triggers=2, needs_script=1),
        entry("odd", "Odd one", operations=0, sign_in=()),
        entry("smtp", "SMTP", is_built_in=True),
    )
    view = connector_view(entries[0], connection, now)
    gone = UploadedConnector(
        folder="broken",
        error="The connector 'broken' does not read.",
        problems=(Problem(severity=Severity.ERROR, code="InvalidConnector", pointer="/host", message="No host."),),
    )
    good = UploadedConnector(
        folder="orders", connector_id="contosoorders", display_name="Contoso Orders", was_known=True, asked_again=2
    )
    place = "connections"
    return {
        "connectors": ("connectors.html", place, {"page": ConnectorsPage(entries=entries, counts=_COUNTS, more="/connectors?from=60")}),
        "connectors-none": ("connectors.html", place, {"page": ConnectorsPage(entries=(), counts=dict.fromkeys(_COUNTS, 0), text="<x>")}),
        "connector": ("connector.html", place, {"page": ConnectorPage(view=view, operations=(*view.triggers, *view.actions), text="<x>")}),
        "connector-of-flows": ("connector.html", place, {"page": ConnectorPage(view=replace(view, is_chosen=False), operations=())}),
        "connector-changed": ("connector.html", place, {"page": ConnectorPage(view=view, operations=()), "done": "installed-2"}),
        "connector-add": ("connector_add.html", place, {"page": AddConnectorPage()}),
        "connector-add-wrong": ("connector_add.html", place, {"page": AddConnectorPage(name="<x>", error="Say by which name.", target="name")}),
        "connector-added": ("connector_add.html", place, {"page": AddConnectorPage(results=(good, gone))}),
    }  # fmt: skip


def approval_pages(now: datetime) -> Pages:
    """{name: (template, place, values)}."""
    waits, done = approval(now), approval(now, state=ApprovalState.COMPLETED, outcome="Approve")
    withdrawn = approval(now, state=ApprovalState.CANCELLED)
    question = Question(
        approver="ann@contoso.com",
        title="<b>Order 4711</b>",
        details="1 < 2",
        item_link="",
        item_link_description="",
        requestor="Order desk",
        options=("Ship", "Wait"),
        asked_at=now,
    )
    place = "approvals"
    return {
        "approvals": ("approvals.html", place, {"page": ApprovalsPage(views=(waits,), state="waiting", waiting_count=1, older="/approvals?from=25")}),
        "approvals-done": ("approvals.html", place, {"page": ApprovalsPage(views=(done, withdrawn), state="done", waiting_count=0)}),
        "approvals-none": ("approvals.html", place, {"page": ApprovalsPage(views=(), state="waiting", waiting_count=0)}),
        "approval": ("approval.html", place, {"page": ApprovalPage(view=waits)}),
        "approval-wrong": ("approval.html", place, {"page": ApprovalPage(view=waits, comments="<x>", error="Say for whom.", target="approver")}),
        "approval-late": ("approval.html", place, {"page": ApprovalPage(view=done, error="It waits for no answer any more.", target="a1")}),
        "approval-withdrawn": ("approval.html", place, {"page": ApprovalPage(view=withdrawn)}),
        "repair-approve": ("approve.html", "", {"page": ApprovePage()}),
        "repair-approve-question": ("approve.html", "", {"page": ApprovePage(question=question, error="Try again", detail="One answers this with: Ship.")}),
        "repair-approve-done": ("approve.html", "", {"page": ApprovePage(answered="Ship")}),
    }  # fmt: skip


def entry(connector_id: str, name: str, **parts: object) -> GalleryEntry:
    values = {"description": "", "is_built_in": False, "operations": 12, "triggers": 0, "needs_script": 0}
    return GalleryEntry(
        **({"connector_id": connector_id, "display_name": name, "unsupported": 0, "sign_in": ("basic", "oauth2")} | values | parts)  # type: ignore[arg-type]
    )  # fmt: skip


def connector_view(one: GalleryEntry, connection: ConnectionRow, now: datetime) -> ConnectorView:
    listing = Operation(operation_id="ListOrders", method="GET", path="/orders", summary="List <orders>")
    scripted = Operation(
        operation_id="Convert", method="POST", path="/convert", unsupported="UnsupportedScript: it needs the script."
    )
    odd = Operation(operation_id="Odd", method="POST", path="/odd", unsupported="UnsupportedPolicy: it needs a policy.")
    trigger = Operation(operation_id="OnOrder", method="GET", path="/new", summary="When it comes", is_trigger=True)
    password = ConnectionParameter(name="password", title="Password", type="securestring", is_secret=True)
    ways = (
        SignInMethod(kind=SignInKind.BASIC, name="basic", title="By password", parameters=(password,)),
        SignInMethod(kind=SignInKind.UNSUPPORTED, name="odd"),
    )
    connector = Connector(
        connector_id=one.connector_id,
        display_name=one.display_name,
        base_url="https://orders.contoso.com",
        operations={each.operation_id: each for each in (listing, scripted, odd, trigger)},
        sign_in=ways,
        test_operation=ProbeOperation(operation_id="ListOrders"),
    )
    row = ConnectorRow(
        connector_id=one.connector_id,
        display_name=one.display_name,
        definition={},
        properties={},
        fingerprint="",
        installed_at=now,
    )
    return ConnectorView(
        row=row,
        connector=connector,
        entry=one,
        actions=(listing, scripted, odd),
        triggers=(trigger,),
        total=4,
        probes=("ListOrders",),
        connections=(connection,),
        replaces_built_in=True,
    )


def approval(now: datetime, **columns: object) -> ApprovalView:
    row = ApprovalRow(
        **{  # type: ignore[arg-type]
            "approval_id": "a1",
            "request_id": "r1",
            "connection_id": "c1",
            "flow_id": "f1",
            "run_name": "08584",
            "action": "Ask",
            "approval_type": "BasicAwaitAll",
            "title": "<b>Order 4711</b>",
            "details": "1 < 2",
            "item_link": "https://orders.contoso.com/4711",
            "requestor": "Order desk",
            "options": ["Approve", "Reject"],
            "approver_count": 3,
            "created_at": now - timedelta(hours=2),
            **columns,
        }
    )
    people = (
        ApproverRow(
            approval_id="a1",
            approver="ann@contoso.com",
            position=0,
            response="Approve",
            comments="<i>fine</i>",
            answered_through="link",
            answered_at=now,
        ),
        ApproverRow(approval_id="a1", approver="bob@contoso.com", position=1, mailed_at=now),
        ApproverRow(approval_id="a1", approver="cho", position=2, mail_problem="NoMailAddress"),
    )
    return ApprovalView(row=row, people=people, flow_name="Order intake to ERP")
