"""The cure of a broken connection on a telephone, and without a mouse."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from journeys.demonstration import Demonstration
from journeys.visitor import Visitor

Visit = Callable[..., Visitor]

_MOST_TABS = 60

#: What has the focus: its visible words or label, and whether a ring shows where it is.
_FOCUSED = """() => {
  const element = document.activeElement;
  const style = getComputedStyle(element);
  const has_ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  const label = element.labels?.[0]?.innerText ?? '';
  const name = element.getAttribute('aria-label') || label || element.innerText || '';
  return { name: name.trim(), has_ring };
}"""


def test_a_password_is_verified_on_a_telephone(demo: Demonstration, visit: Visit) -> None:
    failure = demo.fail_order("7601")
    page = visit(width=375).page
    page.goto(f"{demo.url}/runs/{failure.run_name}")
    page.get_by_role("main").get_by_role("link", name="Verify password").first.click()
    page.get_by_label("Password", exact=True).fill(failure.password)
    page.get_by_role("main").get_by_role("button", name="Verify password").click()
    page.get_by_role("link", name="Back to the failed run").click()
    page.get_by_role("button", name="Resubmit", exact=True).click()
    expect(page.locator(".run-facts")).to_contain_text("Succeeded")
    assert demo.requests_for("7601") == {"7601-1": 1, "7601-2": 1}


def test_the_whole_story_goes_by_keyboard(demo: Demonstration, visit: Visit) -> None:
    failure = demo.fail_order("7602")
    page = visit().page
    page.goto(f"{demo.url}/runs/{failure.run_name}")
    _tab_to(page, "Settings menu")
    page.keyboard.press("Enter")
    _tab_to(page, "Connections")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{demo.url}/connections")
    _tab_to(page, "Verify password")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/verify"))
    _tab_to(page, "Password")
    page.keyboard.type(failure.password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="Proven, and now in use")).to_be_visible()
    _tab_to(page, "Back to the failed run")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{demo.url}/runs/{failure.run_name}")
    _tab_to(page, "Resubmit")
    page.keyboard.press("Enter")
    expect(page.locator(".run-facts")).to_contain_text("Succeeded")


def _tab_to(page: Page, name: str) -> None:
    """Press Tab until something of this name has the focus; whatever has it on the way shows that it does."""
    passed = []
    for _ in range(_MOST_TABS):
        page.keyboard.press("Tab")
        focused = page.evaluate(_FOCUSED)
        assert focused["has_ring"], f"the focus on {focused['name']!r} cannot be seen"
        passed.append(focused["name"])
        if re.match(rf"{re.escape(name)}(\n|$)", focused["name"]):
            return
    raise AssertionError(f"Tab never came to {name!r}: {passed}")
