"""A flow corrected in the browser: from the failed action to its very lines, saved, resubmitted, compared, tried."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from journeys.demonstration import Demonstration
from journeys.test_pages import _FAULTS
from journeys.visitor import Visitor

Visit = Callable[..., Visitor]

SECRET = "sesame-4711"
SCHEMA = "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#"


def _flow(demo: Demonstration, name: str) -> str:
    """The id of a flow, on, whose second action asks for a page that is not there."""
    definition = {
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "parameters": {
            "region": {"type": "String", "defaultValue": "north"},
            "password": {"type": "SecureString", "defaultValue": ""},
        },
        "triggers": {"manual": {"type": "Request", "kind": "Http", "inputs": {"schema": {}}}},
        "actions": {
            "Make_number": {"type": "Compose", "inputs": "@add(1, length(parameters('region')))", "runAfter": {}},
            "Ask_shop": {
                "type": "Http",
                "inputs": {
                    "method": "GET",
                    "uri": f"{demo.service_url}/nothing-here/@{{outputs('Make_number')}}",
                    "retryPolicy": {"type": "none"},
                },
                "runAfter": {"Make_number": ["Succeeded"]},
            },
        },
    }
    (flow,) = demo.post(f"/flows?file_name={name}.json&as_new=true", {"definition": definition})["value"]
    demo.post(f"/flows/{flow['id']}/turn_on")
    return str(flow["id"])


def _failed_run(demo: Demonstration, flow_id: str) -> str:
    name = str(demo.post(f"/flows/{flow_id}/run", {})["name"])
    assert demo.ended(name)["status"] == "Failed"
    return name


def _marked_line(page: Page) -> str:
    """The first of the lines that the editor marks, in which the caret stands."""
    first = int(page.locator(".lines-of .here").first.inner_text())
    lines: list[str] = page.get_by_role("textbox", name="Definition").input_value().split("\n")
    at = int(page.evaluate("document.getElementById('text').selectionStart"))
    assert at == sum(len(line) + 1 for line in lines[: first - 1]) + len(lines[first - 1]) - len(
        lines[first - 1].lstrip()
    )
    return lines[first - 1]


def test_how_to_fix_leads_to_the_action_in_the_editor_and_back_to_a_run_that_succeeds(
    demo: Demonstration, visit: Visit
) -> None:
    flow_id = _flow(demo, "edited")
    run_name = _failed_run(demo, flow_id)
    visitor = visit()
    page = visitor.page
    page.goto(f"{demo.url}/runs/{run_name}")
    visitor.shoot("70-run-with-404")
    page.get_by_role("complementary").get_by_role("link", name="Edit this action").click()

    text = page.get_by_role("textbox", name="Definition")
    chosen = _marked_line(page)
    assert '"Ask_shop": {' in chosen
    assert page.evaluate(_FAULTS) == []
    visitor.shoot("71-editor-at-the-action")

    text.fill(text.input_value().replace("add(1,", "nope(1,"))
    expect(page.locator("#problems")).to_contain_text("nope")
    visitor.shoot("72-editor-with-a-problem")
    page.locator("#problems [data-line]").first.click()
    line = _marked_line(page)
    assert "nope" in line
    page.get_by_role("button", name="Save new version").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was saved")  # the flow is on

    mended = (
        text.input_value().replace("nope(1,", "add(1,").replace("/nothing-here/@{outputs('Make_number')}", "/health")
    )
    text.fill(mended)
    page.get_by_role("button", name="Save new version").click()
    expect(page.get_by_text("The flow has a new version")).to_be_visible()
    page.get_by_role("button", name="Resubmit").click()
    expect(page.get_by_text("Started again as attempt 2")).to_be_visible()

    page.goto(f"{demo.url}/flows/{flow_id}/versions")
    visitor.shoot("73-versions")
    page.get_by_role("link", name="What changed since").click()
    expect(page.locator(".diff .added").first).to_contain_text("/health")
    assert page.evaluate(_FAULTS) == []
    visitor.shoot("74-difference")


def test_a_trace_opens_in_the_card_and_an_expression_is_tried(demo: Demonstration, visit: Visit) -> None:
    run_name = _failed_run(demo, _flow(demo, "traced"))
    visitor = visit()
    page = visitor.page
    page.goto(f"{demo.url}/runs/{run_name}")
    card = page.locator("#a-Ask_shop")
    card.get_by_role("link", name="Trace").click()
    expect(card.locator(".traces")).to_contain_text("/nothing-here/6")
    assert page.evaluate(_FAULTS) == []
    visitor.shoot("75-trace-in-the-card")
    card.get_by_role("link", name="Try another").click()
    page.get_by_label("Expression").fill("mul(outputs('Make_number'), 7)")
    page.get_by_role("button", name="Compute").click()
    expect(page.get_by_label("Result").first).to_contain_text("42")
    assert page.evaluate(_FAULTS) == []
    visitor.shoot("76-playground")


def test_values_are_set_and_secret_ones_are_never_shown_again(demo: Demonstration, visit: Visit) -> None:
    flow_id = _flow(demo, "values")
    visitor = visit()
    page = visitor.page
    page.goto(f"{demo.url}/flows/{flow_id}/parameters")
    page.get_by_role("textbox", name="region").fill("south")
    page.locator("input[name='value.password']").fill(SECRET)
    page.get_by_role("button", name="Set values").click()
    expect(page.get_by_text("The values are set")).to_be_visible()
    assert page.get_by_role("textbox", name="region").input_value() == "south"
    assert SECRET not in page.content()
    assert page.evaluate(_FAULTS) == []
    visitor.shoot("77-parameters")


def test_a_test_shows_what_would_become_of_a_run_and_keeps_nothing(demo: Demonstration, visit: Visit) -> None:
    flow_id = _flow(demo, "tested")
    run_name = _failed_run(demo, flow_id)
    visitor = visit()
    page = visitor.page
    page.goto(f"{demo.url}/flows/{flow_id}/test")
    page.get_by_role("button", name="Test").click()
    expect(page.locator(".graph")).to_contain_text("404")
    page.get_by_label("Answers of your own").fill('{"Ask_shop": {"statusCode": 200, "body": {"ok": true}}}')
    page.get_by_role("button", name="Test").click()
    expect(page.get_by_role("heading", name="What became of it").locator("..")).to_contain_text("Succeeded")
    assert page.evaluate(_FAULTS) == []
    visitor.shoot("78-tested")
    assert [run["name"] for run in demo.get(f"/flows/{flow_id}/runs")["value"]] == [run_name]


def test_the_editor_works_without_script(demo: Demonstration, visit: Visit) -> None:
    flow_id = _flow(demo, "scriptless")
    visitor = visit()
    page = visitor.page
    page.route("**/static/*.js*", lambda route: route.fulfill(body="", content_type="text/javascript"))
    page.goto(f"{demo.url}/flows/{flow_id}/edit")
    text = page.get_by_role("textbox", name="Definition")
    text.fill(text.input_value().replace("add(1,", "nope(1,"))
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.locator("#problems")).to_contain_text("nope")
    assert "nope(1," in page.get_by_role("textbox", name="Definition").input_value()
