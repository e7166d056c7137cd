"""What axe-core finds wrong with a page as the browser shows it."""

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import BrowserContext, Page

#: WCAG 2.0 to 2.2, levels A and AA, and what axe-core's authors advise beyond it
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

_RUN = """tags => axe.run(document, { runOnly: { type: 'tag', values: tags }, resultTypes: ['violations'], preload: false })
  .then(found => found.violations)"""


def bring_axe(context: BrowserContext) -> None:
    """Have axe-core in each page that the context opens from now on."""
    context.add_init_script(AXE_SCRIPT)


def faults_by_axe(page: Page) -> list[str]:
    """Each rule that an element breaks, as one line; the context has axe-core."""
    return [
        f"{violation['id']} ({violation['impact']}): {_place(node)}"
        for violation in page.evaluate(_RUN, _RULES)
        for node in violation["nodes"]
    ]


def _place(node: dict[str, Any]) -> str:
    why = " ".join(node["failureSummary"].split())
    return f"{node['html'][:160]} {why[:200]}"
