"""Everything can be done with a keyboard alone, and one always sees where one is."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from journeys.demonstration import Demonstration
from journeys.keyboard import Keyboard
from journeys.visitor import Visitor

Visit = Callable[..., Visitor]

FLOW = "Order intake"


def test_what_broke_is_repaired_from_home_to_all_well_without_a_mouse(demo: Demonstration, visit: Visit) -> None:
    failure = demo.fail_order("7951")
    demo.run_flow(FLOW, demo.order("7952"))
    page = visit().page
    keys = Keyboard(page=page, faults=[])
    heading, main = page.get_by_role("heading", level=1), page.get_by_role("main")

    page.goto(f"{demo.url}/")
    keys.press(main.get_by_role("link", name=re.compile("^Repair")).first)
    expect(heading).to_have_text("Verify password")
    keys.tab_to(page.locator("input[type=password]"))
    page.keyboard.type("certainly-wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Nothing was changed.")
    keys.tab_to(page.locator("input[type=password]"))
    page.keyboard.type(failure.password)
    keys.press(main.locator("form button.primary"), "Space")

    page.wait_for_url(re.compile("/repair_plans/"))
    keys.press(main.locator("button.primary"))
    expect(heading).to_have_text("Sample orders is mended", timeout=60_000)
    keys.press(main.get_by_role("link", name="Home", exact=True))
    expect(page).to_have_url(f"{demo.url}/")
    assert demo.get("/incidents?state=open")["value"] == []
    for number in ("7951", "7952"):
        assert set(demo.requests_for(number).values()) == {1}
    assert keys.faults == []


def test_a_menu_opens_with_enter_and_closes_with_escape_which_gives_the_focus_back(
    demo: Demonstration, visit: Visit
) -> None:
    page = visit().page
    keys = Keyboard(page=page, faults=[])
    page.goto(f"{demo.url}/runs")
    for menu, first in (("#settings-menu", "a"), ("#account-menu", "button"), ("#columns", "input[type=checkbox]")):
        summary = page.locator(f"{menu} > summary")
        keys.press(summary)
        keys.tab_to(page.locator(f"{menu} .pop").locator(first).first)
        page.keyboard.press("Escape")
        expect(page.locator(menu)).not_to_have_attribute("open", "")
        expect(summary).to_be_focused()
    assert keys.faults == []


def test_the_first_stop_of_a_page_leads_past_its_frame(demo: Demonstration, visit: Visit) -> None:
    page = visit().page
    keys = Keyboard(page=page, faults=[])
    page.goto(f"{demo.url}/connections")
    keys.press(page.get_by_role("link", name="Skip to content"))
    expect(page.get_by_role("main")).to_be_focused()
    keys.stop_at_next()
    assert page.evaluate("document.getElementById('main').contains(document.activeElement)")
    keys.stop_at_next(backwards=True)
    assert keys.faults == []


def test_the_passes_of_a_loop_are_gone_through_by_keys(demo: Demonstration, visit: Visit) -> None:
    demo.mend_orders()
    demo.run_flow(FLOW, demo.order("7903"))
    run = demo.run_of_order("7903")
    demo.ended(run["name"])
    page = visit().page
    keys = Keyboard(page=page, faults=[])
    page.goto(f"{demo.url}/runs/{run['name']}")
    second = page.locator(".pips a").nth(1)
    keys.press(second)
    expect(second).to_have_attribute("aria-current", re.compile("true|step|page"))
    inside = page.locator(".box:has(.pips) .act summary").first
    keys.press(inside)
    expect(inside.locator("xpath=..")).to_have_attribute("open", "")
    page.keyboard.press("Space")
    expect(inside.locator("xpath=..")).not_to_have_attribute("open", "")
    assert keys.faults == []


@pytest.mark.parametrize("width", [1100, 375])
def test_tab_leads_through_a_page_and_out_again_and_each_stop_is_seen(
    demo: Demonstration, visit: Visit, width: int
) -> None:
    failure = demo.fail_order("7904")
    incident = demo.get("/incidents?state=open")["value"][0]["id"]
    plan = demo.post("/repair_plans", {"incident": incident})["id"]
    page = visit(width=width).page
    found: dict[str, list[str]] = {}
    for path in (
        "/",
        "/runs",
        f"/runs/{failure.run_name}",
        f"/runs/{failure.run_name}?view=list",
        f"/incidents/{incident}",
        f"/repair_plans/{plan}",
        f"/connections/{failure.connection_id}/verify",
        f"/flows/{demo.flow_id(FLOW)}/edit",
        "/settings/messages",
    ):
        keys = Keyboard(page=page, faults=[])
        page.goto(demo.url + path)
        assert keys.walk() > 3
        if keys.faults:
            found[path] = keys.faults
    demo.post(f"/repair_plans/{plan}/dismiss")
    assert found == {}
