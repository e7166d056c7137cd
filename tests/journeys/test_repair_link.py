"""Somebody without an account here mends a connection by a link; and what its owner sees around it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, expect

from journeys.demonstration import Demonstration
from journeys.visitor import Visitor

Visit = Callable[..., Visitor]


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("Make the link", "Repair a connection", "Test it and use it", "Try again", "It works again")),
        ("zh-Hant", ("建立連結", "修復連接", "測試並使用", "再試一次", "已恢復正常")),
    ],
)
def test_the_owner_of_the_account_mends_the_connection_by_a_link(
    demo: Demonstration, visit: Visit, language: str, words: tuple[str, ...]
) -> None:
    make, repair, use, again, works = words
    failure = demo.fail_order({"en": "7601", "zh-Hant": "7602"}[language])
    maker = visit(language).page
    maker.goto(f"{demo.url}/connections/{failure.connection_id}/repair_link")
    shown = visit(language)
    shown.page.goto(maker.url)
    shown.shoot("80-repair-link")
    maker.get_by_role("button", name=make).click()
    url = maker.locator("#link").input_value()
    secret = url.partition("#")[2]
    assert len(secret) == 43

    owner = visit(language, signs_in=False)
    page = owner.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(f"{request.url} {request.headers}"))
    page.goto(url)
    page.wait_for_url(f"{demo.url}/repair/connection")
    expect(page.get_by_role("heading", level=1)).to_have_text(repair)
    owner.shoot("81-repair")
    said = page.content()
    assert "Order intake" not in said
    assert failure.run_name not in said
    assert failure.order_number not in said

    page.locator("input[type=password]").fill("wrong-harbour")
    page.get_by_role("button", name=use).click()
    expect(page.get_by_role("alert")).to_contain_text("401")
    owner.shoot("82-repair-refused")
    page.locator("input[type=password]").fill(failure.password)
    page.get_by_role("button", name=again).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(works)
    owner.shoot("83-repair-done")

    assert demo.get(f"/connections/{failure.connection_id}")["health"] == "connected"
    assert not [one for one in asked if secret in one.partition("{")[0]]  # in no address
    assert secret not in demo.log
    # Used up: the very link, opened once more, is not good any longer.
    page.goto("about:blank")
    page.goto(url)
    expect(page.get_by_role("alert")).to_be_visible()
    assert demo.get(f"/connections/{failure.connection_id}/repair_links")["value"][0]["used_at"]


def test_a_link_works_without_scripts_by_pasting_it(demo: Demonstration, chromium: Browser) -> None:
    failure = demo.fail_order("7603")
    url = demo.post(f"/connections/{failure.connection_id}/repair_links", {})["url"]
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        answer = page.goto(url)
        assert answer is not None
        assert answer.headers["referrer-policy"] == "same-origin"  # to no other site, and never with a fragment
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        page.locator("#code").fill(url)
        page.locator("main form button").click()
        expect(page).to_have_url(f"{demo.url}/repair/connection")
        cookie = next(one for one in context.cookies() if one.get("name") == "flowmend_repair")
        assert (cookie.get("httpOnly"), cookie.get("sameSite"), cookie.get("path")) == (True, "Strict", "/repair")
        page.locator("input[type=password]").fill(failure.password)
        page.locator("main form button.primary").click()
        expect(page.get_by_role("status").first).to_be_visible()
    assert demo.get(f"/connections/{failure.connection_id}")["health"] == "connected"


def test_the_old_password_can_be_put_back_and_each_use_is_listed(demo: Demonstration, visit: Visit) -> None:
    failure = demo.fail_order("7605")
    demo.mend_orders()
    visitor = visit()
    page = visitor.page

    page.goto(f"{demo.url}/connections/{failure.connection_id}")
    visitor.shoot("84-connection-kept")
    page.get_by_role("button", name="Put the old one back").click()
    expect(page.get_by_role("alert")).to_contain_text("refused too")  # it is not valid at the service any more

    page.get_by_role("link", name="Each time it was used").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Uses of its secret")
    visitor.shoot("85-uses")
    page.get_by_role("link", name="Call of a flow").click()
    expect(page.locator("tbody tr").first).to_contain_text("Get stock")
    page.locator("tbody a").first.click()
    expect(page).to_have_url(f"{demo.url}/runs/{failure.run_name}")


def test_flows_are_given_another_connection_and_taken_back(demo: Demonstration, visit: Visit) -> None:
    old = demo.mend_orders()
    parameters = {"username": "ada", "password": demo.password, "host_url": demo.service_url}
    new = demo.post("/connections", {"connector": "sample_orders", "display_name": "Spare", "parameters": parameters})
    visitor = visit()
    page = visitor.page

    page.goto(f"{demo.url}/connections/{old}")
    page.get_by_role("link", name="Use another instead").click()
    visitor.shoot("86-swap")
    page.get_by_role("button", name="Use it for these flows").click()
    expect(page.get_by_role("status").first).to_contain_text("Spare now")
    visitor.shoot("87-swapped")
    assert demo.get(f"/connections/{old}")["used_by"] == []
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Taken back")

    assert demo.get(f"/connections/{new['id']}")["used_by"] == []
    assert demo.get(f"/connections/{old}")["used_by"]
    demo.ask("DELETE", f"/connections/{new['id']}")
