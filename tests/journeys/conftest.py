"""A demonstration and a browser for every journey."""

import os
import shutil
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from journeys.demonstration import Demonstration
from journeys.visitor import WATCH_POLICY, Visitor

Visit = Callable[..., Visitor]

#: Long enough for a machine that many share; what is there sooner is not waited for.
_SEEN_WITHIN_MILLISECONDS = 30_000
_ZONES = {"en": "Europe/Stockholm", "zh-Hant": "Asia/Taipei"}
_LOCALES = {"en": "en-GB", "zh-Hant": "zh-TW"}


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    """One running demonstration for all journeys of a process; each brings it into the state it needs."""
    demonstration = Demonstration(tmp_path_factory.mktemp("demo") / "data")
    try:
        demonstration.start()
        demonstration.wait_for_story()
        yield demonstration
    finally:
        demonstration.stop()
    log = demonstration.log
    assert "Traceback" not in log, log
    assert not [password for password in demonstration.spent_passwords[:1] if password in log], log


# Not for the session: while Playwright is open, its thread has a running event loop, and async tests want their own.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium. At home its absence skips; under CI=true it fails."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        reason = "needs Chromium (Debian package chromium), which is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    expect.set_options(timeout=_SEEN_WITHIN_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(demo: Demonstration, chromium: Browser) -> Iterator[Visit]:
    """A function that opens a browser of its own, signed in unless asked otherwise.

    At the end no browser may have complained, nor asked any host but Flowmend's and the sample's.
    """
    visitors: list[Visitor] = []

    def open_browser(
        language: str = "en", *, width: int = 1100, signs_in: bool = True, theme: str = "light"
    ) -> Visitor:
        context = chromium.new_context(
            storage_state=demo.browser_state if signs_in else None,
            locale=_LOCALES[language],
            timezone_id=_ZONES[language],
            viewport={"width": width, "height": 720},
            color_scheme="dark" if theme == "dark" else "light",
        )
        context.set_default_timeout(_SEEN_WITHIN_MILLISECONDS)
        context.add_init_script(WATCH_POLICY)
        visitor = Visitor(page=context.new_page(), language=language)
        visitor.watch()
        visitors.append(visitor)
        if signs_in and demo.browser_state is None:
            visitor.page.goto(demo.login_link())
            visitor.page.locator("main form button").click()
            visitor.page.wait_for_url(f"{demo.url}/")
            demo.browser_state = context.storage_state()
        return visitor

    yield open_browser
    for visitor in visitors:
        visitor.page.context.close()
    ours = {urlsplit(demo.url).netloc, urlsplit(demo.service_url).netloc}
    assert [complaint for visitor in visitors for complaint in visitor.complaints] == []
    assert {host for visitor in visitors for host in visitor.hosts} <= ours
