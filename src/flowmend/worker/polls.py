"""Polls what is due: one task, driven by rows, so that ten thousand triggers cost no timer each.

Few polls run at once, fewer still for one connection, and no trigger is polled again before its last poll has ended. A
service that is slow holds up nobody else's.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from flowmend.core.errors import FlowmendError
from flowmend.core.json_value import Json
from flowmend.store.rows import TriggerStateRow
from flowmend.use_cases.poll_states import resume_polls
from flowmend.use_cases.poll_trigger import poll_trigger
from flowmend.use_cases.ports import Services

_log = logging.getLogger(__name__)

#: A look at the store at least this often: the clock may be set, another process may have changed a row.
_LOOK_AGAIN = timedelta(seconds=30)
_SOONEST = timedelta(milliseconds=20)
#: What failed for a reason of ours is left alone this long.
_AFTER_TROUBLE = timedelta(minutes=5)
_MOST_AT_ONCE = 32
_MOST_PER_SOURCE = 4
_MOST_LISTED = 500

_Key = tuple[str, str]


class Polls:
    """One task that sleeps until the next trigger is to be polled."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._polling: dict[_Key, asyncio.Task[None]] = {}
        self._poked: set[_Key] = set()
        self._sources: Counter[str] = Counter()

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._watch(), name="polls")

    async def stop(self) -> None:
        """Let go of the polls under way: they stay due, and what they would have found is found after the next start."""
        tasks = [*self._polling.values(), *([self._task] if self._task is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def heard(self, topic: str, facts: dict[str, Json]) -> None:
        """A listener for `Changes`: a flow is on, a connection works again, a service said that there is news."""
        if topic == "poke":
            key = (facts["flow_id"], facts["trigger_name"])
            if key in self._polling:
                self._poked.add(key)
        if topic in {"flow", "connection", "poke", "polls"}:
            self._changed.set()

    async def _watch(self) -> None:
        while True:
            self._changed.clear()
            wait = _LOOK_AGAIN
            try:
                wait = self._look()
            except FlowmendError as error:
                _log.warning("Polls could not look at the store: %s", error)
            except Exception:  # noqa: BLE001  # our own defect must not stop every poll
                _log.exception("Polls failed; they look again")
            # Not wait_for: in Python 3.11 it loses a cancellation that comes in the moment the event is set.
            with suppress(TimeoutError):
                async with asyncio.timeout(wait.total_seconds()):
                    await self._changed.wait()

    def _look(self) -> timedelta:
        """Begin what is due and may be begun; how long nothing more is to be done."""
        services = self._services()
        resume_polls(services)
        now = services.clock.now
        for state in services.store.triggers.due_polls(now, _MOST_LISTED + len(self._polling)):
            if len(self._polling) >= _MOST_AT_ONCE:
                break
            source = _source(state)
            if (state.flow_id, state.trigger_name) not in self._polling and self._sources[source] < _MOST_PER_SOURCE:
                self._begin(services, state, source)
        next_at = services.store.triggers.next_poll(now)
        if next_at is None:
            return _LOOK_AGAIN
        return min(_LOOK_AGAIN, max(_SOONEST, next_at - services.clock.now))

    def _begin(self, services: Services, state: TriggerStateRow, source: str) -> None:
        key = (state.flow_id, state.trigger_name)
        self._sources[source] += 1
        task = asyncio.get_running_loop().create_task(_poll(services, state))
        self._polling[key] = task

        def ended(_: asyncio.Task[None]) -> None:
            del self._polling[key]
            self._sources[source] -= 1
            if not self._sources[source]:
                del self._sources[source]
            if key in self._poked:  # what came while it was under way may be missing in its answer
                self._poked.discard(key)
                with suppress(FlowmendError):
                    services.store.triggers.poll_sooner(*key, services.clock.now)
            self._changed.set()

        task.add_done_callback(ended)


async def _poll(services: Services, state: TriggerStateRow) -> None:
    try:
        await poll_trigger(services, state)
    except FlowmendError as error:
        _log.warning("Trigger %s of flow %s could not be polled: %s", state.trigger_name, state.flow_id, error)
    except Exception:  # noqa: BLE001  # our own defect stops this trigger for a while, and no other
        _log.exception("Trigger %s of flow %s could not be polled", state.trigger_name, state.flow_id)
    else:
        return
    with suppress(FlowmendError):
        later = services.clock.now + _AFTER_TROUBLE
        services.store.triggers.change(state.flow_id, state.trigger_name, poll_at=later)


def _source(state: TriggerStateRow) -> str:
    """Whom a trigger asks, as far as is known: those of one source share their turns."""
    return str((state.memory or {}).get("source") or state.flow_id)
