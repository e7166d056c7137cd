"""GET /events: one stream a browser, telling open pages which things changed so that they look again."""

import asyncio
import json
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from flowmend.core.json_value import Json
from flowmend.portal.portal import Portal

#: Sooner than proxies give up on a silent connection.
_HEARTBEAT_SECONDS = 20.0
#: After a restart browsers come back soon, but not all in the same instant.
_RECONNECT_MILLISECONDS = 2000


async def show_events(portal: Portal, _request: Request) -> Response:
    """News as they come: `data: {"topic": …, "facts": {…}}`, with ids and status, never payloads."""
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    news = portal.services.changes.subscribe()
    return StreamingResponse(event_lines(news), media_type="text/event-stream", headers=headers)


async def event_lines(
    news: AsyncIterator[dict[str, Json]], heartbeat_seconds: float = _HEARTBEAT_SECONDS
) -> AsyncIterator[str]:
    """The stream's text, with a comment line whenever nothing happened for a while."""
    yield f"retry: {_RECONNECT_MILLISECONDS}\n\n"
    coming: asyncio.Task[dict[str, Json]] | None = None
    try:
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
