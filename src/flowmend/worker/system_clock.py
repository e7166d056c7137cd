"""The system's time and chance."""

import random
import secrets
import uuid
from datetime import UTC, datetime

from flowmend.core.run.naming import countdown_ticks


class SystemClock:
    """Implements `use_cases.ports.Clock` and the run engine's `Moment`."""

    def __init__(self) -> None:
        self._last_ticks = countdown_ticks(datetime(2000, 1, 1, tzinfo=UTC))
        # Ids need to be unguessable across processes, not each draw: a seeded generator is ten times faster.
        self._random = random.Random(secrets.randbits(256))  # noqa: S311  # no secret is made from it

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    def guid(self) -> uuid.UUID:
        return uuid.UUID(int=self._random.getrandbits(128), version=4)

    def draw(self) -> float:
        return self._random.random()

    def ticks(self) -> int:
        # Two runs within a microsecond, or a clock set back, still get names in order of arrival.
        self._last_ticks = min(countdown_ticks(self.now), self._last_ticks - 1)
        return self._last_ticks
