"""axe-core finds nothing wrong with any page: each state of each page as drawn, and each route of a running Flowmend."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.sync_api import Browser, Page
from starlette.routing import Route

import flowmend.portal
from flowmend.portal.assets import Assets
from flowmend.portal.routes import portal_routes
from flowmend.use_cases.ports import Services
from journeys.axe import bring_axe, faults_by_axe
from journeys.demonstration import Demonstration
from journeys.test_approvals import ask
from journeys.visitor import Visitor
from portal.conftest import assets, draw, pages  # noqa: F401  # fixtures
from portal.drawn_site import drawn_site
from portal.sample_pages import SamplePage

Draw = Callable[[str, str], str]
Visit = Callable[..., Visitor]

#: (language, how the browser shows it)
_LOOKS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("en", {"color_scheme": "light", "viewport": {"width": 1100, "height": 720}}),
    ("zh-Hant", {"color_scheme": "dark", "viewport": {"width": 375, "height": 780}}),
)

#: {route: addresses to open}; `{…}` are filled from the demonstration
_VISITS: dict[str, tuple[str, ...]] = {
    "/": ("/",),
    "/flows": ("/flows", "/flows?text=nothing-is-called-so"),
    "/flows/{flow_id}": ("/flows/{flow}", "/flows/{nightly}"),
    "/flows/{flow_id}/edit": ("/flows/{flow}/edit",),
    "/flows/{flow_id}/versions": ("/flows/{flow}/versions",),
    "/flows/{flow_id}/versions/{version}": ("/flows/{flow}/versions/{version}",),
    "/flows/{flow_id}/parameters": ("/flows/{flow}/parameters",),
    "/flows/{flow_id}/test": ("/flows/{flow}/test",),
    "/flows/{flow_id}/settings": ("/flows/{flow}/settings",),
    "/flows/{flow_id}/run": ("/flows/{flow}/run",),
    "/flows/{flow_id}/cancel_runs": ("/flows/{flow}/cancel_runs",),
    "/flows/{flow_id}/delete": ("/flows/{flow}/delete", "/flows/{nightly}/delete"),
    "/held": ("/held", "/held?flow={flow}"),
    "/held/discard": ("/held/discard?flow={flow}",),
    "/import": ("/import",),
    "/runs": ("/runs", "/runs?status=Failed", "/runs?text=nothing-is-called-so", "/runs?flow={flow}&connection={connection}"),
    "/runs/{run_name}": ("/runs/{good_run}", "/runs/{failed_run}", "/runs/{failed_run}?view=list", "/runs/08584000000000000000000000000CU00"),
    "/runs/{run_name}/action": ("/runs/{failed_run}/action", "/runs/{failed_run}/action?name=Get_stock"),
    "/runs/{run_name}/again": ("/runs/{failed_run}/again",),
    "/runs/{run_name}/compare": ("/runs/{failed_run}/compare", "/runs/{failed_run}/compare?view=list"),
    "/runs/{run_name}/trace": ("/runs/{failed_run}/trace?action=Compose_order_lines",),
    "/runs/{run_name}/try": ("/runs/{failed_run}/try", "/runs/{failed_run}/try?expression=triggerBody()"),
    "/connections": ("/connections",),
    "/connections/new": ("/connections/new", "/connections/new?connector=sample_orders", "/connections/new?connector=sample_customers"),
    "/connections/{connection_id}": ("/connections/{connection}", "/connections/{customers}"),
    "/connections/{connection_id}/health": ("/connections/{connection}/health",),
    "/connections/{connection_id}/verify": ("/connections/{connection}/verify", "/connections/{key_connection}/verify", "/connections/{customers}/verify"),
    "/connections/{connection_id}/swap": ("/connections/{connection}/swap",),
    "/connections/{connection_id}/uses": ("/connections/{connection}/uses",),
    "/connections/{connection_id}/repair_link": ("/connections/{connection}/repair_link",),
    "/connections/{connection_id}/device": ("/connections/{customers}/device",),
    "/connections/{connection_id}/delete": ("/connections/{connection}/delete",),
    "/forecast": ("/forecast",),
    "/approvals": ("/approvals", "/approvals?state=done"),
    "/approvals/{approval_id}": ("/approvals/{approval}",),
    "/connectors": ("/connectors",),
    "/connectors/add": ("/connectors/add",),
    "/connectors/{connector_id}": ("/connectors/sample_orders", "/connectors/approvals"),
    "/leaving": ("/leaving", "/leaving?person=ada"),
    "/incidents": ("/incidents", "/incidents?state=closed"),
    "/incidents/{incident_id}": ("/incidents/{incident}", "/incidents/{closed_incident}"),
    "/repair_plans/{plan_id}": ("/repair_plans/{plan}",),
    "/repair_plans/{plan_id}/items": ("/repair_plans/{plan}/items",),
    "/settings": ("/settings",),
    "/settings/apps": ("/settings/apps",),
    "/settings/apps/new": ("/settings/apps/new", "/settings/apps/new?connector=sample_customers"),
    "/settings/apps/{app_id}": ("/settings/apps/{app}",),
    "/settings/apps/{app_id}/delete": ("/settings/apps/{app}/delete",),
    "/settings/messages": ("/settings/messages",),
    "/settings/reachable": ("/settings/reachable",),
    "/notices": ("/notices",),
    "/login": ("/login",),
    "/repair": ("{repair_link}", "/repair"),
    "/repair/connection": ("/repair/connection",),
    "/approve": ("/approve",),
    "/approve/question": ("/approve/question",),
    "/oauth/callback": ("/oauth/callback?state=of-nobody",),
    "/{rest:path}": ("/nothing-is-here",),
}  # fmt: skip

#: GET routes that answer with no page of ours
_NO_PAGES = {
    "/static/{name}": "style and script",
    "/events": "the stream of changes",
    "/runs.csv": "a file",
    "/flows/{flow_id}/export": "a file",
    "/runs/{run_name}/action/{part}.json": "a file",
    "/connections/{connection_id}/consent": "leads to the provider",
    "/connections/{connection_id}/device/open": "leads to the provider",
    "/repair/sign_in": "leads to the provider",
}


@pytest.fixture(scope="module")
def site(draw: Draw, assets: Assets) -> Iterator[str]:  # noqa: F811  # the fixture of that name
    with drawn_site(draw, assets) as address:
        yield address


@pytest.mark.parametrize(("language", "shown"), _LOOKS, ids=["light", "dark-and-narrow"])
def test_no_state_of_any_page_has_a_fault(
    site: str,
    pages: dict[str, SamplePage],  # noqa: F811  # the fixture of that name
    chromium: Browser,
    language: str,
    shown: dict[str, Any],
) -> None:
    found: dict[str, list[str]] = {}
    with chromium.new_context(**shown, reduced_motion="reduce") as context:
        bring_axe(context)
        page = context.new_page()
        for name in pages:
            page.goto(f"{site}/{language}/{name}")
            if faults := faults_by_axe(page):
                found[name] = faults
    assert found == {}


def test_every_template_of_a_page_is_among_the_states_looked_at(
    pages: dict[str, SamplePage],  # noqa: F811  # the fixture of that name
) -> None:
    folder = Path(flowmend.portal.__path__[0]) / "templates"
    whole = {path.name for path in folder.iterdir() if '{% extends "layout.html" %}' in path.read_text("utf-8")}
    assert whole == {page.template for page in pages.values()} & whole


def test_every_route_of_the_portal_is_visited_or_is_no_page() -> None:
    routes = portal_routes(cast(Services, None))  # the table alone needs nothing that happens behind it
    read = {route.path for route in routes if isinstance(route, Route) and "GET" in (route.methods or ())}
    assert read == _VISITS.keys() | _NO_PAGES.keys()


def test_no_page_of_a_running_flowmend_has_a_fault(demo: Demonstration, visit: Visit) -> None:
    places = _places(demo)
    page = visit().page
    bring_axe(page.context)
    found: dict[str, list[str]] = {}
    for path in (path for paths in _VISITS.values() for path in paths):
        address = path.format_map(places)
        _open(page, address if "://" in address else demo.url + address)
        if faults := faults_by_axe(page):
            found[path] = faults
    demo.post(f"/repair_plans/{places['plan']}/dismiss")  # it keeps back what others would start
    demo.mend_orders()
    demo.ended(demo.run_of_order("7803")["name"])
    assert found == {}


def _open(page: Page, address: str) -> None:
    answer = page.goto(address)
    assert answer is not None
    assert "text/html" in answer.headers["content-type"]
    if "#" in address:  # the script sends a link's secret on
        page.wait_for_url(re.compile(r"/connection$"))


def _places(demo: Demonstration) -> dict[str, str]:
    """A broken connection with failed runs, held events and a plan; an incident that is over; an approval that waits."""
    demo.fail_order("7801")
    demo.mend_orders()
    demo.post("/connections", {"connector": "approvals", "display_name": "Approvals", "parameters": {}})
    ask(demo, "Chairs", "mei@contoso.com")
    app = {
        "connector": "sample_customers",
        "display_name": "Customers app",
        "client_id": "customers",
        "client_secret": "of-the-sample",
        "parameters": {"token:HostUrl": demo.service_url},
    }
    failure = demo.fail_order("7802")
    demo.run_flow("Order intake", demo.order("7803"))
    incident = demo.get("/incidents?state=open")["value"][0]["id"]
    flow = demo.flow_id("Order intake")
    return {
        "flow": flow,
        "nightly": demo.flow_id("Nightly customer sync"),
        "version": demo.get(f"/flows/{flow}/versions")["value"][0]["version"],
        "good_run": demo.get("/runs?status=Succeeded&limit=1")["value"][0]["name"],
        "failed_run": failure.run_name,
        "connection": failure.connection_id,
        "customers": demo.connection("sample_customers")["id"],
        "key_connection": demo.connection("sample_shipping")["id"],
        "approval": demo.get("/approvals")["value"][0]["id"],
        "incident": incident,
        "closed_incident": demo.get("/incidents?state=closed")["value"][0]["id"],
        "plan": demo.post("/repair_plans", {"incident": incident})["id"],
        "app": demo.post("/sign_in_apps", app)["id"],
        "repair_link": demo.post(f"/connections/{failure.connection_id}/repair_links", {})["url"],
    }
