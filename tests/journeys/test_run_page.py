"""The run page as people use it: from failure to failure, into cards, values as tables and files, and beside another run."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from journeys.axe import bring_axe, faults_by_axe
from journeys.demonstration import Demonstration
from journeys.visitor import Visitor

Visit = Callable[..., Visitor]

ROWS = [{"sku": f"CB-{number}", "quantity": number} for number in range(3)]
DEFINITION: dict[str, Any] = {
    "$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#",
    "contentVersion": "1.0.0.0",
    "triggers": {"manual": {"type": "Request", "kind": "Http", "inputs": {"schema": {}}}},
    "actions": {
        "Lines": {"type": "Compose", "inputs": ROWS, "runAfter": {}},
        "Hidden": {
            "type": "Compose",
            "inputs": {"password": "hush"},
            "runAfter": {},
            "runtimeConfiguration": {"secureData": {"properties": ["inputs", "outputs"]}},
        },
        "Each_number": {
            "type": "Foreach",
            "foreach": "@range(0, 40)",
            "runAfter": {"Lines": ["Succeeded"]},
            "operationOptions": "Sequential",
            "actions": {
                "Item": {"type": "Compose", "inputs": "@item()", "runAfter": {}},
                "Divide": {
                    "type": "Compose",
                    "inputs": "@div(60, if(equals(mod(add(item(), 1), triggerBody()['every']), 0), 0, 1))",
                    "runAfter": {"Item": ["Succeeded"]},
                },
            },
        },
    },
}


@pytest.fixture(scope="module")
def runs(demo: Demonstration) -> tuple[str, str]:
    """One that succeeded, then one whose loop failed in the passes 15 and 30."""
    path = demo.data.parent / "divide.json"
    path.write_text(json.dumps({"definition": DEFINITION}), encoding="utf-8")
    flow_id = json.loads(demo.command("import", str(path), "--turn-on", "--json"))[0]["id"]
    good, failed = [demo.post(f"/flows/{flow_id}/run", {"every": every})["name"] for every in (99, 15)]
    assert [demo.ended(name)["status"] for name in (good, failed)] == ["Succeeded", "Failed"]
    return good, failed


def card(page: Page, name: str) -> Any:
    return page.locator(f"#a-{name}")


def test_failed_passes_are_one_click_apart_and_any_pass_is_reached_by_its_number(
    demo: Demonstration, visit: Visit, runs: tuple[str, str]
) -> None:
    visitor = visit()
    page = visitor.page
    page.goto(f"{demo.url}/runs/{runs[1]}")
    passes = page.get_by_role("navigation", name="Passes of Each number")
    expect(passes).to_contain_text("15 of 40")
    expect(passes).to_contain_text("2 failed")
    expect(card(page, "Divide")).to_contain_text("InvalidTemplate")
    visitor.shoot("run-loop")
    passes.get_by_role("link", name="Next failed pass").click()
    expect(passes).to_contain_text("30 of 40")
    expect(card(page, "Divide")).to_contain_text("InvalidTemplate")
    passes.get_by_role("textbox").fill("7")
    passes.get_by_role("textbox").press("Enter")
    expect(passes).to_contain_text("7 of 40")
    page.get_by_role("link", name="List", exact=True).click()
    expect(page.locator("#a-Each_number")).to_be_visible()


def test_a_card_is_read_when_it_is_opened_and_shows_a_table_a_tree_and_no_secret(
    demo: Demonstration, visit: Visit, runs: tuple[str, str]
) -> None:
    visitor = visit()
    page = visitor.page
    page.goto(f"{demo.url}/runs/{runs[1]}")
    lines = card(page, "Lines")
    expect(lines.get_by_role("table")).to_have_count(0)
    lines.locator("summary").first.focus()
    page.keyboard.press("Enter")
    expect(lines.get_by_role("columnheader", name="sku").first).to_be_visible()
    expect(lines.get_by_role("cell", name="CB-2").first).to_be_visible()
    lines.get_by_text("Raw", exact=True).first.click()
    expect(lines.get_by_role("button", name="Copy").first).to_be_visible()
    with page.expect_download() as download:
        lines.get_by_role("link", name="Download").first.click()
    assert json.loads(download.value.path().read_text(encoding="utf-8")) == ROWS
    hidden = card(page, "Hidden")
    hidden.locator("summary").first.click()
    expect(hidden).to_contain_text("hidden")
    assert "hush" not in page.content()
    lines.get_by_role("link", name="Trace").click()
    expect(lines).to_contain_text("There are no expressions in this action.")
    bring_axe(page.context)
    page.reload()
    assert faults_by_axe(page) == []


def test_the_page_of_one_action_works_without_a_script_and_leads_back(
    demo: Demonstration, visit: Visit, runs: tuple[str, str]
) -> None:
    page = visit().page
    page.goto(f"{demo.url}/runs/{runs[1]}/action?name=Item&repetition=000006")
    expect(page.get_by_role("heading", level=1)).to_have_text("Item")
    expect(page.get_by_role("main")).to_contain_text("Each number: pass 7")
    page.get_by_role("link", name="Show in the run").click()
    expect(page.get_by_role("navigation", name="Passes of Each number")).to_contain_text("7 of 40")


def test_a_failed_run_is_compared_with_the_one_that_went_well(
    demo: Demonstration, visit: Visit, runs: tuple[str, str]
) -> None:
    visitor = visit()
    page = visitor.page
    page.goto(f"{demo.url}/runs/{runs[1]}")
    page.get_by_role("link", name="Compare", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Compare runs")
    divide = card(page, "Divide")
    expect(divide).to_contain_text("differs")
    divide.locator("summary").click()
    expect(divide).to_contain_text("Failed")
    visitor.shoot("compare")
    page.get_by_role("link", name="Differences").click()
    expect(page.get_by_role("region", name="Outputs: Trigger")).to_contain_text("/body/every")
    page.get_by_role("combobox", name="Compare with").select_option(index=0)
    expect(page.get_by_role("heading", level=1)).to_have_text("Compare runs")
    page.set_viewport_size({"width": 375, "height": 780})
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
