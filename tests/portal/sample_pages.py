"""Every page with values as the use cases give them: what the render tests and the screenshots show."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from flowmend.core.connection.forecast import End, EndKind, Urgency
from flowmend.core.connection.probe import SafeCall
from flowmend.core.connector import Location, Operation, Parameter
from flowmend.core.definition import FileProblem
from flowmend.core.definition.flow import Flow, Packaging
from flowmend.core.definition.reading import read_flow
from flowmend.core.outcome import Attempt, Category, Diagnosis, ErrorDetail, FixableBy, Status
from flowmend.core.problem import Problem, Severity
from flowmend.core.run import ActionRecord, EndRecord, Entry, RunStart, compile_flow
from flowmend.core.run.comparison import differences
from flowmend.core.run.effects import RepeatedEffect
from flowmend.core.run.resume import Pass
from flowmend.core.run.same_definition import Difference
from flowmend.core.trigger.callback_url import CallbackUrl
from flowmend.portal.graph import first_broken, timeline, walk
from flowmend.portal.pages.connection import ConnectionPage
from flowmend.portal.pages.connection_health import ConnectionHealthPage
from flowmend.portal.pages.connection_new import NewConnectionPage
from flowmend.portal.pages.connections import ConnectionsPage
from flowmend.portal.pages.flow import DeletePage, FlowPage, Reference
from flowmend.portal.pages.flow_cancel import CancelRunsPage
from flowmend.portal.pages.flow_run import RunFlowPage
from flowmend.portal.pages.flows import FlowsPage
from flowmend.portal.pages.forecast import ForecastPage
from flowmend.portal.pages.home import HomePage
from flowmend.portal.pages.import_flow import ImportPage
from flowmend.portal.pages.leaving import LeavingPage
from flowmend.portal.pages.login import LoginPage
from flowmend.portal.pages.public_address import WORDS, PublicAddressPage
from flowmend.portal.pages.run import Fix, RunPage
from flowmend.portal.pages.run_action import ActionPage
from flowmend.portal.pages.run_again import Again, AgainPage
from flowmend.portal.pages.run_attempts import AttemptLine
from flowmend.portal.pages.run_compare import ComparePage
from flowmend.portal.pages.runs import Chip, RunsPage, Selection
from flowmend.portal.pages.verify import VerifyPage
from flowmend.portal.remedies import REMEDIES, cause_of
from flowmend.portal.run_steps import JournalInMemory, StepReader, after_trigger, trigger_step
from flowmend.portal.schema_form import form_of, read_form
from flowmend.portal.words import RUN_FILTERS
from flowmend.store.rows import (
    ConnectionRow,
    ConnectorRow,
    FlowRow,
    FlowState,
    HealthState,
    RunRow,
    SecretUseRow,
    SignInAppRow,
    TriggerEventRow,
)
from flowmend.store.runs import Lineage
from flowmend.use_cases.cancel_runs import Cancelling
from flowmend.use_cases.compare_runs import ComparedAction, LoopSides, RunComparison, Side
from flowmend.use_cases.connection_views import ConnectionCounts, ConnectionView
from flowmend.use_cases.connections import ConnectorChoice, SecretField, WayToSignIn
from flowmend.use_cases.flow_needs import FlowNeeds
from flowmend.use_cases.flow_references import ReferenceState
from flowmend.use_cases.flows import FlowDetail, FlowSummary
from flowmend.use_cases.forecasts import Forecast
from flowmend.use_cases.import_plan import ImportFinding, ImportPlan, PlannedReference, PlannedValue, ReferenceNeed
from flowmend.use_cases.leaving import KnownPerson, Leaving, LeavingFlow
from flowmend.use_cases.overview import Overview
from flowmend.use_cases.planned_sign_ins import PlannedSignIn
from flowmend.use_cases.prove_credential import TestPlan
from flowmend.use_cases.public_address import AddressCheck, OutsideTrigger, Verdict
from flowmend.use_cases.resume_run import ResumePreview
from flowmend.use_cases.run_columns import Column, ColumnKind
from flowmend.use_cases.runs import RunHead
from flowmend.use_cases.unconnected_flows import ConnectedFlows, UnconnectedReference
from flowmend.use_cases.verify_connection import Verification
from portal.sample_connectors import approval_pages, connector_pages
from portal.sample_editing import editing_pages
from portal.sample_held import flow_settings, held_pages
from portal.sample_incidents import (
    NO_NEEDS,
    app_incident,
    home_incidents,
    home_needs,
    incident_page,
    incidents_page,
    mended_incident,
    password_incident,
)
from portal.sample_messages import message_pages
from portal.sample_plans import plan_pages
from portal.sample_repair import repair_pages
from portal.sample_settings import settings_pages
from portal.sample_sign_in_apps import sign_in_app_pages
from portal.sample_triggers import polling, with_missing_folder, with_trigger_problem

NOW = datetime(2026, 11, 17, 9, 12, tzinfo=UTC)
ORDERS, MAILBOX, STORE, CRM = "contoso-orders", "orders-mailbox", "erp-database", "salesforce"
FLOW = "5f2f1d0e-6c1d-4c55-9f0b-0d8f1f3a7711"


class SamplePage(NamedTuple):
    """What `Portal.answer` is given."""

    template: str
    place: str
    values: dict[str, object]


def at(clock: str, days: int = 0) -> datetime:
    hour, minute, *second = map(int, clock.split(":"))
    return NOW.replace(hour=hour, minute=minute, second=second[0] if second else 0) - timedelta(days=days)


def sample_pages() -> dict[str, SamplePage]:
    """Each page by name, some in several states."""
    views = tuple(_views())
    rows = tuple(view.row for view in views)
    broken, mailbox = views[0], views[1]
    names = {FLOW: "Order intake to ERP", "f2": "Order status to Teams", "f3": "Supplier invoices to archive"}
    runs = tuple(_runs())
    overview = Overview(
        broken=(broken.row,), connected=(), failed_runs_24h=143, succeeded_24h=1208, running=2, held=300, in_doubt=(), recent=runs,
        headlines={runs[0].run_name: "4711"}, flow_names=names, flows_on=8, flows_off=1, connection_count=4, ending=2,
    )  # fmt: skip
    calm = Overview(
        broken=(), connected=(), failed_runs_24h=0, succeeded_24h=1208, running=0, held=0, in_doubt=(), recent=runs[1:3],
        headlines={}, flow_names=names, flows_on=8, flows_off=1,
    )  # fmt: skip
    doubt = Overview(
        broken=(), connected=(), failed_runs_24h=1, succeeded_24h=4, running=0, held=0, in_doubt=runs[:1], recent=(),
        headlines={}, flow_names=names, flows_on=1, flows_off=0,
    )  # fmt: skip
    certificate = replace(broken, sign_in="client_certificate")
    asking = replace(
        views[3],
        new_hosts=("https://login.example.net",),
        fields=(SecretField(name="client_secret", title="Client secret", description="Of the same app.", is_secret=True, required=False, value=""),),
    )  # fmt: skip
    verify = VerifyPage(view=broken, host="orders.contoso.com", run=runs[0], run_title="Order 4711")
    pages = {
        "home": SamplePage("home.html", "home", {"page": HomePage(overview=overview, needs=NO_NEEDS, incidents=home_incidents(NOW)[:1], unfinished=rows[3:], flow_names=names, connections=rows)}),
        "home-calm": SamplePage("home.html", "home", {"page": HomePage(overview=calm, needs=NO_NEEDS, incidents=(), mended=mended_incident(NOW), unfinished=(), flow_names=names, connections=rows[1:3])}),
        "home-all": SamplePage("home.html", "home", {"page": HomePage(overview=overview, needs=home_needs(NOW, runs[0]), incidents=home_incidents(NOW), unfinished=(), flow_names=names, connections=rows)}),
        "home-doubt": SamplePage("home.html", "home", {"page": HomePage(overview=doubt, needs=home_needs(NOW, runs[0]), incidents=(), unfinished=(), flow_names=names, connections=())}),
        "flows": SamplePage("flows.html", "flows", {"page": _flows()}),
        "flows-empty": SamplePage("flows.html", "flows", {"page": FlowsPage(flows=(), starts={}, runnable={}), "done": "deleted"}),
        "flow": SamplePage("flow.html", "flows", {"page": _flow(FlowState.ON, (broken,), runs)}),
        "flow-busy": SamplePage("flow.html", "flows", {"page": replace(_flow(FlowState.ON, (), runs), unfinished=98_000)}),
        "flow-cancelling": SamplePage("flow.html", "flows", {"page": replace(_flow(FlowState.ON, (), runs), cancelling=Cancelling(flow_id=FLOW, before="0", by="ada", asked_at=NOW, runs=98_000, left=61_200)), "done": "cancelling"}),
        "flow-cancel-runs": SamplePage("cancel_runs.html", "flows", {"page": CancelRunsPage(flow_id=FLOW, name="Order intake to ERP", count=98_000)}),
        "flow-cancel-none": SamplePage("cancel_runs.html", "flows", {"page": CancelRunsPage(flow_id=FLOW, name="Order intake to ERP", count=0)}),
        "flow-polling": SamplePage("flow.html", "flows", {"page": polling(_flow(FlowState.ON, (), runs), NOW)}),
        "flow-missing-folder": SamplePage("flow.html", "flows", {"page": with_missing_folder(_flow(FlowState.ON, (broken,), runs), NOW)}),
        "flow-trigger-problem": SamplePage("flow.html", "flows", {"page": with_trigger_problem(_flow(FlowState.ON, (broken,), runs), NOW)}),
        "flow-off": SamplePage("flow.html", "flows", {"page": _flow(FlowState.OFF, (), ()), "done": "imported"}),
        "flow-blocked": SamplePage("flow.html", "flows", {"page": _flow(FlowState.OFF, (), (), blocking=_problems()[:1])}),
        "flow-run": SamplePage("flow_run.html", "flows", {"page": _run_form()}),
        "flow-delete": SamplePage("delete.html", "flows", {"page": DeletePage(name="Order intake to ERP", address="/flows/x", crumbs=(("/flows", "My flows"),), consequence="Gone for good.", is_wrong=True)}),
        "flow-delete-not-now": SamplePage("delete.html", "flows", {"page": DeletePage(name="Order intake to ERP", address="/flows/x", crumbs=(("/flows", "My flows"),), consequence="Gone for good.", obstacle="Turn it off first.")}),
        "import": SamplePage("import.html", "flows", {"page": ImportPage()}),
        "import-refused": SamplePage("import.html", "flows", {"page": ImportPage(error="The file is not valid JSON: line 3, column 7.", problems=_problems())}),
        "import-found": SamplePage("import.html", "flows", {"page": _import()}),
        "runs": SamplePage("runs.html", "runs", {"page": _runs_page(runs, names, "Failed")}),
        "runs-none": SamplePage("runs.html", "runs", {"page": _runs_page((), names, "")}),
        "runs-all-chosen": SamplePage("runs.html", "runs", {"page": _runs_page(runs, names, "Cancelled")}),
        "runs-held": SamplePage("runs.html", "runs", {"page": _runs_page(runs, names, "Held")}),
        "runs-checks": SamplePage("runs.html", "runs", {"page": _runs_page(runs, names, "Checks")}),
        "run": SamplePage("run.html", "runs", {"page": run_page(broken)}),
        "run-list": SamplePage("run.html", "runs", {"page": run_page(broken, view="list")}),
        "run-mended": SamplePage("run.html", "runs", {"page": run_page(mailbox, is_mended=True)}),
        "run-resumed": SamplePage("run.html", "runs", {"page": run_page(broken, is_resumed=True), "done": "resumed"}),
        "run-held-again": SamplePage("run.html", "runs", {"page": run_page(broken, is_held_again=True)}),
        "run-repeated": SamplePage("run.html", "runs", {"page": run_page(mailbox, is_mended=True, repeated=Status.SUCCEEDED)}),
        "run-repeating": SamplePage("run.html", "runs", {"page": run_page(mailbox, is_mended=True, repeated=Status.RUNNING)}),
        "run-forbidden": SamplePage("run.html", "runs", {"page": run_page(mailbox, remedy="ask_for_permission")}),
        "run-was-held": SamplePage("run.html", "runs", {"page": _was_held(run_page(mailbox, is_mended=True))}),
        "run-long": SamplePage("run.html", "runs", {"page": replace(run_page(broken), again=None, asks_again=True)}),
        "compare": SamplePage("run_compare.html", "runs", {"page": compare_page()}),
        "compare-list": SamplePage("run_compare.html", "runs", {"page": compare_page(view="list")}),
        "compare-nothing": SamplePage("run_compare.html", "runs", {"page": compare_page(alone=True)}),
        "run-ways": SamplePage("run_ways.html", "runs", {"page": AgainPage(row=_runs()[0], title="Order 4711", again=again(is_mended=True), can_resubmit=True, request_id="r")}),
        **{f"action-{name}": SamplePage("run_action.html", "runs", {"page": page}) for name, page in action_pages().items()},
        "run-doubt": SamplePage("run.html", "runs", {"page": run_page(None, doubt=True)}),
        "connections": SamplePage("connections.html", "connections", {"page": ConnectionsPage(views=views, counts=_counts(), more="/connections?cursor=x")}),
        "connections-empty": SamplePage("connections.html", "connections", {"page": ConnectionsPage(views=(), counts=_counts(0))}),
        "connections-none": SamplePage("connections.html", "connections", {"page": ConnectionsPage(views=(), counts=_counts(), only="attention", is_first=False)}),
        "connection-health": SamplePage("connection_health.html", "connections", {"page": _health_page(views[1])}),
        "connection-health-wrong": SamplePage("connection_health.html", "connections", {"page": _health_page(views[1], wrong="probe", error="'Reset' cannot be a test.")}),
        "forecast": SamplePage("forecast.html", "connections", {"page": _forecast(views)}),
        "forecast-none": SamplePage("forecast.html", "connections", {"page": ForecastPage(forecasts=(), total=0)}),
        "leaving": SamplePage("leaving.html", "connections", {"page": _leaving(views)}),
        "leaving-nobody": SamplePage("leaving.html", "connections", {"page": LeavingPage(people=(KnownPerson(name="svc-orders@contoso.com", connections=3),), person="")}),
        "connection": SamplePage("connection.html", "connections", {"page": ConnectionPage(view=broken, test=None, failed_runs=runs[:1], flow_names=names, incident_id="i-password")}),
        "connection-unconnected": SamplePage("connection.html", "connections", {"page": ConnectionPage(view=mailbox, test=None, failed_runs=(), flow_names=names, unconnected=_unconnected(mailbox.row), connected=2), "done": "connected"}),
        "connection-tested": SamplePage("connection.html", "connections", {"page": ConnectionPage(view=mailbox, test=_verification(True), failed_runs=(), flow_names=names)}),
        "connection-new-form": SamplePage("connection_new.html", "connections", {"page": NewConnectionPage(choice=_choice(), way=_choice().ways[0], display_name="Contoso Orders", error="The service refused: 401. Nothing was kept.", target="password")}),
        "verify-then-plan": SamplePage("verify.html", "connections", {"page": replace(verify, then_plan=True)}),
        "verify": SamplePage("verify.html", "connections", {"page": verify}),
        "verify-wrong": SamplePage("verify.html", "connections", {"page": VerifyPage(view=broken, host="orders.contoso.com", result=_verification(False), run=runs[0], run_title="Order 4711")}),
        "verify-proven": SamplePage("verify.html", "connections", {"page": VerifyPage(view=_mended(broken), host="orders.contoso.com", result=_verification(True), run=runs[0], run_title="Order 4711", can_resubmit=True, request_id="r")}),
        "verify-certificate-wrong": SamplePage("verify.html", "connections", {"page": VerifyPage(view=certificate, host="orders.contoso.com", result=_verification(False))}),
        "verify-certificate-proven": SamplePage("verify.html", "connections", {"page": VerifyPage(view=replace(_mended(certificate), used_by=(), failed_runs=0), host="orders.contoso.com", result=_verification(True))}),
        "verify-mends": SamplePage("verify.html", "connections", {"page": replace(verify, mends=("Orders archive", "Orders mailbox"), asks_whose=True, can_swap=True)}),
        "verify-mended": SamplePage("verify.html", "connections", {"page": VerifyPage(view=_mended(broken), host="orders.contoso.com", result=_verification(True), also_mended=("Orders archive", "Orders mailbox"))}),
        "verify-confirm": SamplePage("verify.html", "connections", {"page": replace(verify, result=replace(_verification(True), is_kept=False, code="ConfirmationNeeded", message="The service does not say whose it is."), asks_whose=True)}),
        "connection-put-back": SamplePage("connection.html", "connections", {"page": ConnectionPage(view=_kept(_mended(broken)), test=None, failed_runs=(), flow_names=names, put_back=_verification(False), can_swap=True, holder_name="Orders archive")}),
        "connection-back": SamplePage("connection.html", "connections", {"page": ConnectionPage(view=_mended(broken), test=None, failed_runs=(), flow_names=names, put_back=_verification(True))}),
        "verify-oauth": SamplePage("verify.html", "connections", {"page": VerifyPage(view=views[3], host="login.example.com")}),
        "verify-client-secret": SamplePage("verify.html", "connections", {"page": VerifyPage(view=asking, host="login.example.com")}),
        "verify-later": SamplePage("verify.html", "connections", {"page": VerifyPage(view=broken, host="orders.contoso.com", error="Too many tries for now", error_detail="Try again in 12 minutes.")}),
        "incidents": SamplePage("incidents.html", "incidents", {"page": incidents_page(NOW)}),
        "incidents-none": SamplePage("incidents.html", "incidents", {"page": incidents_page(NOW, is_empty=True)}),
        "incidents-none-closed": SamplePage("incidents.html", "incidents", {"page": incidents_page(NOW, is_empty=True, state="closed")}),
        "incident": SamplePage("incident.html", "incidents", {"page": incident_page(password_incident(NOW))}),
        "incident-app": SamplePage("incident.html", "incidents", {"page": incident_page(app_incident(NOW))}),
        "incident-mended": SamplePage("incident.html", "incidents", {"page": incident_page(mended_incident(NOW))}),
        "reachable": SamplePage("public_address.html", "settings", {"page": _reachable(Verdict.REACHABLE)}),
        "reachable-not": SamplePage("public_address.html", "settings", {"page": _reachable(Verdict.TLS_FAILED, detail="The certificate of 'flows.contoso.com' has expired.")}),
        "reachable-host": SamplePage("public_address.html", "settings", {"page": _reachable(Verdict.HOST_CHANGED, detail="Host: 127.0.0.1:8080")}),
        "reachable-not-set": SamplePage("public_address.html", "settings", {"page": PublicAddressPage(address="http://127.0.0.1:8080", is_set=False, needy=(), called=())}),
        "message": SamplePage("message.html", "", {"title": "There is no such page", "advice": "Gone.", "detail": "There is no run 42.", "code": "WorkflowRunNotFound", "tone": "idle", "ways": (("/", "Home"),)}),
        "login": SamplePage("login.html", "", {"page": LoginPage(link="x", was_given=True, is_good=True, is_signed_out=False, return_to="/")}),
        "login-stale": SamplePage("login.html", "", {"page": LoginPage(link="", was_given=True, is_good=False, is_signed_out=True, return_to="/")}),
    }  # fmt: skip
    repairs = repair_pages(broken, NOW, _verification(True), _verification(False))
    pages |= {name: SamplePage(*page) for name, page in repairs.items()}
    pages |= {name: SamplePage(*page) for name, page in plan_pages(NOW).items()}
    pages |= {name: SamplePage(*page) for name, page in settings_pages(NOW).items()}
    pages |= {name: SamplePage(*page) for name, page in sign_in_app_pages(NOW).items()}
    pages |= {name: SamplePage(*page) for name, page in connector_pages(broken.row, NOW).items()}
    pages |= {name: SamplePage(*page) for name, page in approval_pages(NOW).items()}
    pages |= {name: SamplePage(*page) for name, page in message_pages(NOW).items()}
    pages |= {name: SamplePage(*page) for name, page in held_pages(NOW).items()}
    pages |= {name: SamplePage(*page) for name, page in editing_pages(NOW, runs, order_run()).items()}
    return {name: page._replace(values={"done": "", **page.values}) for name, page in pages.items()}


def run_page(
    connection: ConnectionView | None,
    *,
    view: str = "graph",
    is_mended: bool = False,
    remedy: str = "verify_password",
    doubt: bool = False,
    is_held_again: bool = False,
    repeated: Status | None = None,
    is_resumed: bool = False,
) -> RunPage:
    """The run of order 4711: it failed in the third pass of a loop inside a condition inside a scope."""
    flow, entries, start = order_run(doubt=doubt)
    compiled = compile_flow(flow)
    if is_resumed:
        entries = [
            msgspec.structs.replace(one, from_run="08585265143234327272054208430CU00")
            if isinstance(one, ActionRecord) and one.status is Status.SUCCEEDED
            else one
            for one in entries
        ]
    connectors = {"Create_order_line": "contosoorders", "Get_customer": "contosoorders"}
    reader = StepReader(
        compiled=compiled,
        journal=JournalInMemory(entries),
        connector_of=lambda name: connectors.get(name, ""),
        chosen={},
    )
    trigger = flow.definition.triggers["When_an_order_arrives"]
    steps = after_trigger(reader.steps(), trigger_step(trigger, start.trigger))
    failed = None if doubt else first_broken(steps)
    row = _runs()[0]
    if doubt:
        row = RunRow(
            run_name=row.run_name, flow_id=FLOW, version=row.version, trigger_name="manual", status="Waiting",
            code="ActionInDoubt", started_at=row.started_at, client_tracking_id="", start=b"",
        )  # fmt: skip
    code = "Forbidden" if remedy == "ask_for_permission" else "Unauthorized"
    category = Category.INSUFFICIENT_PERMISSION if remedy == "ask_for_permission" else Category.WRONG_PASSWORD
    fix = Fix(
        remedy=REMEDIES[remedy],
        code=code,
        message="Invalid user name or password.",
        cause=cause_of(category),
        opens_connection=remedy == "verify_password",
        is_mended=is_mended,
    )
    asking = tuple(step for step in steps if step.code == "ActionInDoubt")
    attempts = (row, msgspec.structs.replace(row, run_name="08584again", status=repeated)) if repeated else (row,)
    resubmitted = msgspec.structs.replace(row, run_name="08584later", origin_run=row.run_name)
    return RunPage(
        again=None if doubt else again(is_mended=is_mended),
        row=row,
        flow_name="Order intake to ERP",
        title="Order 4711",
        view=view,
        steps=steps,
        failed=failed,
        opened=frozenset([failed.name] if failed else [step.name for step in asking]),
        values={failed.name: reader.values(failed)} if failed else {},
        bars=timeline(steps, at("02:31:07"), at("02:31:12"))[0],
        bars_left_out=3,
        attempts=attempts,
        attempt_lines=(
            AttemptLine(number=1, row=row, planned_in="p1"),
            AttemptLine(number=2, row=resubmitted, by="Mei Chen", plan_id="p0"),
            AttemptLine(number=3, row=resubmitted, by="Mei Chen", is_resumed=True),
        ),
        tracked={"Order": "4711", "Customer": "Fabrikam"},
        in_doubt=asking,
        fix=None if doubt else fix,
        connection=connection,
        connection_names={ORDERS: "Contoso Orders"},
        version_is_latest=True,
        can_resubmit=not is_held_again,
        cannot_resubmit="It is resubmitted already." if is_held_again else "",
        request_id="r",
        query={},
        is_held_again=is_held_again,
        secret_uses=tuple(
            SecretUseRow(at=at("02:31:09"), connection_id=name, purpose="call", run_name="r", action="Create_order", host="orders.contoso.com", outcome=outcome)
            for name, outcome in ((ORDERS, "OK"), ("gone", "Unauthorized"))
        ),
    )  # fmt: skip


def _was_held(page: RunPage) -> RunPage:
    row = msgspec.structs.replace(page.row, started_at=at("02:28:10"), begun_at=at("02:31:07"))
    return replace(page, row=row)


def action_pages() -> dict[str, ActionPage]:
    """{action: its own page}: a long value with a table and a tree, one that was taken over, one pass that was refused."""
    page = run_page(None, is_resumed=True)
    rows = [{"sku": f"CB-{number}", "quantity": number, "price": None} for number in range(60)]
    answer = {"statusCode": 200, "headers": {"Date": "today"}, "body": {"rows": rows, "note": "很長 " * 9000}}
    request = {"method": "post", "uri": "https://x/lines", "body": rows, "authentication": "*sanitized*"}
    values = {"Get_customer": (request, answer), "Create_order_line": ({"pass": "*sanitized*"}, [])}
    return {
        step.name: ActionPage(
            row=page.row,
            title="Order 4711",
            step=step,
            passes=(("For_each_line", 3),) if step.repetition else (),
            values=values.get(step.name, (None, "*sanitized*")),
            connection_names={ORDERS: "Contoso Orders"},
            child_runs={"Get_customer": "08584child"},
        )
        for _, step in walk(page.steps)
    }


def flow_row(state: FlowState) -> FlowRow:
    return FlowRow(
        flow_id=FLOW, name="Order intake to ERP", packaging="plain", state=state, version="08584912345678901234",
        owner_id="p", sealed_access_key=b"", settings={}, created_at=at("10:00", 280), changed_at=at("10:00", 8),
    )  # fmt: skip


def compare_page(*, view: str = "graph", alone: bool = False) -> ComparePage:
    """The run of order 4711 beside one that went well, of another version."""
    page = run_page(None)
    row, good = page.row, _runs()[1]
    heads = [
        RunHead(
            row=one, flow_row=flow_row(FlowState.ON), start=order_run()[2], attempts=(one,), tracked={"Order": number}, connection=None,
            can_resubmit=True, cannot_resubmit_reason="", version_is_latest=True,
        )
        for one, number in ((row, "4711"), (msgspec.structs.replace(good, flow_id=FLOW, version="08584000000000000001"), "4710"))
    ]  # fmt: skip
    sides = {step.name: step for _, step in walk(page.steps) if not step.is_trigger}
    went_well = Side(status="Succeeded", code="OK", duration=timedelta(seconds=1))
    actions = tuple(
        ComparedAction(
            name=name,
            type=step.type,
            repetition=step.repetition,
            left=Side(status=step.status, code=step.code, error_message="Refused." if step.is_broken else "", duration=timedelta(seconds=2)),
            right=None if name == "Ask_purchasing" else went_well,
            inputs=differences({"sku": "A", "kept": "*sanitized*"}, {"sku": "B" * 400, "more": None}, most=2),
            outputs=differences("*sanitized*", "*sanitized*"),
            loop=LoopSides(left_passes=3, right_passes=7, left_failed=1, right_failed=0) if step.passes else None,
        )
        for name, step in sides.items()
    )  # fmt: skip
    only_there = ComparedAction(name="Tell_sales", type="Http", repetition=(), left=None, right=went_well)
    found = RunComparison(
        left=heads[0],
        right=heads[1],
        actions=(*actions, only_there),
        trigger=differences({"order": 4711}, {"order": 4710}),
        chosen={"For_each_line": 2},
    )
    return ComparePage(
        row=row,
        title="Order 4711",
        offered=() if alone else tuple(_runs()[1:]),
        headlines={good.run_name: "4710"},
        found=None if alone else found,
        steps=page.steps,
        view=view,
    )


def again(*, is_mended: bool) -> Again:
    """What can become of the run of order 4711."""
    mail = RepeatedEffect(action="Mail_to_finance", operation="Send an email (V2)", count=1, only_on_failure=True)
    order = RepeatedEffect(action="Create_order_line", operation="Create an order line", count=1, is_certain=False)
    passes = (Pass(loop="For_each_line", number=3, of=7),)
    place = {"from_action": "Create_order_line", "from_repetition": (2,), "passes": passes, "kept": 9}
    code = "" if is_mended else "ConnectionNeedsRepair"
    resume = ResumePreview(can_resume=is_mended, code=code, repeats=(mail, order), **place)
    differs = (Difference(action="Get_customer", what="inputs"),)
    return Again(
        resume=resume,
        latest=ResumePreview(can_resume=False, code="DefinitionDiffers", differences=differs) if is_mended else None,
        repeated=(
            RepeatedEffect(action="Reserve_stock", operation="POST stock.contoso.com", count=3),
            mail,
            RepeatedEffect(action="Pick", operation="Pick and pack", count=2, starts_flow=True),
        ),
    )


def order_run(*, doubt: bool = False) -> tuple[Flow, list[Entry], RunStart]:
    """A flow and the journal of one run of it."""
    call = {"host": {"connection": {"referenceName": "orders"}}, "method": "post", "path": "/orders"}
    definition = {
        "$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#",
        "contentVersion": "1.0.0.0",
        "triggers": {"When_an_order_arrives": {"type": "Request", "kind": "Http", "inputs": {"schema": {}}}},
        "actions": {
            "Parse_order": {"type": "ParseJson", "inputs": {"content": "@triggerBody()", "schema": {}}, "runAfter": {}},
            "Get_customer": {"type": "ApiConnection", "inputs": call, "runAfter": {"Parse_order": ["Succeeded"]}},
            "Write_to_ERP": {
                "type": "Scope",
                "runAfter": {"Get_customer": ["Succeeded"]},
                "actions": {
                    "Is_stock_available": {
                        "type": "If",
                        "expression": {"equals": [1, 1]},
                        "runAfter": {},
                        "actions": {
                            "For_each_line": {
                                "type": "Foreach",
                                "foreach": "@triggerBody()",
                                "runAfter": {},
                                "actions": {
                                    "Reserve_stock": {"type": "Http", "inputs": {"method": "POST", "uri": "https://x"}, "runAfter": {}},
                                    "Create_order_line": {"type": "ApiConnection", "inputs": call, "runAfter": {"Reserve_stock": ["Succeeded"]}},
                                },
                            }
                        },
                        "else": {"actions": {"Ask_purchasing": {"type": "Compose", "inputs": 1, "runAfter": {}}}},
                    }
                },
            },
            "Confirm_to_customer": {"type": "ApiConnection", "inputs": call, "runAfter": {"Write_to_ERP": ["Succeeded"]}},
        },
    }  # fmt: skip
    document = {"definition": definition, "connectionReferences": {"orders": {"api": {"name": "contosoorders"}}}}
    flow = read_flow(document, packaging=Packaging.PLAIN, name="Order intake to ERP").flow
    assert flow is not None
    start = RunStart(
        run_name="08584000000000000000000007711CU00",
        flow_id=FLOW,
        version="08584912345678901234",
        trigger={
            "name": "When_an_order_arrives",
            "outputs": {"headers": {"Content-Type": "application/json"}, "body": {"order": 4711, "lines": [1, 2, 3]}},
            "startTime": "2026-11-17T02:31:07.0000000Z",
            "endTime": "2026-11-17T02:31:07.0210000Z",
            "status": "Succeeded",
        },
        workflow={},
        parameters={},
        client_tracking_id="t",
        started_at=at("02:31:07"),
    )
    return flow, _doubtful() if doubt else _journal(), start


def _done(name: str, first: float, last: float, *, repetition: tuple[int, ...] = (), **more: object) -> ActionRecord:
    begin = at("02:31:07")
    fields: dict[str, object] = {"status": Status.SUCCEEDED, "code": "OK"} | more
    return ActionRecord(
        name=name,
        repetition=repetition,
        started_at=begin + timedelta(seconds=first),
        ended_at=begin + timedelta(seconds=last),
        **fields,  # type: ignore[arg-type]  # named as in the record
    )


def _journal() -> list[Entry]:
    refused = ErrorDetail("Unauthorized", "Invalid user name or password.")
    inner = ErrorDetail("ActionFailed", "An action failed. No dependent actions succeeded.")
    line = {
        "method": "POST",
        "path": "/v2/orders/4711/lines",
        "body": {"sku": "CB-2040-BLK", "quantity": 12, "warehouse": "TPE-2"},
        "authentication": "*sanitized*",
    }
    diagnosis = Diagnosis(
        category=Category.WRONG_PASSWORD,
        fixable_by=FixableBy.REVERIFY,
        is_auth_failure=True,
        connection_broken=True,
        remedy="verify_password",
        code="401 Unauthorized",
        message="Invalid user name or password.",
    )
    tries = (
        Attempt(started_at=at("02:31:07"), ended_at=at("02:31:07"), code="ServiceUnavailable", client_request_id="a"),
        Attempt(started_at=at("02:31:08"), ended_at=at("02:31:08"), code="OK", client_request_id="a"),
    )
    failed = {"status": Status.FAILED, "code": "ActionFailed", "error": inner}
    entries: list[Entry] = [
        _done(
            "Parse_order",
            0.1,
            0.2,
            inputs={"content": {"order": 4711}},
            outputs={"body": {"order": 4711, "note": "很長 " * 900}},
        ),
        _done("Get_customer", 0.2, 1.3, attempts=tries, connection_id=ORDERS, outputs={"statusCode": 200}),
    ]
    for index in range(2):
        entries.append(_done("Reserve_stock", 1.4 + index, 1.6 + index, repetition=(index,)))
        entries.append(_done("Create_order_line", 1.6 + index, 2.2 + index, repetition=(index,)))
    entries += [
        _done("Reserve_stock", 3.0, 3.2, repetition=(2,), inputs={"method": "POST"}),
        _done("Create_order_line", 3.2, 4.3, repetition=(2,), status=Status.FAILED, code="Unauthorized", inputs=line, error=refused, diagnosis=diagnosis, connection_id=ORDERS, outputs={"statusCode": 401, "body": "Invalid user name or password."}),
        _done("For_each_line", 1.4, 4.3, **failed),
        _done("Ask_purchasing", 1.4, 1.4, status=Status.SKIPPED, code="ActionSkipped"),
        _done("Is_stock_available", 1.3, 4.3, inputs={"expressionResult": True}, details={"branch": "actions"}, **failed),
        _done("Write_to_ERP", 1.3, 4.3, **failed),
        _done("Confirm_to_customer", 4.3, 4.3, status=Status.SKIPPED, code="ActionSkipped"),
        EndRecord(status=Status.FAILED, code="ActionFailed", error=inner, at=at("02:31:11")),
    ]  # fmt: skip
    return entries


def _doubtful() -> list[Entry]:
    return [
        _done("Parse_order", 0.1, 0.2),
        ActionRecord(name="Get_customer", status=Status.WAITING, code="ActionInDoubt", started_at=at("02:31:08")),
    ]


def _kept(view: ConnectionView) -> ConnectionView:
    return replace(view, row=msgspec.structs.replace(view.row, sealed_candidate=b"sealed", shares_with="archive"))


def _views() -> list[ConnectionView]:
    good = ("ok",) * 17 + ("bad",) + ("held",) * 6
    rows = (
        ("Contoso Orders", ORDERS, "contosoorders", "basic", HealthState.BROKEN, good),
        ("Orders mailbox", MAILBOX, "outlook", "api_key", HealthState.CONNECTED, ("ok",) * 24),
        ("ERP database", STORE, "sql", "basic", HealthState.SUSPECT, ("ok",) * 23 + ("bad",)),
        ("Salesforce", CRM, "salesforce", "oauth2", HealthState.PENDING_CONSENT, ("none",) * 24),
    )
    return [_view(*row) for row in rows]


def _view(  # noqa: PLR0917  # a row of the table above
    name: str, connection_id: str, connector: str, sign_in: str, health: HealthState, ticks: tuple[str, ...]
) -> ConnectionView:
    is_broken = health is HealthState.BROKEN
    row = ConnectionRow(
        connection_id=connection_id,
        connector_id=connector,
        display_name=name,
        account_name="svc-orders@contoso.com" if sign_in == "basic" else "",
        owner_id="p",
        parameters={"username": "svc-orders@contoso.com"},
        allowed_origins=["https://orders.contoso.com"],
        health=health,
        health_changed_at=at("02:58"),
        last_good_at=None if health is HealthState.PENDING_CONSENT else at("02:14") if is_broken else at("09:10"),
        refused_at=at("02:31") if is_broken else None,
        refused_code="401 Unauthorized" if is_broken else "",
        refused_message="Invalid user name or password." if is_broken else "",
        refused_category="wrong_password" if is_broken else "",
        remedy="verify_password" if is_broken else "",
        created_at=at("09:00", 300),
        changed_at=at("09:00", 2),
    )
    secret = SecretField(name="password", title="Password", description="", is_secret=True, required=True, value="")
    user = SecretField(
        name="username",
        title="User name",
        description="",
        is_secret=False,
        required=True,
        value="svc-orders@contoso.com",
    )
    return ConnectionView(
        row=row,
        connector=_connector(connector, name),
        sign_in=sign_in,
        used_by=((FLOW, "Order intake to ERP"), ("f2", "Order status to Teams"), ("f3", "Order check, each 5 min")) if is_broken else (),
        failed_runs=143 if is_broken else 0,
        held_events=300 if is_broken else 0,
        held_runs=0,
        failed_run=_runs()[0] if is_broken else None,
        ticks=ticks,
        test=TestPlan(operation_id="List", method="GET", url_hint="/v2/orders", sentence=""),
        fields=(user, secret) if sign_in == "basic" else (secret,),
        ends=() if is_broken or sign_in == "basic" else (End(kind=EndKind.NOTED, at=NOW + timedelta(days=9)),),
        missing_scopes=("Mail.Send",) if sign_in == "oauth2" and health is HealthState.CONNECTED else (),
    )  # fmt: skip


def _mended(view: ConnectionView) -> ConnectionView:
    return replace(view, row=msgspec.structs.replace(view.row, health=HealthState.CONNECTED))


def _connector(connector_id: str, name: str) -> ConnectorRow:
    return ConnectorRow(
        connector_id=connector_id, display_name=name, definition={}, properties={}, fingerprint="", installed_at=NOW
    )


def _runs() -> list[RunRow]:
    rows = (
        ("7711", FLOW, "Failed", "02:31:07", "02:31:11", "Create_order_line", ORDERS),
        ("7712", "f3", "Succeeded", "09:11:40", "09:11:43", "", ""),
        ("7713", "f2", "Running", "09:11:02", "", "", ""),
        ("7714", FLOW, "Waiting", "09:06:13", "", "", ORDERS),
        ("7715", "f3", "Cancelled", "08:03:16", "08:06:20", "", ""),
    )
    return [
        RunRow(
            run_name=f"0858400000000000000000000{number}CU00",
            flow_id=flow_id,
            version="08584912345678901234",
            trigger_name="manual",
            status=status,
            code="ConnectionNeedsRepair" if status == "Waiting" else "",
            error_code="Unauthorized" if action else "",
            error_message="Invalid user name or password." if action else "",
            started_at=at(begun),
            ended_at=at(ended) if ended else None,
            begun_at=at("08:06:13") if number == "7715" else None,
            client_tracking_id="t",
            origin_run="08584" if number == "7712" else "",
            failed_action=action,
            diagnosis_category="wrong_password" if action else "",
            connection_id=connection_id,
            start=b"",
        )
        for number, flow_id, status, begun, ended, action, connection_id in rows
    ]


def _flows() -> FlowsPage:
    runs = _runs()
    flows = (
        _summary(FLOW, "Order intake to ERP", "On", ("contosoorders", "sql", "outlook"), runs[0], {"Succeeded": 40, "Failed": 96}, ((ORDERS, "Contoso Orders"),), 212),
        _summary("f3", "Supplier invoices to archive", "On", ("outlook", "sharepoint"), runs[1], {"Succeeded": 88}, (), 0),
        replace(
            _summary("f2", "Freight quote by mail", "Off", (), None, {}, (), 0),
            needs=FlowNeeds(connectors=("crm",), connections=("outlook",), values=("mailbox", "limit")),
        ),
    )  # fmt: skip
    return FlowsPage(
        flows=flows,
        starts={one.flow_id: "When an HTTP request is received" for one in flows},
        runnable={one.flow_id: True for one in flows},
        names={"outlook": "Outlook <365>"},
    )


def _unconnected(row: ConnectionRow) -> ConnectedFlows:
    lacking = (
        (FLOW, "Order intake to ERP", "mail"),
        ("f3", "Supplier <invoices>", "mail"),
        ("f3", "Supplier <invoices>", "box"),
    )
    return ConnectedFlows(
        connection=row,
        references=tuple(
            UnconnectedReference(flow_id=flow_id, flow_name=name, reference=reference)
            for flow_id, name, reference in lacking
        ),
    )


def _summary(  # noqa: PLR0917  # as in the table of My flows
    flow_id: str,
    name: str,
    state: str,
    connectors: tuple[str, ...],
    last_run: RunRow | None,
    runs_24h: dict[str, int],
    broken: tuple[tuple[str, str], ...],
    held: int,
) -> FlowSummary:
    return FlowSummary(
        flow_id=flow_id,
        name=name,
        state=state,
        trigger_type="Request",
        trigger_kind="Http",
        connectors=connectors,
        changed_at=at("10:00", 8),
        last_run=last_run,
        runs_24h=runs_24h,
        broken_connections=broken,
        held=held,
    )


def _problems() -> tuple[Problem, ...]:
    return (
        Problem(severity=Severity.ERROR, code="UnknownActionType", pointer="/definition/actions/Foo", message="There is no action type 'Fooo'.", hint="Did you mean 'Foreach'?"),
        Problem(severity=Severity.WARNING, code="UnusedParameter", pointer="/definition/parameters/x", message="The parameter 'x' is never used."),
    )  # fmt: skip


def _flow(
    state: FlowState, broken: tuple[ConnectionView, ...], runs: tuple[RunRow, ...], blocking: tuple[Problem, ...] = ()
) -> FlowPage:
    flow, _, _ = order_run()
    row = flow_row(state)
    references = (
        ReferenceState(key="orders", connector="contosoorders", connection_id=ORDERS, display_name="Contoso Orders", health="broken"),
        ReferenceState(key="mail", connector="outlook", connection_id="", display_name="", health=""),
    )  # fmt: skip
    url = f"http://127.0.0.1:8080/workflows/{FLOW}/triggers/When_an_order_arrives/paths/invoke?api-version=2016-10-01&sig=x"
    detail = FlowDetail(
        summary=_summary(FLOW, row.name, state.value, ("contosoorders",), None, {}, ((ORDERS, "Contoso Orders"),), 212 if broken else 0),
        row=row,
        flow=flow,
        document={},
        problems=_problems(),
        references=references,
        callback=CallbackUrl(value=url, base_path=url, queries={}),
        next_at=None,
        will_begin="",
        blocking=blocking,
        on_broken_connection="holdEvents",
        created_at=row.created_at,
    )  # fmt: skip
    event = TriggerEventRow(
        event_name="08584000000000000000000007799CU00", flow_id=FLOW, trigger_name="manual", status="Waiting",
        fired=False, started_at=at("03:10"), tracking_id="t", client_tracking_id="t",
    )  # fmt: skip
    return FlowPage(
        detail=detail,
        begins="Once on, it runs for each request to its callback URL.",
        starts="When an HTTP request is received",
        can_run=True,
        action_count=9,
        runs=runs,
        held_events=(event,) if broken else (),
        held_count=50_000 if broken else 0,
        settings=flow_settings(broken=bool(broken)),
        broken=broken,
        references=tuple(
            Reference(
                state=one,
                candidates=((ORDERS, "Contoso Orders"),) if one.key == "orders" else (),
                is_installed=one.key == "orders" or not blocking,
            )
            for one in references
        ),
    )


def _reachable(verdict: Verdict, detail: str = "") -> PublicAddressPage:
    title, advice = WORDS[verdict]
    address = "https://flows.contoso.com"
    hook = OutsideTrigger(
        flow_id=FLOW, flow_name="Order intake to ERP", trigger_name="When_a_row_changes", trigger_type="ApiConnectionWebhook",
        is_on=True, is_subscribed=True,
    )  # fmt: skip
    return PublicAddressPage(
        address=address,
        is_set=True,
        needy=(hook,),
        called=(replace(hook, flow_name="Ask the warehouse", trigger_name="manual", is_on=False, is_subscribed=False),),
        check=AddressCheck(address=address, verdict=verdict, checked_at=NOW, detail=detail),
        title=title,
        advice=advice,
    )


def _run_form() -> RunFlowPage:
    schema = {
        "type": "object",
        "required": ["order", "quantity"],
        "properties": {
            "order": {"type": "string", "title": "Order number", "description": "As the shop writes it."},
            "quantity": {"type": "integer", "title": "Quantity"},
            "warehouse": {"type": "string", "enum": ["TPE-1", "TPE-2"]},
            "urgent": {"type": "boolean", "title": "Urgent"},
            "lines": {"type": "array", "title": "Lines"},
        },
    }
    form, _ = read_form(form_of(schema), {"order": "4711", "quantity": "many"})
    return RunFlowPage(flow_id=FLOW, name="Order intake to ERP", form=form)


def _import() -> ImportPage:
    finding = ImportFinding(
        name="Order intake to ERP",
        flow_id=FLOW,
        path="shop/order-intake.json",
        packaging="plain",
        exists=True,
        trigger="Request Http",
        action_count=9,
        connectors=("contosoorders", "outlook"),
        references=(
            ReferenceNeed(key="orders", connector="contosoorders", connector_installed=True, candidates=((ORDERS, "Contoso Orders"),)),
            ReferenceNeed(key="mail", connector="outlook", connector_installed=False, candidates=()),
            ReferenceNeed(key="db", connector="sql", connector_installed=True, candidates=()),
        ),
        parameters=("warehouse",),
        secrets=("/definition/actions/Call/inputs/headers/X-Api-Key",),
        children=(),
        problems=_problems(),
        will_begin="",
        can_import=True,
    )  # fmt: skip
    references = tuple(
        PlannedReference(
            reference_id=f"{need.connector}:{need.key}",
            name=need.key,
            connector=need.connector,
            connector_installed=need.connector_installed,
            candidates=need.candidates,
            uses=((FLOW, need.key),),
        )
        for need in finding.references
    )
    plan = ImportPlan(
        findings=(finding, replace(finding, flow_id="f2", name="Stock", exists=False, problems=(), secrets=())),
        references=references,
        sign_ins=(
            PlannedSignIn(
                sign_in_id="embedded:1@f1",
                kind="Basic",
                account="ada",
                hosts=("api.example.com",),
                is_anywhere=False,
                connection_id="",
                connection_name="HTTP ada at api.example.com",
                needs=("Password",),
                candidates=((ORDERS, "Contoso Orders"),),
                uses=(("Order intake to ERP", "Read_order"), ("Stock", "Write_stock")),
            ),
            PlannedSignIn(
                sign_in_id="embedded:2@f1",
                kind="ManagedServiceIdentity",
                account="",
                hosts=(),
                is_anywhere=True,
                connection_id=ORDERS,
                connection_name="HTTP ManagedServiceIdentity",
                needs=(),
                candidates=((ORDERS, "Contoso Orders"),),
                uses=(("Stock", "Count"),),
            ),
        ),
        parameters=(_planned("warehouse", "int"), _planned("pin", "securestring", is_secret=True)),
        environment_variables=(_planned("shop_site", "string", value="https://shop.test"),),
        problems=(FileProblem(path="shop/broken.json", problem=_problems()[0]),),
    )
    request = "When an HTTP request is received"
    return ImportPage(
        plan=plan, starts=(request, request), token="t", file_name="shop.zip", error="No such connection."
    )


def _planned(name: str, kind: str, *, is_secret: bool = False, value: str | None = None) -> PlannedValue:
    return PlannedValue(
        name=name,
        shown_name=name.title(),
        type=kind,
        description="Where it is sent from.",
        is_secret=is_secret,
        is_required=value is None,
        value=value,
        flows=("Order intake to ERP", "Stock"),
    )


def _runs_page(runs: tuple[RunRow, ...], names: dict[str, str], status: str) -> RunsPage:
    columns = (Column(kind=ColumnKind.VALUE, name="Order number"), Column(kind=ColumnKind.OUTPUT, name="body/customer"))
    filters = dict.fromkeys(("flow", "incident", "category", "tracked_name", "tracked_value", "text", "since"), "")
    filters |= {"status": status, "connection": ORDERS if status else "", "started_from": "", "started_to": ""}
    event = TriggerEventRow(
        event_name="08584000000000000000000007799CU00", flow_id=FLOW, trigger_name="manual", status="Waiting",
        code="ConnectionNeedsRepair", fired=False, started_at=at("03:10"), tracking_id="t", client_tracking_id="t",
        business_key="4812",
    )  # fmt: skip
    if status == "Checks":
        event = msgspec.structs.replace(event, status="Skipped", code="NoNewItems", checks=200, ended_at=at("03:40"))
    events = (event,) if status in {"Held", "Checks"} else ()
    return RunsPage(
        filters=filters,
        runs=() if events else runs,
        events=events,
        headlines={run.run_name: "4711" for run in runs[:1]},
        lineages={run.run_name: Lineage(attempt=2, attempts=3) for run in runs[:1]},
        people={"owner": "Mei Chen"},
        chips=tuple(
            Chip(
                address=f"/runs?status={name}",
                look=look,
                is_current=name == status,
                count={"Failed": 143, "Running": 1001}.get(name),
            )
            for name, look in {"": None, **RUN_FILTERS}.items()
        ),
        flow_names=names,
        connection_names={ORDERS: "Contoso Orders"},
        columns=columns if status else (),
        values={run.run_name: ("4711", "<Contoso & Sons>") for run in runs},
        offered=columns,
        selection=Selection(
            fields={"status": status},
            as_of=NOW.isoformat(),
            total=143,
            is_all=status == "Cancelled",
            all_address="/runs?select=all",
            page_address="/runs",
        ),
        older="/runs?cursor=x" if runs else "",
        newest="/runs",
        export="/runs.csv",
        is_later_page=False,
        is_whole=status != "Failed",
        kept_days=400 if status else 0,
    )


def _choice() -> ConnectorChoice:
    fields = _view("Contoso Orders", ORDERS, "contosoorders", "basic", HealthState.CONNECTED, ()).fields
    security = SecretField(
        name="security",
        title="Security",
        description="",
        is_secret=False,
        required=True,
        value="",
        allowed_values=("tls", "none"),
        allowed_titles=("TLS <1.3>", "None"),
    )
    mail = replace(
        security, name="mail", title="Mail", required=False, allowed_values=(), allowed_titles=(), connection_of="smtp"
    )
    key = replace(
        security,
        name="key",
        title="Key",
        description="In PEM form",
        is_secret=True,
        is_multiline=True,
        allowed_values=(),
    )
    way = WayToSignIn(
        name="",
        title="",
        sign_in="basic",
        parameters=(
            *fields,
            security,
            mail,
            key,
            replace(key, name="hides", title="Hides", is_hidden=True),
            replace(mail, name="on", type="bool", connection_of=""),
        ),
    )
    return ConnectorChoice(
        connector_id="contosoorders",
        display_name="Contoso Orders",
        sign_in="basic",
        parameters=way.parameters,
        ways=(way,),
    )


def _counts(total: int = 4) -> ConnectionCounts:
    some = min(total, 1)
    return ConnectionCounts(total=total, in_need=2 * some, broken=some, unfinished=some, suspect=0, untested=some)


def _health_page(view: ConnectionView, **typed: str) -> ConnectionHealthPage:
    needs = Parameter(name="id", location=Location.PATH, is_required=True)
    operation = Operation(
        operation_id="GetOrder", method="GET", path="/orders/{id}", summary="One order", parameters=(needs,)
    )
    certificate = End(kind=EndKind.CERTIFICATE, at=NOW + timedelta(days=5))
    row = msgspec.structs.replace(view.row, last_probe_at=at("08:00"), next_probe_at=NOW + timedelta(hours=3))
    return ConnectionHealthPage(
        view=replace(view, row=row, ends=(certificate,)),
        choices=(operation,),
        chosen=SafeCall(operation_id="GetOrder", arguments={"id": "4711"}),
        **{"operation_id": "GetOrder", "arguments": "id=4711", **typed},
    )


def _forecast(views: tuple[ConnectionView, ...]) -> ForecastPage:
    ends = (
        (EndKind.APP_SECRET, -1, Urgency.OVER),
        (EndKind.CERTIFICATE, 5, Urgency.WEEK),
        (EndKind.NOTED, 25, Urgency.MONTH),
    )
    found = tuple(
        Forecast(
            connection_id=view.row.connection_id,
            display_name=view.row.display_name,
            end=End(kind=kind, at=NOW + timedelta(days=days)),
            urgency=urgency,
            days_left=max(0, days),
        )
        for view, (kind, days, urgency) in zip(views, ends, strict=False)
    )
    return ForecastPage(forecasts=found, total=7)


def _leaving(views: tuple[ConnectionView, ...]) -> LeavingPage:
    flows = (
        LeavingFlow(flow_id=FLOW, name="Order intake to ERP", is_on=True, is_theirs=True, stops=True, connections=((ORDERS, "Contoso Orders"),)),
        LeavingFlow(flow_id="f2", name="Order status to Teams", is_on=True, is_theirs=True, stops=False, connections=()),
        LeavingFlow(flow_id="f3", name="Supplier invoices to archive", is_on=False, is_theirs=False, stops=False, connections=()),
    )  # fmt: skip
    app = SignInAppRow(
        app_id="a", connector_id="salesforce", client_id="0oa", display_name="Contoso CRM", created_at=NOW
    )
    rows = tuple(view.row for view in views)
    found = Leaving(person="svc-orders@contoso.com", accounts=rows[:1], owned=rows[1:2], apps=(app,), flows=flows)
    return LeavingPage(people=(), person=found.person, leaving=found)


def _verification(is_proven: bool) -> Verification:
    return Verification(
        is_proven=is_proven,
        is_kept=is_proven,
        connection_id=ORDERS,
        health="connected" if is_proven else "broken",
        operation_id="List",
        status_code=200 if is_proven else 401,
        code="OK" if is_proven else "Unauthorized",
        message="" if is_proven else "Invalid user name or password.",
        category="" if is_proven else "wrong_password",
        duration_ms=190,
        released=3 if is_proven else 0,
        attempts_left=3 if is_proven else 2,
    )
