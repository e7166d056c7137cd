"""GET /events: one stream a browser, telling open pages which things changed so that they look again."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from flowmend.core.json_value import Json
from flowmend.portal.portal import Portal

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
    lines = event_lines(changes.subscribe(), is_behind=lambda: seen != str(changes.count))
    return StreamingResponse(lines, media_type="text/event-stream", headers=headers)


async def event_lines(
    news: AsyncIterator[dict[str, Json]],
    heartbeat_seconds: float = _HEARTBEAT_SECONDS,
    is_behind: Callable[[], bool] = lambda: False,
) -> AsyncIterator[str]:
    """The stream's text, with a comment line whenever nothing happened for a while.

    is_behind: whether the page has missed something before the stream was open.
    """
    yield f"retry: {_RECONNECT_MILLISECONDS}\n\n"
    coming: asyncio.Task[dict[str, Json]] | None = asyncio.ensure_future(anext(news))
    try:
        await asyncio.sleep(0)  # now the reading has begun, and nothing from here on is missed
        if is_behind():
            yield f"data: {json.dumps({'topic': 'reconnected', 'facts': {}})}\n\n"
        while True:
            coming = coming or asyncio.ensure_future(anext(news))
            done, _ = await asyncio.wait({coming}, timeout=heartbeat_seconds)
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
        if coming is not None:
            coming.cancel()
