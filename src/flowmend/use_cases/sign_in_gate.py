"""Lets few calls of one sign-in go ahead until it was accepted, then ever more: a breaker that is half open.

When a password was changed and two hundred runs begin at once, each would send the dead one before the first refusal is
back, and many services lock an account after five. So the first two go, the others wait for what comes of them, and every
accepted sign-in doubles how many may be under way. Refused, the connection is broken and whoever waited is not sent at all.
A service that takes its time holds nobody up for long: what waits doubles the number too, every two seconds.

Several connections may hold the very same sign-in. They share their turns, and what one of them was refused for is known
to the others: a dozen copies of one password cost no more refusals than one.
"""

import asyncio
import hmac
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec

from flowmend.core.connection.credentials import secrets_of
from flowmend.core.connector import SignInKind
from flowmend.core.outcome import Category, Diagnosis, FixableBy
from flowmend.use_cases.opened_connections import OpenedConnection

#: Sign-ins that accounts are locked for: something is compared with a secret that somebody may guess.
GUARDED = frozenset({SignInKind.BASIC, SignInKind.API_KEY})
#: Under way at once while nothing is accepted. Services commonly lock an account after five to ten refusals.
FIRST = 2
_MOST = 1 << 20
_PATIENCE_SECONDS = 2.0
#: As long as attempts to verify are counted: refusals further apart lock no account.
_REMEMBERED_SECONDS = 15 * 60.0
#: The rule by which a call ends that was stopped because its connection is broken.
STOPPED = "connection_needs_repair"


@dataclass(slots=True)
class Passage:
    """One call that was let through. known_refusal: of the very same sign-in, so that this call need not be made.

    refused: set by whoever makes the call, where its credential was found wrong.
    """

    has_waited: bool = False
    known_refusal: Diagnosis | None = None
    refused: Diagnosis | None = None


@dataclass(slots=True)
class _Queue:
    under_way: int = 0
    window: int = FIRST
    waiting: "deque[asyncio.Future[None]]" = field(default_factory=deque)
    patience: asyncio.TimerHandle | None = None


class SignInGate:
    """One queue for each sign-in that has calls under way."""

    def __init__(self) -> None:
        self._queues: dict[str, _Queue] = {}
        self._refusals: dict[str, tuple[Diagnosis, float]] = {}
        self._secret = secrets.token_bytes(32)

    def key_of(self, opened: OpenedConnection) -> str:
        """Names a sign-in: equal for connections that send the same secret to the same place. Tells nothing of it."""
        parts = (opened.row.connector_id, opened.row.parameters, sorted(opened.origins), secrets_of(opened.credential))
        written = msgspec.json.encode(parts, order="deterministic")
        return hmac.digest(self._secret, written, "sha256").hex()

    def forget_refusals(self) -> None:
        """Something was mended: whoever was refused may be accepted now."""
        self._refusals.clear()

    @asynccontextmanager
    async def passage(self, key: str) -> AsyncIterator[Passage]:
        """Wait for a turn; what was known of the connection is old where `has_waited`."""
        queue = self._queues.setdefault(key, _Queue())
        passage = Passage()
        if queue.under_way < queue.window and not queue.waiting:
            queue.under_way += 1
        else:
            passage.has_waited = True
            try:
                await self._turn(queue)
            except asyncio.CancelledError:
                self._close_if_empty(key, queue)
                raise
        passage.known_refusal = self._refusal(key)
        try:
            yield passage
        finally:
            if passage.refused is not None and _is_of_the_secret(passage.refused):
                self._note_refusal(key, passage.refused)
            queue.under_way -= 1
            queue.window = FIRST if passage.refused is not None else min(queue.window * 2, _MOST)
            self._let_in(queue)
            self._close_if_empty(key, queue)

    def _close_if_empty(self, key: str, queue: _Queue) -> None:
        if not queue.under_way and not queue.waiting:
            self._queues.pop(key, None)

    def _refusal(self, key: str) -> Diagnosis | None:
        found = self._refusals.get(key)
        if found is None or found[1] < time.monotonic():
            return None
        return found[0]

    def _note_refusal(self, key: str, diagnosis: Diagnosis) -> None:
        now = time.monotonic()
        self._refusals = {one: found for one, found in self._refusals.items() if found[1] >= now}
        self._refusals[key] = (diagnosis, now + _REMEMBERED_SECONDS)

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


def _is_of_the_secret(diagnosis: Diagnosis) -> bool:
    """Whether the refusal holds for whoever sends the same. Not for a call that was stopped: nobody was asked."""
    if diagnosis.rule == STOPPED:
        return False
    return diagnosis.fixable_by is FixableBy.REVERIFY or diagnosis.category is Category.DISABLED_ACCOUNT
