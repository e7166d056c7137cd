"""Each state of each page as a picture: wide and light in English, wide and dark in Chinese, and both on a telephone.

    python tests/portal/screenshots.py FOLDER [beginning of a page's name …]

Also says which page is wider than its window.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

if __name__ == "__main__":  # run by hand, from anywhere
    sys.path.insert(0, str(Path(__file__).parents[1]))

from flowmend.portal.assets import read_assets
from portal.conftest import drawing
from portal.drawn_site import drawn_site
from portal.sample_pages import sample_pages

#: (name of the look, language, colour scheme, width)
_LOOKS = (
    ("light", "en", "light", 1240),
    ("dark", "zh-Hant", "dark", 1240),
    ("375", "en", "light", 375),
    ("375-dark", "zh-Hant", "dark", 375),
)


def take(folder: Path, beginnings: tuple[str, ...]) -> list[str]:
    """Names and looks of pages that are wider than their window."""
    folder.mkdir(parents=True, exist_ok=True)
    pages, assets = sample_pages(), read_assets()
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    wider = []
    with sync_playwright() as playwright, drawn_site(drawing(assets, pages), assets) as address:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for look, language, scheme, width in _LOOKS:
            context = browser.new_context(
                color_scheme="dark" if scheme == "dark" else "light",
                viewport={"width": width, "height": 800},
                reduced_motion="reduce",
            )
            page = context.new_page()
            for name in (name for name in pages if not beginnings or name.startswith(beginnings)):
                page.goto(f"{address}/{language}/{name}")
                page.screenshot(path=folder / f"{name}.{look}.png", full_page=True)
                if page.evaluate("document.scrollingElement.scrollWidth > innerWidth"):
                    wider.append(f"{name}, {look}")
            context.close()
        browser.close()
    return wider


if __name__ == "__main__":
    for one in take(Path(sys.argv[1]), tuple(sys.argv[2:])):
        print(f"Wider than its window: {one}")
