"""Style, script, icons, the event stream and kept uploads."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree, html
from starlette.requests import Request

from flowmend.core.json_value import Json
from flowmend.portal.assets import Assets
from flowmend.portal.event_stream import event_lines
from flowmend.portal.event_streams import EventStreams
from flowmend.portal.language import LANGUAGES
from flowmend.portal.pending_imports import PendingImports, Upload
from portal.conftest import Draw
from portal.sample_pages import sample_pages
from portal.texts import PORTAL

NOW = datetime(2026, 11, 17, tzinfo=UTC)


def test_every_icon_a_page_shows_is_drawn(draw: Draw, assets: Assets) -> None:
    sheet = etree.fromstring(assets.files["icons.svg"].content)
    drawn = {f"#{symbol.get('id')}" for symbol in sheet}
    used = {"#" + icon for name in sample_pages() for icon in re.findall(r'#(i-[\w-]+)"', draw(name, "en"))}
    assert used <= drawn


def test_every_icon_a_template_names_is_drawn(assets: Assets) -> None:
    """Where no sample page shows it too."""
    drawn = set(re.findall(r'id="i-([\w-]+)"', assets.files["icons.svg"].content.decode()))
    named = {
        icon
        for path in (PORTAL / "templates").glob("**/*.html")
        for icon in re.findall(r"\bicon\('([\w-]+)'", path.read_text())
    }
    assert named
    assert named <= drawn


def test_every_class_a_page_uses_has_its_style(draw: Draw, assets: Assets) -> None:
    style = "".join(asset.content.decode() for name, asset in assets.files.items() if name.endswith(".css"))
    styled = set(re.findall(r"\.([a-z][\w-]*)", style))
    used = {
        word
        for name in sample_pages()
        for attribute in re.findall(r'class="([^"]*)"', draw(name, "en"))
        for word in attribute.split()
    }
    # these say where something stands, for the script and for tests; one hue and depth is as good as another
    assert {word for word in used - styled if not word.startswith(("h-", "in-"))} == set()


def test_all_script_together_is_small(assets: Assets) -> None:
    assert sum(len(asset.content) for name, asset in assets.files.items() if name.endswith(".js")) < 20_000


def _asked(name: str, query: str = "", **headers: str) -> Request:
    pairs = [(key.replace("_", "-").encode(), value.encode()) for key, value in headers.items()]
    scope = {"type": "http", "path_params": {"name": name}, "query_string": query.encode(), "headers": pairs}
    return Request(scope)


@pytest.mark.anyio
async def test_an_asset_is_kept_for_good_only_under_its_own_address(assets: Assets) -> None:
    current = await assets.serve(_asked("base.css", assets.url("base.css").partition("?")[2]))
    assert "immutable" in current.headers["cache-control"]
    assert current.headers["content-type"].startswith("text/css")
    assert (await assets.serve(_asked("base.css", "v=old"))).headers["cache-control"] == "no-cache"
    assert (await assets.serve(_asked("base.css", if_none_match=current.headers["etag"]))).status_code == 304
    assert (await assets.serve(_asked("../assets.py"))).status_code == 404


def test_no_style_or_script_asks_another_server(assets: Assets) -> None:
    for name, asset in assets.files.items():
        text = asset.content.decode().replace("http://www.w3.org/", "")
        assert not re.search(r"https?://|@import|eval\(|innerHTML\s*=[^=]", text), name


async def _news(*items: dict[str, Json], then_waits: bool = False) -> AsyncIterator[dict[str, Json]]:
    for item in items:
        yield item
    if then_waits:
        await asyncio.sleep(60)


@pytest.mark.anyio
async def test_a_change_is_one_event_of_the_stream() -> None:
    lines = [line async for line in event_lines(_news({"topic": "run", "facts": {"run_name": "1"}}))]
    assert lines == ["retry: 2000\n\n", 'data: {"topic": "run", "facts": {"run_name": "1"}}\n\n']


@pytest.mark.anyio
async def test_a_page_that_missed_a_change_is_told_so_at_once() -> None:
    lines = [line async for line in event_lines(_news(), is_behind=lambda: True)]
    assert lines[1:] == ['data: {"topic": "reconnected", "facts": {}}\n\n']


@pytest.mark.anyio
async def test_a_quiet_stream_still_says_that_it_is_there() -> None:
    stream = event_lines(_news(then_waits=True), heartbeat_seconds=0.01)
    assert [await anext(stream), await anext(stream), await anext(stream)][1:] == [": still here\n\n"] * 2
    await stream.aclose()


@pytest.mark.anyio
async def test_a_stream_ends_with_its_session() -> None:
    streams = EventStreams()
    stream = event_lines(_news(then_waits=True), over=streams.open("mine"))
    other = streams.open("another")
    await anext(stream)
    reading = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)

    streams.end_all("mine")

    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(reading, 5)
    assert not other.is_set()


@pytest.mark.anyio
async def test_one_stream_too_many_ends_the_oldest_of_its_session() -> None:
    streams = EventStreams(most_of_one=2)
    first, second = streams.open("mine"), streams.open("mine")
    streams.open("another")
    streams.close("mine", second)
    third = streams.open("mine")
    assert not first.is_set()
    fourth = streams.open("mine")
    assert [one.is_set() for one in (first, third, fourth)] == [True, False, False]


def test_an_upload_is_found_by_its_owner_only_and_not_for_ever() -> None:
    pending = PendingImports()
    name = pending.keep(Upload(files={"a.json": b"{}"}, file_name="a.json", person_id="mei", at=NOW))
    assert pending.find(name, "mei", NOW) is not None
    assert pending.find(name, "priya", NOW) is None
    assert pending.find("guessed", "mei", NOW) is None
    assert pending.find(name, "mei", NOW + timedelta(hours=1)) is None


def test_uploads_are_bounded_together() -> None:
    pending = PendingImports()
    large = bytes(90 * 1024 * 1024)
    names = [pending.keep(Upload(files={"a": large}, file_name="a", person_id="mei", at=NOW)) for _ in range(3)]
    assert [pending.find(name, "mei", NOW) is not None for name in names] == [False, True, True]


def test_templates_reach_for_nothing_that_is_unescaped() -> None:
    for path in (PORTAL / "templates").glob("*.html"):
        assert "| safe" not in path.read_text(encoding="utf-8")
        assert "autoescape false" not in path.read_text(encoding="utf-8")


def test_a_page_says_once_that_the_disk_is_full_and_others_say_nothing(draw: Draw) -> None:
    trouble = "Nothing can be saved now"
    assert draw("message", "en").count(trouble) == 1
    assert "資料庫所在的磁碟已滿" in draw("message", "zh-Hant")
    assert trouble not in draw("home", "en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_bar_of_a_telephone_has_five_places_and_approvals_are_above(draw: Draw, language: str) -> None:
    page = html.document_fromstring(draw("home", language))
    bar = page.xpath("//nav[@class='nav']/a[not(@class)]/@href")
    assert bar == ["/", "/flows", "/runs", "/connections", "/incidents"]
    (above,) = page.xpath("//header//a[@href='/approvals']")
    assert "only-s" in above.get("class")
    assert "2" in above.get("aria-label")
