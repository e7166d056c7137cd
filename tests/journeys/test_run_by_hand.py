"""A run started from the portal, with the form made from the trigger's schema."""

import re
from collections.abc import Callable

from playwright.sync_api import expect

from journeys.demonstration import Demonstration
from journeys.visitor import Visitor

Visit = Callable[..., Visitor]


def test_what_is_entered_in_the_form_is_what_the_run_gets(demo: Demonstration, visit: Visit) -> None:
    demo.mend_orders()
    page = visit().page
    page.goto(f"{demo.url}/flows")
    page.get_by_role("link", name="Order intake", exact=True).click()
    page.get_by_role("group", name="Commands").get_by_role("link", name="Run").click()
    for field, value in demo.order("7701").items():
        page.locator(f"[name='field.{field}']").fill(str(value))
    page.get_by_role("button", name="Run flow").click()
    expect(page).to_have_url(re.compile("done=started"))
    expect(page.locator(".run-facts")).to_contain_text("Succeeded")
    assert demo.requests_for("7701") == {"7701-1": 1, "7701-2": 1}
