"""Tells listeners and open pages of this process that something changed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from flowmend.core.json_value import Json

Listener = Callable[[str, dict[str, Json]], None]

_MOST_QUEUED = 256


class Broadcast:
    """Implements `use_cases.ports.Changes`. Listeners are called at once; subscribers read a bounded queue.

    A page that reads too slowly loses its oldest news: it refetches what it shows, so the latest is enough.
    """

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._queues: set[asyncio.Queue[dict[str, Json]]] = set()
        self._count = 0

    @property
    def count(self) -> int:
        """How many changes this process has told."""
        return self._count

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def publish(self, topic: str, **facts: Json) -> None:
        self._count += 1
        for listener in self._listeners:
            listener(topic, facts)
        for queue in self._queues:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait({"topic": topic, "facts": facts})

    async def subscribe(self) -> AsyncIterator[dict[str, Json]]:
        """News from now on, `{"topic": …, "facts": {…}}`, until the reader stops."""
        queue: asyncio.Queue[dict[str, Json]] = asyncio.Queue(_MOST_QUEUED)
        self._queues.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            with suppress(KeyError):
                self._queues.remove(queue)
