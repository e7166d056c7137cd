"""What is held as people meet it: from the flow's page to the events, some let go knowingly, the rest goes on by itself."""

from collections.abc import Callable

from playwright.sync_api import expect

from journeys.demonstration import Demonstration
from journeys.visitor import Visitor

Visit = Callable[..., Visitor]

FLOW = "Order intake"


def test_held_events_are_seen_discarded_after_a_question_and_go_on_after_the_repair(
    demo: Demonstration, visit: Visit
) -> None:
    failure = demo.fail_order("8801")
    flow_id = demo.flow_id(FLOW)
    for number in ("8802", "8803", "8804"):
        demo.run_flow(FLOW, demo.order(number))
    visitor = visit("en")
    page = visitor.page

    page.goto(f"{demo.url}/flows/{flow_id}")
    visitor.shoot("80-flow-holding")
    page.get_by_role("link", name="All 3 held events").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Held events")
    expect(page.get_by_role("main")).to_contain_text("Waits for the repair of its connection")
    visitor.shoot("81-held-events")
    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Discard those chosen").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Discard one held event?")
    expect(page.get_by_role("main")).to_contain_text("gone for good")
    visitor.shoot("82-held-discard")
    page.get_by_role("button", name="Discard for good").click()
    expect(page.get_by_role("main").get_by_role("status").first).to_contain_text("One event is discarded")
    expect(page.get_by_role("checkbox")).to_have_count(2)

    demo.post(f"/connections/{failure.connection_id}/verify", {"parameters": {"password": failure.password}})
    expect(page.get_by_role("main")).to_contain_text("Nothing is held")
    assert demo.ended(demo.run_of_order("8804")["name"])["status"] == "Succeeded"
    assert not demo.requests_for("8802")
    assert set(demo.requests_for("8803").values()) == set(demo.requests_for("8804").values()) == {1}
    assert not visitor.complaints


def test_what_a_flow_does_meanwhile_is_chosen_on_its_page(demo: Demonstration, visit: Visit) -> None:
    flow_id = demo.flow_id(FLOW)
    visitor = visit("en")
    page = visitor.page

    page.goto(f"{demo.url}/flows/{flow_id}")
    page.get_by_role("link", name="Change").first.click()
    expect(page.get_by_role("heading", name="While a connection is broken")).to_be_visible()
    visitor.shoot("83-flow-settings")
    page.get_by_role("radio", name="Wait at the action").check()
    page.get_by_label("Let held events go after so many days").fill("soon")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("A number of days up to 36500")).to_be_visible()
    page.get_by_label("Let held events go after so many days").fill("30")
    page.get_by_role("radio", name="Wait at the action").check()
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("main")).to_contain_text("Wait at the action")
    expect(page.get_by_role("main")).to_contain_text("Held events of this flow are let go after 30 days.")
    found = demo.get(f"/flows/{flow_id}/settings")
    assert (found["on_broken_connection"], found["held_days"]) == ("holdAtAction", 30)
    assert demo.ask("PATCH", f"/flows/{flow_id}", {"onBrokenConnection": None, "held_days": None}).status == 200
    assert not visitor.complaints
