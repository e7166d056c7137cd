"""GET /events: one stream a browser, telling open pages which things changed so that they look again."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from flowmend.core.json_value import Json
from flowmend.portal.portal import Portal
from flowmend.use_cases.access import SESSION_COOKIE

#: Sooner than proxies give up on a silent connection.
_HEARTBEAT_SECONDS = 20.0
#: After a restart browsers come back soon, but not all in the same instant.
_RECONNECT_MILLISECONDS = 2000


async def show_events(portal: Portal, request: Request) -> Response:
    """GET /events?seen=: news as they come, `data: {"topic": …, "facts": {…}}`, with ids and status, never payloads.

    seen: how many changes there had been when the page was made; where there are more by now, it is told at once.
    """
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    changes, seen = portal.services.changes, request.query_params.get("seen", "")
    session = request.cookies.get(SESSION_COOKIE, "")

    async def lines() -> AsyncIterator[str]:
        over = portal.streams.open(session)
        news = event_lines(changes.subscribe(), is_behind=lambda: seen != str(changes.count), over=over)
        try:
            async with aclosing(news) as told:
                async for line in told:
                    yield line
        finally:
            portal.streams.close(session, over)

    return StreamingResponse(lines(), media_type="text/event-stream", headers=headers)


async def event_lines(
    news: AsyncIterator[dict[str, Json]],
    heartbeat_seconds: float = _HEARTBEAT_SECONDS,
    is_behind: Callable[[], bool] = lambda: False,
    over: asyncio.Event | None = None,
) -> AsyncGenerator[str, None]:
    """The stream's text, with a comment line whenever nothing happened for a while.

    is_behind: whether the page has missed something before the stream was open. over: ends the stream once set.
    """
    ending = None if over is None else asyncio.ensure_future(over.wait())
    watched = set() if ending is None else {ending}
    yield f"retry: {_RECONNECT_MILLISECONDS}\n\n"
    coming: asyncio.Task[dict[str, Json]] | None = asyncio.ensure_future(anext(news))
    try:
        await asyncio.sleep(0)  # now the reading has begun, and nothing from here on is missed
        if is_behind():
            yield f"data: {json.dumps({'topic': 'reconnected', 'facts': {}})}\n\n"
        while True:
            coming = coming or asyncio.ensure_future(anext(news))
            done, _ = await asyncio.wait(
                {coming, *watched}, timeout=heartbeat_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if ending in done:
                return
            if not done:
                yield ": still here\n\n"
                continue
            finished, coming = coming, None
            try:
                item = finished.result()
            except StopAsyncIteration:
                return
            yield f"data: {json.dumps(item)}\n\n"
    finally:
        for waiting in (coming, ending):
            if waiting is not None:
                waiting.cancel()
