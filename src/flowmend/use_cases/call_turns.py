"""Lets the calls of a recovery go out few at once, so that a second break costs few refusals.

Runs begin by the dozen, for much of a run is not a call; but were their calls all on their way when a credential dies anew,
each would be refused, and many services lock an account after a handful.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class CallTurns:
    """Runs in groups; of each group's calls only so many are under way at once. Runs of no group do not wait."""

    def __init__(self) -> None:
        self._of_run: dict[str, asyncio.Semaphore] = {}
        self._groups: dict[str, tuple[int, asyncio.Semaphore]] = {}

    def join(self, run_name: str, group: str, at_once: int) -> None:
        """From now on the run's calls take turns with those of its group. at_once: where it differs from what those before said,
        who joins from now on takes turns anew.
        """
        most, turns = self._groups.get(group, (0, None))
        if turns is None or most != at_once:
            turns = asyncio.Semaphore(at_once)
            self._groups[group] = (at_once, turns)
        self._of_run[run_name] = turns

    def leave(self, run_name: str) -> None:
        """The run ended, or nobody minds any more."""
        self._of_run.pop(run_name, None)

    def disband(self, group: str) -> None:
        """Nobody joins it any more; calls under way end as they do."""
        self._groups.pop(group, None)

    @asynccontextmanager
    async def turn(self, run_name: str) -> AsyncIterator[None]:
        """Wait for a turn where the run is in a group."""
        turns = self._of_run.get(run_name)
        if turns is None:
            yield
            return
        async with turns:
            yield
