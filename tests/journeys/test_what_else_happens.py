"""What the story touches: events that arrive meanwhile, a refusal that no sign-in cures, and a passing fault."""

import json
import urllib.request
from collections.abc import Callable

from playwright.sync_api import expect

from journeys.demonstration import Demonstration
from journeys.visitor import Visitor

Visit = Callable[..., Visitor]

_STOCK = "GET /basic/stock/{sku}"


def test_what_arrives_while_a_connection_is_broken_is_held_and_goes_on_in_order(
    demo: Demonstration, visit: Visit
) -> None:
    failure = demo.fail_order("7861")
    numbers = ["7862", "7863", "7864"]
    for number in numbers:
        assert _send_order(demo, number) == 202
    assert demo.connection("sample_orders")["held_events"] == len(numbers)
    assert all(demo.requests_for(number) == {} for number in numbers)

    visitor = visit()
    page = visitor.page
    page.goto(f"{demo.url}/")
    expect(page.get_by_role("main")).to_contain_text("3 events held")
    visitor.shoot("70-home-holding")
    page.goto(f"{demo.url}/flows/{demo.flow_id('Order intake')}")
    expect(page.get_by_role("main")).to_contain_text("On, holding events")
    visitor.shoot("71-flow-holding")
    page.get_by_role("main").get_by_role("link", name="Verify password").first.click()
    page.get_by_label("Password", exact=True).fill(failure.password)
    page.get_by_role("main").get_by_role("button", name="Verify password").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Repair plan")
    page.get_by_role("main").get_by_role("button", name="Start with").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sample orders is mended", timeout=60_000)

    runs = [demo.run_of_order(number) for number in numbers]
    assert [demo.ended(run["name"])["status"] for run in runs] == ["Succeeded"] * len(numbers)
    began = [run["properties"]["startTime"] for run in runs]
    assert began == sorted(began)
    for number in numbers:
        assert demo.requests_for(number) == {f"{number}-1": 1, f"{number}-2": 1}


def test_a_missing_permission_is_not_sent_to_sign_in_again(demo: Demonstration, visit: Visit) -> None:
    demo.mend_orders()
    demo.at_service("permissions", route=_STOCK, allowed="false")
    try:
        run_name = demo.run_flow("Order intake", demo.order("7811"))
        failed = demo.ended(run_name)
        assert (failed["status"], failed["error"]["code"]) == ("Failed", "Forbidden")
        assert demo.connection("sample_orders")["health"] == "connected"
        visitor = visit()
        page = visitor.page
        page.goto(f"{demo.url}/runs/{run_name}")
        main = page.get_by_role("main")
        expect(main).to_contain_text("403 Forbidden")
        expect(main).to_contain_text("Ask for permission")
        expect(main.get_by_role("link", name="Verify password")).to_have_count(0)
        visitor.shoot("72-run-forbidden")
    finally:
        demo.at_service("permissions", route=_STOCK, allowed="true")
    page.get_by_role("button", name="Resubmit", exact=True).click()
    expect(page.locator(".run-facts")).to_contain_text("Succeeded")
    assert demo.requests_for("7811") == {"7811-1": 1, "7811-2": 1}


def test_a_replaced_key_is_called_a_key(demo: Demonstration, visit: Visit) -> None:
    demo.at_service("key", user="ada", key="ada-key-2002")
    run_name = demo.run_flow("Ship order", {"orderNumber": "7821"})
    assert demo.ended(run_name)["error"]["code"] == "Unauthorized"
    page = visit().page
    page.goto(f"{demo.url}/runs/{run_name}")
    page.get_by_role("main").get_by_role("link", name="Replace key").first.click()
    page.locator("input[type=password]").fill("ada-key-2002")
    page.get_by_role("main").get_by_role("button", name="Replace key").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Key replaced")
    page.get_by_role("link", name="Back to the failed run").click()
    page.get_by_role("button", name="Resubmit", exact=True).click()
    expect(page.locator(".run-facts")).to_contain_text("Succeeded")


def _send_order(demo: Demonstration, number: str) -> int:
    """The status that a caller of the flow's callback URL gets."""
    callback = demo.get(f"/flows/{demo.flow_id('Order intake')}")["callback_url"]["value"]
    content = json.dumps(demo.order(number)).encode()
    request = urllib.request.Request(callback, content, {"Content-Type": "application/json"}, method="POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return int(answer.status)
