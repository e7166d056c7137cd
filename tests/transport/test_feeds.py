"""Feeds of every form from a real server: items by the names flows read, new ones once, and nothing fetched but the feed."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from flowmend.core.connector import ProtocolRefusal, TransportFailure, UnbuildableRequest
from flowmend.transport import HttpTransport
from flowmend.transport.feed_reading import read_feed
from flowmend.transport.operation_arguments import Refused
from performing import Performer

pytestmark = pytest.mark.anyio
ATOM = b"""<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><entry><id>urn:1</id>
<title type="html">A &lt;b&gt;title&lt;/b&gt;</title><link rel="self" href="https://a.example/self"/>
<link href="https://a.example/1"/><updated>2026-03-02T10:00:00+01:00</updated><published>2026-03-01T08:00:00Z</published>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">Some <i>text</i></div></content>
<category term="news"/></entry></feed>"""
RSS_1 = b"""<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
xmlns:dc="http://purl.org/dc/elements/1.1/"><channel/><item rdf:about="https://a.example/1"><title>One</title>
<link>https://a.example/1</link><dc:date>2026-03-01</dc:date></item></rdf:RDF>"""
BOMB = b"""<!DOCTYPE rss [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/hostname">]>
<rss><channel><item><guid>x</guid><title>&b;&f;</title></item></channel></rss>"""


def rss(*numbers: int) -> bytes:
    items = "".join(
        f"<item><guid>g{one}</guid><title>Item {one}</title><link>https://a.example/{one}</link>"
        f"<pubDate>Sun, 01 Mar 2026 08:{one % 60:02}:00 GMT</pubDate><category>x</category></item>"
        for one in numbers
    )
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>F</title>{items}</channel></rss>'.encode()


class Site:
    def __init__(self) -> None:
        self.feed = rss(1)
        self.asked: list[dict[str, str]] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.headers))
        if request.path == "/old":
            return web.Response(status=301, headers={"Location": "/feed"})
        if request.path == "/round":
            return web.Response(status=302, headers={"Location": "/round"})
        if request.path == "/inside":
            return web.Response(status=302, headers={"Location": "http://169.254.169.254/latest"})
        if request.path == "/gone":
            return web.Response(status=410)
        tag = f'"{hash(self.feed)}"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304)
        return web.Response(body=self.feed, headers={"ETag": tag}, content_type="application/rss+xml")


@pytest.fixture
async def site(anyio_backend: str) -> AsyncIterator[Site]:
    there = Site()
    application = web.Application()
    application.router.add_get("/{path:.*}", there.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    listener = web.TCPSite(runner, "127.0.0.1", 0)
    await listener.start()
    there.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield there
    await runner.cleanup()


@pytest.fixture
async def feeds(site: Site) -> AsyncIterator[Performer]:
    http = HttpTransport({site.url.removeprefix("http://")})
    await http.start()
    performer = Performer("rss", {}, http=http)
    yield performer
    await performer.close()
    await http.close()


async def test_the_items_of_a_feed_are_listed(feeds: Performer, site: Site) -> None:
    site.feed = rss(2, 1)
    answer = await feeds("ListFeedItems", feedUrl=f"{site.url}/old")
    first = answer.body["value"][0]
    assert first == {
        "id": "g2",
        "title": "Item 2",
        "primaryLink": "https://a.example/2",
        "links": ["https://a.example/2"],
        "updatedOn": "2026-03-01T08:02:00Z",
        "publishDate": "2026-03-01T08:02:00Z",
        "summary": "",
        "copyright": "",
        "categories": ["x"],
    }
    since = await feeds("ListFeedItems", feedUrl=f"{site.url}/feed", since="2026-03-01T08:02:00Z")
    assert [one["id"] for one in since.body["value"]] == ["g2"]


def test_atom_and_older_forms_of_rss_read_alike() -> None:
    (atom,) = read_feed(ATOM)
    assert (atom["id"], atom["title"], atom["primaryLink"]) == ("urn:1", "A <b>title</b>", "https://a.example/1")
    assert (atom["publishDate"], atom["updatedOn"]) == ("2026-03-01T08:00:00Z", "2026-03-02T09:00:00Z")
    assert (atom["summary"], atom["categories"]) == ("Some text", ["news"])
    (old,) = read_feed(RSS_1)
    assert (old["id"], old["title"], old["publishDate"]) == ("https://a.example/1", "One", "2026-03-01T00:00:00Z")


def test_entities_are_not_resolved() -> None:
    (item,) = read_feed(BOMB)
    assert "aaaa" not in str(item["title"])


@pytest.mark.parametrize("data", [b"", b"<html></html>", b"{}", b"\x00\xff"])
def test_what_is_no_feed_is_refused(data: bytes) -> None:
    with pytest.raises(Refused) as refused:
        read_feed(data)
    assert refused.value.refusal.code == "NotAFeed"


async def test_new_items_come_once_and_a_feed_without_news_is_not_sent_again(feeds: Performer, site: Site) -> None:
    cursor: Any = None
    seen: list[str] = []

    async def look() -> None:
        nonlocal cursor
        answer = await feeds("OnNewFeed", feedUrl=f"{site.url}/feed", start="2026-03-01T08:05:00Z", cursor=cursor)
        cursor = answer.cursor
        seen.extend(one["id"] for one in answer.body["value"])

    site.feed = rss(5, 4, 3)
    await look()
    assert seen == ["g5"]  # published since the trigger was turned on
    site.feed = rss(7, 6, 5, 4)
    await look()
    await look()
    assert "If-None-Match" in site.asked[-1]
    site.feed = rss(8, 7, 3)  # an old one came back
    await look()
    assert seen == ["g5", "g6", "g7", "g8"]


async def test_a_feed_is_asked_for_at_public_addresses_only(feeds: Performer, site: Site) -> None:
    inside = await feeds("ListFeedItems", feedUrl=f"{site.url}/inside")
    assert isinstance(inside, TransportFailure)
    assert inside.code == "AddressNotAllowed"
    for path, status in (("/gone", 410), ("/round", 508)):
        refused = await feeds("ListFeedItems", feedUrl=site.url + path)
        assert isinstance(refused, ProtocolRefusal)
        assert refused.status == status
    for url in ("file:///etc/passwd", "ftp://a.example/feed", "http://a.example/\r\nX: y"):
        assert isinstance(await feeds("ListFeedItems", feedUrl=url), UnbuildableRequest)
