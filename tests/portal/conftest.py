"""The portal's own parts, made once."""

from collections.abc import Callable
from functools import cache
from zoneinfo import ZoneInfo

import pytest

from flowmend.portal.assets import Assets, read_assets
from flowmend.portal.frame import Frame
from flowmend.portal.rendering import Rendering
from portal.sample_pages import NOW, SamplePage, sample_pages

Draw = Callable[[str, str], str]


@pytest.fixture(scope="session")
def assets() -> Assets:
    return read_assets()


@pytest.fixture(scope="session")
def pages() -> dict[str, SamplePage]:
    return sample_pages()


@pytest.fixture(scope="session")
def draw(assets: Assets, pages: dict[str, SamplePage]) -> Draw:
    """(name of a sample page, language) → its HTML."""
    return drawing(assets, pages)


def drawing(assets: Assets, pages: dict[str, SamplePage]) -> Draw:
    """What draws sample pages as a signed-in person sees them, but for those of links, which anybody may open."""
    rendering = Rendering(assets)

    @cache
    def page(name: str, language: str) -> str:
        template, place, values = pages[name]
        frame = Frame(
            language=language,
            theme="",
            place=place,
            path="/",
            person_name="" if name.startswith(("login", "repair-")) else "Mei Chen",
            broken_count=1,
            incident_count=0 if name.startswith("home-") else 1,
            approval_count=2,
            notice_count=3,
            version="1.0",
            host="flows.contoso.com",
            store_trouble="StoreFull" if name == "message" else "",
        )
        return rendering.page(template, frame, rendering.times(language, NOW, ZoneInfo("Asia/Taipei")), values)

    return page
