"""Reads feeds over HTTP. They are public pages: nothing signs in to them, so a redirect may lead anywhere the guard lets."""

import asyncio
import hashlib
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urljoin

from flowmend.core.connection.credentials import BasicCredential
from flowmend.core.connector import HttpRequest, HttpResponse, ProtocolRefusal, Server, SignedIn, TransportFailure
from flowmend.core.connector.protocol_call import CURSOR, FROM, ProtocolAnswer
from flowmend.core.json_value import Json
from flowmend.transport.http import HttpTransport
from flowmend.transport.open_sockets import Unreachable
from flowmend.transport.operation_arguments import BadArgument, needed_text, refuse, text

_WITHIN = timedelta(seconds=60)
_LARGEST_FEED_BYTES = 20 * 1024 * 1024
_MOST_REDIRECTS = 5
#: A feed may leave an item out and bring it again: so many are remembered beyond those that are in it now.
_MOST_REMEMBERED = 2_000
_ACCEPT = "application/atom+xml, application/rss+xml, application/xml;q=0.9, text/xml;q=0.8, */*;q=0.1"


class FeedsTransport:
    """http: started."""

    def __init__(self, http: HttpTransport) -> None:
        self._http = http

    async def sign_in(
        self,
        server: Server,  # noqa: ARG002  each call names its own feed
        credential: BasicCredential,  # noqa: ARG002  nobody signs in to a feed
    ) -> SignedIn | ProtocolRefusal:
        return SignedIn()

    async def perform(
        self,
        server: Server,  # noqa: ARG002  each call names its own feed
        operation_id: str,
        arguments: Mapping[str, Json],
        credential: BasicCredential,  # noqa: ARG002  nobody signs in to a feed
        key: str,  # noqa: ARG002  a feed is only read
    ) -> ProtocolAnswer | ProtocolRefusal:
        url = needed_text(arguments, "feedUrl")
        if operation_id == "OnNewFeed":
            return await self._new_items(url, arguments)
        answer = await self._fetched(url, {})
        return ProtocolAnswer(body={"value": _since(await _items(answer), text(arguments, "since"))})

    def close(self) -> None:
        pass

    async def _new_items(self, url: str, arguments: Mapping[str, Json]) -> ProtocolAnswer:
        """Items that were never in the feed before, oldest first; at the first look those since the trigger was turned on.

        cursor: {"url", "seen": digests of items, "etag", "modified": how to ask whether there is news}
        """
        cursor = arguments.get(CURSOR)
        known = cursor if isinstance(cursor, dict) and cursor.get("url") == url else None
        answer = await self._fetched(url, known or {})
        if answer.status == 304:
            return ProtocolAnswer(body={"value": []}, cursor=cursor)
        items = list(reversed(await _items(answer)))
        if known is not None:
            seen = [str(one) for one in known.get("seen") or ()]
            fresh = [item for item in items if _digest(item) not in set(seen)]
        else:
            seen, fresh = [], _since(items, text(arguments, FROM), undated=False)
        there = list(dict.fromkeys(_digest(item) for item in items))
        gone = [one for one in seen if one not in set(there)]
        return ProtocolAnswer(
            body={"value": list({_digest(item): item for item in fresh}.values())},
            cursor={
                "url": url,
                "seen": [*gone[-_MOST_REMEMBERED:], *there],
                "etag": answer.header("etag"),
                "modified": answer.header("last-modified"),
            },
        )

    async def _fetched(self, url: str, known: Mapping[str, Json]) -> HttpResponse:
        """A good answer, or 304. Errors: BadArgument, Refused, Unreachable."""
        headers = {"User-Agent": "flowmend", "Accept": _ACCEPT}
        for name, value in (("If-None-Match", known.get("etag")), ("If-Modified-Since", known.get("modified"))):
            if value:
                headers[name] = str(value)
        for _ in range(_MOST_REDIRECTS + 1):
            if not url.lower().startswith(("http://", "https://")) or any(sign <= " " for sign in url):
                raise BadArgument("'feedUrl' must be an address that begins with http:// or https://.", "InvalidUrl")
            request = HttpRequest(method="GET", url=url, headers=headers)
            answer = await self._http.send(request, timeout=_WITHIN, max_response_bytes=_LARGEST_FEED_BYTES)
            if isinstance(answer, TransportFailure):
                raise Unreachable(answer)
            if answer.status in {301, 302, 303, 307, 308} and answer.header("location"):
                url = urljoin(url, answer.header("location"))
                continue
            if answer.status == 304 or 200 <= answer.status < 300:
                return answer
            refuse("rss", answer.status if answer.status >= 400 else 502, "", f"The feed answered {answer.status}.")
        return refuse("rss", 508, "TooManyRedirects", "The feed's address leads from one to the next without end.")


async def _items(answer: HttpResponse) -> list[dict[str, Json]]:
    from flowmend.transport.feed_reading import read_feed  # with lxml

    return await asyncio.to_thread(read_feed, answer.body)


def _since(items: list[dict[str, Json]], start: str, *, undated: bool = True) -> list[dict[str, Json]]:
    """Items published at this time or later. undated: whether those without a date are among them."""
    if not start:
        return items if undated else []
    return [one for one in items if (str(one["publishDate"]) >= start if one["publishDate"] else undated)]


def _digest(item: Mapping[str, Json]) -> str:
    return hashlib.sha256(str(item["id"]).encode("utf-8", "replace")).hexdigest()[:16]
