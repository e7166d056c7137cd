"""What is arriving just now: the same that comes a second time meanwhile waits for what becomes of the first."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Arrivals:
    """In memory: of one process, and gone with it. What has arrived is known from the store."""

    def __init__(self) -> None:
        self._under_way: dict[tuple[str, ...], asyncio.Future[Any]] = {}

    async def once(self, key: tuple[str, ...], take: Callable[[], Awaitable[T]]) -> T:
        """What `take` gives, or gave to whoever came first under this key and is not done. Errors: those of `take`."""
        if (first := self._under_way.get(key)) is not None:
            return cast("T", await asyncio.shield(first))
        future = self._under_way[key] = asyncio.ensure_future(take())
        future.add_done_callback(lambda _: self._under_way.pop(key, None))
        # A caller who leaves takes nothing along: what began is taken in, for whoever asks again.
        return cast("T", await asyncio.shield(future))
