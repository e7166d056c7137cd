"""A connection that is signed in to at the service: consent, a silent renewal, a withdrawn grant and its cure.

The service answers under another host name than Flowmend (localhost beside 127.0.0.1), so no cookie crosses.
"""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from journeys.demonstration import Demonstration
from journeys.visitor import Visitor

Visit = Callable[..., Visitor]

_CONNECTOR = "sample_customers"
_FLOW = "Nightly customer sync"


def test_a_sign_in_is_finished_at_the_service_and_repeated_after_it_was_withdrawn(
    demo: Demonstration, visit: Visit
) -> None:
    visitor = visit()
    page = visitor.page
    page.goto(f"{demo.url}/connections")
    row = page.get_by_role("row").filter(has_text="Sample customers").first
    expect(row).to_contain_text("Sign-in not finished")
    row.get_by_role("link", name="Finish sign-in").click()
    visitor.shoot("20-sign-in")
    page.get_by_role("main").get_by_role("link", name="Sign in", exact=True).click()
    visitor.shoot("21-consent-at-the-service")
    _sign_in_at_service(demo, page)
    expect(page.get_by_role("status").filter(has_text="Proven, and now in use")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("Connected")
    visitor.shoot("22-signed-in")

    demo.command("flows", "turn-on", _FLOW)
    assert demo.ended(demo.run_flow(_FLOW))["status"] == "Succeeded"

    demo.at_service("revoke")
    failed_run = demo.run_flow(_FLOW)
    failed = demo.ended(failed_run)
    assert failed["status"] == "Failed"
    assert failed["error"]["code"] in {"invalid_grant", "invalid_token", "Unauthorized"}
    assert demo.connection(_CONNECTOR)["health"] == "broken"
    page.goto(f"{demo.url}/runs/{failed_run}")
    expect(page.get_by_role("main")).to_contain_text("Sign in again")
    visitor.shoot("23-failed-run")
    page.get_by_role("main").get_by_role("link", name="Sign in again").first.click()
    page.get_by_role("main").get_by_role("link", name="Sign in again").last.click()
    _sign_in_at_service(demo, page)
    page.get_by_role("link", name="Back to the failed run").click()
    expect(page).to_have_url(f"{demo.url}/runs/{failed_run}")
    page.get_by_role("button", name="Resubmit", exact=True).click()
    expect(page.locator(".run-facts")).to_contain_text("Succeeded")


def test_declining_at_the_service_changes_nothing(demo: Demonstration, visit: Visit) -> None:
    before = demo.connection(_CONNECTOR)
    page = visit().page
    page.goto(f"{demo.url}/connections/{before['id']}/verify")
    page.get_by_role("main").get_by_role("link", name=re.compile("^Sign in( again)?$")).click()
    page.get_by_role("button", name="Cancel").click()
    expect(page).to_have_url(re.compile(re.escape(demo.url)))
    expect(page.get_by_role("main")).to_contain_text("access_denied")
    after = demo.connection(_CONNECTOR)
    assert (after["health"], after["changed_at"]) == (before["health"], before["changed_at"])


def test_an_expired_access_token_is_renewed_and_nobody_is_asked(demo: Demonstration, visit: Visit) -> None:
    _ensure_signed_in(demo, visit)
    demo.command("flows", "turn-on", _FLOW)
    demo.at_service("expire")
    assert demo.ended(demo.run_flow(_FLOW))["status"] == "Succeeded"
    assert demo.connection(_CONNECTOR)["health"] == "connected"


def test_a_repair_link_lets_somebody_without_an_account_here_sign_in_at_the_service(
    demo: Demonstration, visit: Visit
) -> None:
    _ensure_signed_in(demo, visit)
    demo.command("flows", "turn-on", _FLOW)
    demo.at_service("revoke")
    demo.ended(demo.run_flow(_FLOW))
    connection = demo.connection(_CONNECTOR)
    assert connection["health"] == "broken"
    url = demo.command("connections", "repair-link", connection["id"]).strip()
    owner = visit(signs_in=False)
    page = owner.page

    page.goto(url)
    page.get_by_role("link", name="Sign in again").click()
    _sign_in_at_service(demo, page)

    expect(page.get_by_role("heading", level=1)).to_have_text("It works again")
    owner.shoot("24-repaired-by-link")
    assert demo.connection(_CONNECTOR)["health"] == "connected"
    page.goto(f"{demo.url}/connections")  # and is nobody here, still
    expect(page).to_have_url(re.compile(f"^{re.escape(demo.url)}/login"))


def _ensure_signed_in(demo: Demonstration, visit: Visit) -> None:
    connection = demo.connection(_CONNECTOR)
    if connection["health"] == "connected":
        return
    page = visit().page
    page.goto(f"{demo.url}/connections/{connection['id']}/consent")
    _sign_in_at_service(demo, page)
    expect(page.get_by_role("main")).to_contain_text("Connected")


def _sign_in_at_service(demo: Demonstration, page: Page) -> None:
    expect(page).to_have_url(re.compile(f"^{re.escape(demo.service_url)}/oauth/authorize"))
    page.get_by_label("User name").fill("ben")
    page.get_by_label("Password").fill("quiet-forest")
    page.get_by_role("button", name="Sign in and allow").click()
    page.wait_for_url(f"{demo.url}/**")
