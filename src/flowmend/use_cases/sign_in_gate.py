"""Lets few calls of one connection go ahead until a sign-in was accepted, then ever more: a breaker that is half open.

When a password was changed and two hundred runs begin at once, each would send the dead one before the first refusal is
back, and many services lock an account after five. So the first two go, the others wait for what comes of them, and every
accepted sign-in doubles how many may be under way. Refused, the connection is broken and whoever waited is not sent at all.
A service that takes its time holds nobody up for long: what waits doubles the number too, every two seconds.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from flowmend.core.connector import SignInKind

#: Sign-ins that accounts are locked for: something is compared with a secret that somebody may guess.
GUARDED = frozenset({SignInKind.BASIC, SignInKind.API_KEY})
#: Under way at once while nothing is accepted. Services commonly lock an account after five to ten refusals.
FIRST = 2
_MOST = 1 << 20
_PATIENCE_SECONDS = 2.0


@dataclass(slots=True)
class Passage:
    """One call that was let through. was_refused: set by whoever makes it, where its credential was found wrong."""

    has_waited: bool = False
    was_refused: bool = False


@dataclass(slots=True)
class _Queue:
    under_way: int = 0
    window: int = FIRST
    waiting: "deque[asyncio.Future[None]]" = field(default_factory=deque)
    patience: asyncio.TimerHandle | None = None


class SignInGate:
    """One queue for each connection that has calls under way."""

    def __init__(self) -> None:
        self._queues: dict[str, _Queue] = {}

    @asynccontextmanager
    async def passage(self, connection_id: str) -> AsyncIterator[Passage]:
        """Wait for a turn; what was known of the connection is old where `has_waited`."""
        queue = self._queues.setdefault(connection_id, _Queue())
        passage = Passage()
        if queue.under_way < queue.window and not queue.waiting:
            queue.under_way += 1
        else:
            passage.has_waited = True
            await self._turn(queue)
        try:
            yield passage
        finally:
            queue.under_way -= 1
            queue.window = FIRST if passage.was_refused else min(queue.window * 2, _MOST)
            self._let_in(queue)
            if not queue.under_way and not queue.waiting:
                self._queues.pop(connection_id, None)

    async def _turn(self, queue: _Queue) -> None:
        turn = asyncio.get_running_loop().create_future()
        queue.waiting.append(turn)
        self._be_patient(queue)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # let in and cancelled in the same moment
                queue.under_way -= 1
            self._let_in(queue)
            raise

    def _let_in(self, queue: _Queue) -> None:
        while queue.waiting and queue.under_way < queue.window:
            turn = queue.waiting.popleft()
            if not turn.done():
                queue.under_way += 1
                turn.set_result(None)
        if not queue.waiting and queue.patience is not None:
            queue.patience.cancel()
            queue.patience = None

    def _be_patient(self, queue: _Queue) -> None:
        if queue.patience is None:
            queue.patience = asyncio.get_running_loop().call_later(_PATIENCE_SECONDS, self._lose_patience, queue)

    def _lose_patience(self, queue: _Queue) -> None:
        queue.patience = None
        queue.window = min(queue.window * 2, _MOST)
        self._let_in(queue)
        if queue.waiting:
            self._be_patient(queue)
