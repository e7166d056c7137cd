"""A run's page follows the run: nobody loads it again."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Route, expect

from journeys.demonstration import Demonstration
from journeys.visitor import Visitor

Visit = Callable[..., Visitor]


@pytest.fixture
def slow_service(demo: Demonstration) -> Iterator[None]:
    """Each answer of the order service takes a while."""
    demo.at_service("latency", ms=400)
    yield
    demo.at_service("latency", ms=0)


def test_a_resubmitted_run_turns_to_succeeded_before_ones_eyes(
    demo: Demonstration, visit: Visit, request: pytest.FixtureRequest
) -> None:
    failure = demo.fail_order("7501")
    mended = demo.post(f"/connections/{failure.connection_id}/verify", {"parameters": {"password": failure.password}})
    assert mended["is_proven"]
    page = visit().page
    page.goto(f"{demo.url}/runs/{failure.run_name}")
    request.getfixturevalue("slow_service")
    page.get_by_role("button", name="Resubmit", exact=True).click()
    facts = page.locator(".run-facts")
    expect(facts).to_contain_text("Running")
    page.evaluate("window.stayed = true")
    expect(facts).to_contain_text("Succeeded")
    assert page.evaluate("window.stayed") is True
    expect(page.locator("#news")).to_contain_text("Succeeded")  # a screen reader hears it too


def test_a_list_of_connections_shows_a_refusal_as_it_happens(demo: Demonstration, visit: Visit) -> None:
    failure = demo.fail_order("7502")
    page = visit().page
    page.goto(f"{demo.url}/connections")
    expect(page.get_by_role("main")).to_contain_text("This connection is not authenticated.")
    demo.post(f"/connections/{failure.connection_id}/verify", {"parameters": {"password": failure.password}})
    expect(page.get_by_role("main")).not_to_contain_text("This connection is not authenticated.")
    demo.fail_order("7503")
    expect(page.get_by_role("main")).to_contain_text("This connection is not authenticated.")


def test_a_change_between_the_page_and_its_stream_is_seen_too(demo: Demonstration, visit: Visit) -> None:
    failure = demo.fail_order("7504")
    page = visit().page

    def mend_first(route: Route) -> None:
        demo.mend_orders()
        route.continue_()

    page.route("**/events?*", mend_first, times=1)
    page.goto(f"{demo.url}/connections/{failure.connection_id}")
    expect(page.get_by_role("main")).not_to_contain_text("This connection is not authenticated.")
