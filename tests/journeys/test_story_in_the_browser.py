"""The story the product exists for, clicked as its readers click it, in both languages.

A run fails with "Unauthorized". Gear → Settings → Connections → Verify password: a wrong one changes nothing, the right
one is proven. Back at the failed run, Resubmit makes a new run that succeeds, and the order arrives exactly once.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from journeys.demonstration import Demonstration, Failure
from journeys.visitor import Visitor

Visit = Callable[..., Visitor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What the visible texts are called."""

    language: str
    sign_in: str
    runs: str
    failed: str
    unauthorized: str
    settings_menu: str
    connections: str
    not_authenticated: str
    verify_password: str
    password_refused: str
    nothing_changed: str
    needs_repair: str
    try_again: str
    proven: str
    back_to_run: str
    resubmit: str
    succeeded: str
    repeated_run: str


ENGLISH = Words(
    language="en",
    sign_in="Sign in",
    runs="Runs",
    failed="Failed",
    unauthorized="Unauthorized",
    settings_menu="Settings menu",
    connections="Connections",
    not_authenticated="This connection is not authenticated.",
    verify_password="Verify password",
    password_refused="Wrong password for ada",
    nothing_changed="Nothing was changed.",
    needs_repair="Needs repair",
    try_again="Try again",
    proven="Proven, and now in use",
    back_to_run="Back to the failed run",
    resubmit="Resubmit",
    succeeded="Succeeded",
    repeated_run="The run it repeats",
)
CHINESE = Words(
    language="zh-Hant",
    sign_in="登入",
    runs="執行紀錄",
    failed="失敗",
    unauthorized="未授權",
    settings_menu="設定功能表",
    connections="連接",
    not_authenticated="此連接未經驗證。",
    verify_password="驗證密碼",
    password_refused="ada 的密碼錯誤",
    nothing_changed="沒有變更任何東西。",
    needs_repair="需要修復",
    try_again="再試一次",
    proven="已證實可用，並開始使用",
    back_to_run="回到失敗的執行",
    resubmit="重新提交",
    succeeded="成功",
    repeated_run="原來的執行",
)


@pytest.mark.parametrize("words", [ENGLISH, CHINESE], ids=lambda words: words.language)
def test_a_refused_password_is_verified_and_the_run_resubmitted(
    demo: Demonstration, visit: Visit, words: Words
) -> None:
    failure = demo.fail_order({"en": "4801", "zh-Hant": "4802"}[words.language])
    visitor = visit(words.language, signs_in=False)
    page = visitor.page

    _sign_in_by_link(demo, visitor, words)
    visitor.shoot("02-home")
    _open_failed_run(visitor, words, failure)
    visitor.shoot("04-failed-run")

    _open_connections_by_the_gear(visitor, words)
    visitor.shoot("06-connections")
    page.get_by_role("row").filter(has_text=words.not_authenticated).get_by_role(
        "link", name=words.verify_password, exact=True
    ).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(words.verify_password)
    visitor.shoot("07-verify")

    _enter_password(page, "certainly-wrong", words.verify_password)
    expect(page.get_by_role("alert")).to_contain_text(words.password_refused)
    expect(page.get_by_role("alert")).to_contain_text(words.nothing_changed)
    expect(page.get_by_text(words.needs_repair).first).to_be_visible()
    visitor.shoot("08-verify-refused")
    assert demo.connection("sample_orders")["health"] == "broken"

    _enter_password(page, failure.password, words.try_again)
    expect(page.get_by_role("status").filter(has_text=words.proven)).to_be_visible()
    visitor.shoot("09-verify-proven")
    assert demo.connection("sample_orders")["health"] == "connected"

    page.get_by_role("link", name=words.back_to_run).click()
    expect(page).to_have_url(f"{demo.url}/runs/{failure.run_name}")
    visitor.shoot("10-failed-run-mended")
    page.get_by_role("button", name=words.resubmit, exact=True).click()
    expect(page.locator(".run-facts")).to_contain_text(words.succeeded)
    page.get_by_role("link", name=words.repeated_run).click()
    expect(page).to_have_url(f"{demo.url}/runs/{failure.run_name}")
    page.go_back()
    visitor.shoot("11-resubmitted-run")

    new_run = page.url.removeprefix(f"{demo.url}/runs/").partition("?")[0]
    assert demo.ended(new_run)["originRun"] == failure.run_name
    assert demo.requests_for(failure.order_number) == {f"{failure.order_number}-{line}": 1 for line in (1, 2)}


def _sign_in_by_link(demo: Demonstration, visitor: Visitor, words: Words) -> None:
    page = visitor.page
    page.goto(demo.login_link())
    visitor.shoot("01-login")
    page.get_by_role("button", name=words.sign_in, exact=True).click()
    expect(page).to_have_url(f"{demo.url}/")


def _open_failed_run(visitor: Visitor, words: Words, failure: Failure) -> None:
    page = visitor.page
    page.get_by_role("navigation", name="Flowmend").get_by_role("link", name=words.runs, exact=True).click()
    visitor.shoot("03-runs")
    page.locator("tbody").get_by_role("row").filter(has_text=words.failed).first.get_by_role("link").first.click()
    expect(page).to_have_url(re.compile(f"/runs/{failure.run_name}$"))
    expect(page.get_by_role("main")).to_contain_text("Unauthorized")
    expect(page.get_by_role("main")).to_contain_text(words.unauthorized)
    expect(page.get_by_role("main")).to_contain_text("401")


def _open_connections_by_the_gear(visitor: Visitor, words: Words) -> None:
    page = visitor.page
    page.locator("summary").and_(page.get_by_label(words.settings_menu)).click()
    visitor.shoot("05-settings-menu")
    page.get_by_role("navigation", name=words.settings_menu).locator("a[href='/connections']").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(words.connections)


def _enter_password(page: Page, password: str, button: str) -> None:
    page.locator("input[type=password]").fill(password)
    page.get_by_role("main").get_by_role("button", name=button, exact=True).click()
