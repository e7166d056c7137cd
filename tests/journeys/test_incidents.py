"""An incident as people meet it: on Home, on its page, on a terminal and over the API."""

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from journeys.demonstration import Demonstration
from journeys.visitor import Visitor

Visit = Callable[..., Visitor]


def open_incident(demo: Demonstration) -> str:
    (one,) = demo.get("/incidents?state=open")["value"]
    return str(one["id"])


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", ("Repair", "Details", "mended")), ("zh-Hant", ("修復", "詳細資料", "已修復"))],
)
def test_home_leads_to_the_incident_and_the_incident_to_its_cure(
    demo: Demonstration, visit: Visit, language: str, words: tuple[str, str, str]
) -> None:
    repair, details, mended = words
    failure = demo.fail_order({"en": "7501", "zh-Hant": "7502"}[language])
    visitor = visit(language)
    page = visitor.page

    page.goto(f"{demo.url}/")
    page.get_by_role("region").get_by_role("link", name=details).first.click()
    expect(page).to_have_url(f"{demo.url}/incidents/{open_incident(demo)}")
    incident = page.url
    expect(page.get_by_role("main")).to_contain_text("Invalid user name or password.")
    visitor.shoot("70-incident")
    expect(page.get_by_role("link", name=failure.order_number, exact=True)).to_be_visible()

    page.get_by_role("main").get_by_role("link", name=re.compile(f"^{repair}")).first.click()
    way = f"verify?run={failure.run_name}&then=plan"
    expect(page).to_have_url(f"{demo.url}/connections/{failure.connection_id}/{way}")
    page.go_back()

    # Somebody else mends it; the open page hears of it.
    demo.post(f"/connections/{failure.connection_id}/verify", {"parameters": {"password": failure.password}})
    expect(page.get_by_role("heading", level=1)).to_contain_text(mended)
    assert page.url == incident
    visitor.shoot("71-incident-mended")

    page.goto(f"{demo.url}/runs/{failure.run_name}")
    page.locator(f"a[href='/incidents/{incident.rpartition('/')[2]}']").click()
    expect(page).to_have_url(incident)


def test_a_terminal_says_what_broke_and_who_can_end_it(demo: Demonstration) -> None:
    failure = demo.fail_order("7503")
    listed = json.loads(demo.command("incidents", "list", "--state", "open", "--json"))
    assert [one["source"]["id"] for one in listed] == [failure.connection_id]
    assert "Sample orders" in demo.command("incidents", "list")
    shown = demo.command("incidents", "show", listed[0]["id"])
    assert "Owner can end it by entering the current password." in shown
    assert failure.run_name in shown
    assert "7503" in shown
    assert json.loads(demo.command("incidents", "show", listed[0]["id"], "--json"))["incident"] == listed[0]
    failed = json.loads(demo.command("runs", "list", "--incident", listed[0]["id"], "--json"))
    assert [run["name"] for run in failed] == [failure.run_name]
    demo.mend_orders()
    assert "closed" in demo.command("incidents", "show", listed[0]["id"])
    demo.command("incidents", "show", "nobody", exit_code=1)


def test_a_program_reads_what_it_broke(demo: Demonstration) -> None:
    failure = demo.fail_order("7504")
    found = demo.get(f"/incidents/{open_incident(demo)}")
    assert found["business_keys"] == {"latest": ["7504"], "count": 1, "is_complete": True}
    assert [run["name"] for run in found["latest_failed_runs"]] == [failure.run_name]
    assert [(one["id"], one["health"]) for one in found["connections"]] == [(failure.connection_id, "broken")]
    assert found["incident"]["failed_runs"] == 1
    of_incident = demo.get(f"/runs?incident_id={found['incident']['id']}")["value"]
    assert [run["name"] for run in of_incident] == [failure.run_name]
    assert (found["incident"]["who_can_fix"]["kind"], found["question"]) == ("reverify", "")
    demo.mend_orders()
    assert demo.get(f"/incidents/{found['incident']['id']}")["incident"]["closed_by"] == "proof"
    assert demo.get("/incidents?state=open")["value"] == []
    of_it = demo.get(f"/incidents?connection_id={failure.connection_id}&limit=1")
    assert [one["id"] for one in of_it["value"]] == [found["incident"]["id"]]
    assert demo.get(of_it["nextLink"].partition("/api/v1")[2])["value"]
    assert demo.ask("GET", "/incidents?state=perhaps").status == 400
    assert demo.ask("GET", "/incidents?cursor=nothing-of-ours").status == 200
    assert demo.ask("GET", "/incidents/nobody").status == 404
