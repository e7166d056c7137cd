"""Somebody at a browser, and what the browser complained of meanwhile."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Page, Request, Response

#: Chromium's own remark on every answer from 400 up; the answers themselves are looked at instead.
_ANSWER_REMARK = "Failed to load resource: the server responded"

#: Tells policy violations in the console too, those that Chromium does not.
WATCH_POLICY = """addEventListener('securitypolicyviolation', event =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`))"""

#: (name, colour scheme, width, height); the first is how a page is shown otherwise
_LOOKS = (
    ("light", "light", 1100, 720),
    ("dark", "dark", 1100, 720),
    ("wide", "light", 1240, 720),
    ("375", "light", 375, 780),
)


@dataclass(kw_only=True)
class Visitor:
    """page: the tab. language: tag of the browser. complaints: console errors, script errors and failed requests."""

    page: Page
    language: str
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def watch(self) -> None:
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        self.page.on("request", self._see)
        self.page.on("response", self._judge)

    def shoot(self, name: str) -> None:
        """Keep the page as it looks, in light, dark and on a telephone, where FLOWMEND_SCREENSHOTS names a folder."""
        folder = os.environ.get("FLOWMEND_SCREENSHOTS")
        if not folder:
            return
        Path(folder).mkdir(parents=True, exist_ok=True)
        usual = self.page.viewport_size
        for look, scheme, width, height in _LOOKS:
            self.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
            self.page.set_viewport_size({"width": width, "height": height})
            self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            path = Path(folder) / f"{name}.{self.language}.{look}.png"
            self.page.screenshot(path=path, full_page=look == "375", animations="disabled")
        self.page.emulate_media(color_scheme="light", reduced_motion="no-preference")
        if usual:
            self.page.set_viewport_size(usual)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error" and _ANSWER_REMARK not in message.text:
            self.complaints.append(f"console: {message.text}")

    def _see(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in {"http", "https", "ws", "wss"}:
            self.hosts.add(parts.netloc)

    def _judge(self, answer: Response) -> None:
        # A page may say "not so" (a refused password is answered 422); nothing may break, and nothing it needs may lack.
        if answer.status >= 500 or (answer.status >= 400 and answer.request.resource_type != "document"):
            self.complaints.append(f"answer: {answer.status} {answer.url}")
