"""What is due: recurrences that fire and runs at rest that go on."""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec

from flowmend.core.errors import Conflict, FlowmendError, StoreUnavailable
from flowmend.store.rows import TriggerStateRow
from flowmend.store.triggers import note_fired
from flowmend.use_cases.accept_event import start_scheduled
from flowmend.use_cases.approvals import tell_untold
from flowmend.use_cases.batches import release_batches
from flowmend.use_cases.ports import Services
from flowmend.use_cases.schedules import following_state, outputs_of
from flowmend.worker.row_watch import RowWatch
from flowmend.worker.run_loop import RunLoop

_log = logging.getLogger(__name__)

_LOOK_AGAIN = timedelta(seconds=30)
_SOONEST = timedelta(milliseconds=20)
_MOST_AT_ONCE = 100


class Timers(RowWatch):
    """One task that sleeps until the next row is due."""

    def __init__(self, services: Callable[[], Services], run_loop: Callable[[], RunLoop]) -> None:
        super().__init__(services, name="timers", look_again=_LOOK_AGAIN, soonest=_SOONEST)
        self._run_loop = run_loop
        self._tell_at: datetime | None = None

    def schedule_changed(self) -> None:
        self._changed.set()

    async def _look(self) -> timedelta:
        services = self._services()
        now = services.clock.now
        if self._tell_at is None or now >= self._tell_at:
            self._tell_at = now + _LOOK_AGAIN
            await tell_untold(services)
        for state in services.store.triggers.due(now, _MOST_AT_ONCE):
            await self._fire_trigger(services, state, now)
        for name in services.store.runs.due(now, _MOST_AT_ONCE):
            await self._run_loop().wake(name)
        times = (services.store.triggers.next_due(), services.store.runs.next_due(), self._run_loop().end_overdue())
        return self._until(min((at for at in times if at is not None), default=None))

    async def _fire_trigger(self, services: Services, state: TriggerStateRow, now: datetime) -> None:
        stored = services.store.triggers.get(state.flow_id, state.trigger_name)
        if stored is None or stored.next_at != state.next_at:
            return  # turned off or scheduled anew since it was listed, while another's run was stored
        due_at = state.next_at or now
        try:
            trigger = services.flows.latest(state.flow_id).flow.definition.triggers.get(state.trigger_name)
            following = None if trigger is None else following_state(trigger, state, now)
        except StoreUnavailable:
            raise  # everything waits until it answers again
        except Exception:  # noqa: BLE001
            # One flow that no longer reads must not keep the others waiting: it is scheduled again when turned on.
            _log.exception("The recurrence of flow %s cannot go on", state.flow_id)
            trigger = following = None
        after = following or msgspec.structs.replace(state, next_at=None, last_at=due_at)
        fired = note_fired(after, due_at=due_at)
        try:
            if trigger is not None and trigger.type == "Batch":
                # What a crash between the two leaves due is released already, and fires nothing twice.
                await release_batches(services, state.flow_id, state.trigger_name)
                await services.store.journal.write([fired])
            else:
                # In one transaction: a crash neither loses a tick nor fires one twice.
                await start_scheduled(
                    services,
                    state.flow_id,
                    state.trigger_name,
                    due_at,
                    outputs_of(state),
                    together_with=(fired,),
                )
        except StoreUnavailable:
            raise  # it is due still, and fires once the store answers again
        except Exception as error:  # noqa: BLE001  # what cannot start now is not tried for ever
            is_ours = isinstance(error, FlowmendError)
            _log.error(
                "The recurrence of flow %s could not start a run: %s", state.flow_id, error, exc_info=not is_ours
            )
            with suppress(Conflict):  # scheduled anew meanwhile
                await services.store.journal.write([fired])
