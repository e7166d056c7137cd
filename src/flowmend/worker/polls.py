"""Polls what is due: one task, driven by rows, so that ten thousand triggers cost no timer each.

Few polls run at once, fewer still for one connection, and no trigger is polled again before its last poll has ended. A
service that is slow holds up nobody else's.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import timedelta

from flowmend.core.errors import FlowmendError, StoreUnavailable
from flowmend.core.json_value import Json
from flowmend.store.rows import TriggerStateRow
from flowmend.use_cases.poll_states import resume_polls
from flowmend.use_cases.poll_trigger import poll_trigger
from flowmend.use_cases.ports import Services
from flowmend.worker.row_watch import RowWatch
from flowmend.worker.set_back import SetBack

_log = logging.getLogger(__name__)

_LOOK_AGAIN = timedelta(seconds=30)
_SOONEST = timedelta(milliseconds=20)
#: What failed for a reason of ours is left alone this long.
_AFTER_TROUBLE = timedelta(minutes=5)
_STORE_TRIED_AGAIN_SECONDS = 5.0
_MOST_AT_ONCE = 32
_MOST_PER_SOURCE = 4
_MOST_LISTED = 500

_Key = tuple[str, str]


class Polls(RowWatch):
    """One task that sleeps until the next trigger is to be polled."""

    def __init__(self, services: Callable[[], Services]) -> None:
        super().__init__(services, name="polls", look_again=_LOOK_AGAIN, soonest=_SOONEST)
        self._polling: dict[_Key, asyncio.Task[None]] = {}
        self._poked: set[_Key] = set()
        self._set_back = SetBack()
        self._sources: Counter[str] = Counter()

    def heard(self, topic: str, facts: dict[str, Json]) -> None:
        """A listener for `Changes`: a flow is on, a connection works again, a service said that there is news."""
        if topic == "poke":
            key = (facts["flow_id"], facts["trigger_name"])
            if key in self._polling:
                self._poked.add(key)
        if topic in {"flow", "connection", "poke", "polls"}:
            self._changed.set()

    def _under_way(self) -> Collection[asyncio.Task[None]]:
        return self._polling.values()

    async def _look(self) -> timedelta:
        services = self._services()
        resume_polls(services)
        now = services.clock.now
        if set_back := self._set_back.since_last(now):
            services.store.triggers.poll_all_sooner(now, set_back)
        for state in services.store.triggers.due_polls(now, _MOST_LISTED + len(self._polling)):
            if len(self._polling) >= _MOST_AT_ONCE:
                break
            source = _source(state)
            if (state.flow_id, state.trigger_name) not in self._polling and self._sources[source] < _MOST_PER_SOURCE:
                self._begin(services, state, source)
        return self._until(services.store.triggers.next_poll(now))

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
    except StoreUnavailable as error:  # due still; but its service is not asked without end while nothing can be kept
        level = services.store.condition.log_level
        _log.log(level, "Trigger %s of flow %s could not be polled: %s", state.trigger_name, state.flow_id, error)
        await asyncio.sleep(_STORE_TRIED_AGAIN_SECONDS)
        return
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
