"""Lets what was held go on: in order of arrival, what is about one thing one after another, few at once.

Theory of operation. The rows are the truth: an event waits until the transaction that stores its run takes it out, so a
process that is killed loses none and begins none twice. In memory are names alone, a bounded number of each flow that
catches up (`catch_up`); an event's body is read when its turn comes. Whoever changes something that may let events go
on wakes their flow (`use_cases/held_flows`); the end of a run wakes the next one of its lane. Flows have their turn one
after another; where the store fails a flow is taken up anew from its rows, for the order's sake.

After a repair one goes first, alone, for each connection (`core/repair/vanguard`): a credential that is wrong again fails one
event, and breaks its connection, instead of everything that was held.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection, Coroutine
from datetime import datetime, timedelta

from flowmend.core.connection.health import HealthState
from flowmend.core.errors import Conflict, FlowmendError, StoreUnavailable
from flowmend.core.json_value import Json
from flowmend.core.outcome import Status
from flowmend.core.repair import Waiting
from flowmend.core.repair.vanguard import FirstEnd, Vanguard
from flowmend.core.run import ConnectionRepaired
from flowmend.store.rows import TriggerEventRow
from flowmend.store.trigger_events import change_held
from flowmend.use_cases.failed_runs import failure_of
from flowmend.use_cases.held_events import GoesOn, what_goes_on
from flowmend.use_cases.known_health import needs_repair
from flowmend.use_cases.loaded_flows import LoadedFlow
from flowmend.use_cases.ports import Begun, Services
from flowmend.use_cases.run_limits import has_room, most_runs
from flowmend.use_cases.start_run import start_held_event
from flowmend.use_cases.unreadable import CANNOT_BE_READ
from flowmend.worker.catch_up import CatchUp
from flowmend.worker.row_watch import RowWatch

_log = logging.getLogger(__name__)

#: Everything held is looked through this often, for what a wake was lost of.
_LOOK_AGAIN = timedelta(seconds=30)
_SOONEST = timedelta(milliseconds=20)
#: How often those under way are looked at: what rests for long takes nobody's place.
_LOOK_FOR_REST = timedelta(seconds=1)
#: How long what the store could not take is left alone.
_AFTER_TROUBLE_SECONDS = 1.0
#: Of one flow, before another one has its turn.
_IN_TURN = 8

#: What the store holds and nobody can read any more, or what no row can hold: to wait would not help.
_FAULTS_OF_ITS_OWN = ("PayloadDamaged", "ValueNotStorable")
CANNOT_BEGIN = FlowmendError("Flowmend could not begin this event; its log says why.", code="InternalError")


class HeldRelease(RowWatch):
    """One task; begins what may go on, and sleeps until something ends or is woken."""

    def __init__(self, services: Callable[[], Services]) -> None:
        super().__init__(services, name="held events", look_again=_LOOK_AGAIN, soonest=_SOONEST)
        self._flows: dict[str, CatchUp] = {}
        #: {name: flow id} of what was begun and is not known to be stored as begun.
        self._unsettled: dict[str, str] = {}
        self._ended: list[tuple[str, Status]] = []
        self._vanguard = Vanguard()
        self._broken: set[str] = set()
        self._beginning: set[asyncio.Task[None]] = set()
        self._look_all_at: datetime | None = None
        self._look_for_rest_at: datetime | None = None

    def start(self) -> None:
        self._services().held.on_wake(self._changed.set)
        super().start()

    def heard(self, topic: str, facts: dict[str, Json]) -> None:
        """A listener for `Changes`: a run ended, or a connection broke."""
        if topic == "run" and Status(facts["status"]).is_terminal and facts["run_name"] in self._services().held.lanes:
            self._ended.append((facts["run_name"], Status(facts["status"])))
            self._changed.set()
        elif topic == "connection" and "health" in facts and needs_repair(HealthState(facts["health"])):
            self._broken.add(facts["connection_id"])

    def _under_way(self) -> Collection[asyncio.Task[None]]:
        return self._beginning

    async def _look(self) -> timedelta:
        try:
            return await self._look_and_begin(self._services())
        except StoreUnavailable:
            self._look_all_at = None  # of those that were woken some were not looked at
            raise

    async def _look_and_begin(self, services: Services) -> timedelta:
        now = services.clock.now
        kept_until = services.held.kept_back_until(now)
        if self._look_all_at is None or now >= self._look_all_at:
            holding = {*services.store.held.counts(), *services.store.held.flows_with_runs()}
            if self._look_all_at is None:  # nobody knows what happened before
                for flow_id in holding - self._flows.keys():
                    self._vanguard.was_held(flow_id)
            services.held.wake(*holding)
            self._look_all_at = now + _LOOK_AGAIN
        self._note_broken(services)
        self._look_for_rest(services)
        self._open_woken(services)
        while await self._begin_some_of_each(services):
            self._open_woken(services)
        return _LOOK_FOR_REST if services.held.lanes.awake() else self._until(kept_until)

    def _open_woken(self, services: Services) -> None:
        """Take in what ended and what was woken since."""
        ended, self._ended = self._ended, []
        for name, status in ended:
            self._end(services, name, status)
        woken, arrived, taken_out = services.held.take_woken()
        for flow_id in taken_out & self._flows.keys():
            self._close(self._flows[flow_id])
        for flow_id in (*woken, *arrived):
            catch_up = self._flows.get(flow_id)
            if catch_up is not None:
                catch_up.look_again(also_at_runs=flow_id in woken)
            elif (loaded := _readable(services, flow_id)) is not None:
                goes = self._what_goes_on(services, loaded)
                if flow_id in woken or goes is not GoesOn.NOTHING:
                    self._flows[flow_id] = CatchUp(loaded, services.held.lanes, goes, self._unsettled)

    def _note_broken(self, services: Services) -> None:
        """What these flows hold waits for a repair, or will: whatever goes first after it goes alone."""
        for connection_id in list(self._broken):
            for flow in services.store.flows.using(connection_id):
                self._vanguard.was_held(flow.flow_id)
            self._broken.discard(connection_id)

    def _what_goes_on(self, services: Services, loaded: LoadedFlow) -> GoesOn:
        goes = what_goes_on(services, loaded)
        if goes is GoesOn.ALL:
            self._vanguard.goes_on(loaded.row.flow_id, _sources(loaded), services.clock.now)
        else:
            self._vanguard.was_held(loaded.row.flow_id)
        return goes

    async def _begin_some_of_each(self, services: Services) -> bool:
        """Whether anything was begun."""
        has_begun = False
        for catch_up in list(self._flows.values()):
            if not services.held.lanes.has_room:
                break
            try:
                has_begun |= await self._begin_some(services, catch_up)
            except StoreUnavailable:
                self._take_up_anew(catch_up.flow_id)
                raise
            except Exception:  # noqa: BLE001  # one flow must not keep the others waiting
                _log.exception("What is held of flow %s could not go on; it is tried again", catch_up.flow_id)
                self._close(catch_up)
            await asyncio.sleep(0)  # what was begun goes on in between
        return has_begun

    async def _begin_some(self, services: Services, catch_up: CatchUp) -> bool:
        """Whether anything of this flow was begun."""
        loaded = _readable(services, catch_up.flow_id)
        goes = self._what_goes_on(services, loaded) if loaded is not None else GoesOn.NOTHING
        if loaded is None or goes is not catch_up.goes or loaded.version != catch_up.version:
            self._close(catch_up)
            services.held.wake(catch_up.flow_id)  # something changed: taken up anew as it stands now
            return False
        taken: deque[Waiting] = deque()
        try:
            self._take(services, loaded, catch_up, taken)
            events = services.store.held.events([one.name for one in taken if not one.connection_id]) if taken else {}
            has_taken = bool(taken)
            while taken:
                await self._begin(services, catch_up.flow_id, taken[0], events.get(taken[0].name))
                taken.popleft()
        except Exception:
            for waiting in taken:
                self._release(waiting.name)
            raise
        self._have_next_turn(catch_up)
        is_over = not has_taken and catch_up.is_over(services)
        if is_over and (catch_up.goes is not GoesOn.ALL or services.held.caught_up(catch_up.flow_id)):
            self._close(catch_up)
        return has_taken

    def _have_next_turn(self, begun: CatchUp) -> None:
        """The other flows come first now."""
        if self._flows.get(begun.flow_id) is begun:
            self._flows[begun.flow_id] = self._flows.pop(begun.flow_id)

    def _take(self, services: Services, loaded: LoadedFlow, catch_up: CatchUp, taken: deque[Waiting]) -> None:
        """The next that begin now, in order, into `taken`; each has its place among those under way already."""
        is_limited, now = most_runs(loaded) is not None, services.clock.now
        while len(taken) < (1 if is_limited else _IN_TURN):
            waiting = catch_up.take(services, loaded)
            if waiting is None:
                break
            is_full = is_limited and not waiting.connection_id and not has_room(services, loaded)
            if is_full or not self._vanguard.may_begin(catch_up.flow_id, now):
                catch_up.put_back(waiting)
                break
            services.held.lanes.begun(waiting.name, catch_up.flow_id, waiting.key)
            self._vanguard.begun(waiting.name, catch_up.flow_id, now)
            self._unsettled[waiting.name] = catch_up.flow_id
            taken.append(waiting)

    async def _begin(self, services: Services, flow_id: str, waiting: Waiting, event: TriggerEventRow | None) -> None:
        """Begin the run of an event. One that cannot start keeps its place in the history as Failed, with the reason."""
        if waiting.connection_id:
            self._start_task(self._wake_run(services, flow_id, waiting))
            return
        is_active = services.dispatch.is_active(waiting.name)
        if event is None or is_active:  # settled by somebody else since it was listed
            self._settled(flow_id, waiting, goes_on=is_active)
            return
        try:
            begun = start_held_event(services, event)
        except Exception as error:  # noqa: BLE001  # one event must not keep the others waiting
            await self._could_not_begin(services, flow_id, waiting, error)
        else:
            self._start_task(self._become_durable(services, flow_id, waiting, begun))

    async def _become_durable(self, services: Services, flow_id: str, waiting: Waiting, begun: Begun) -> None:
        try:
            if begun.durable is not None:
                await begun.durable
        except Conflict:  # settled by somebody else in this very moment
            self._settled(flow_id, waiting, goes_on=False)
        except Exception as error:  # noqa: BLE001  # as above
            await self._could_not_begin(services, flow_id, waiting, error)
        else:
            self._settled(flow_id, waiting, goes_on=True)

    async def _could_not_begin(self, services: Services, flow_id: str, waiting: Waiting, error: Exception) -> None:
        if isinstance(error, StoreUnavailable) and error.code not in _FAULTS_OF_ITS_OWN:
            self._give_up(flow_id, waiting)
            return
        reason = error if isinstance(error, FlowmendError) else CANNOT_BEGIN
        _log.error(
            "The held event %s cannot begin: %s",
            waiting.name,
            reason,
            exc_info=error if reason is CANNOT_BEGIN else None,
        )
        failed = {"status": Status.FAILED.value, "error_code": reason.code, "error_message": reason.message}
        try:
            await services.store.journal.write([change_held(waiting.name, **failed)])
        except Conflict:
            pass  # discarded in this very moment
        except Exception:  # noqa: BLE001  # that it failed could not be kept, so it is held still
            self._give_up(flow_id, waiting)
            return
        else:
            services.changes.publish("event", flow_id=flow_id, event_name=waiting.name, status=Status.FAILED.value)
        self._settled(flow_id, waiting, goes_on=False)

    async def _wake_run(self, services: Services, flow_id: str, waiting: Waiting) -> None:
        """Bring a run that waits at an action back, and let it go on."""
        try:
            goes_on = await services.dispatch.send(waiting.name, ConnectionRepaired(waiting.connection_id))
        except FlowmendError as error:
            _log.log(services.store.condition.log_level, "Run %s could not go on: %s", waiting.name, error)
            self._give_up(flow_id, waiting)
        except Exception:  # noqa: BLE001  # our own defect must keep neither its lane nor the others waiting
            _log.exception("Run %s could not go on", waiting.name)
            self._settled(flow_id, waiting, goes_on=False)
        else:
            self._settled(flow_id, waiting, goes_on=goes_on)

    def _start_task(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    def _settled(self, flow_id: str, waiting: Waiting, *, goes_on: bool) -> None:
        """The store knows what became of it."""
        if goes_on:
            self._unsettled.pop(waiting.name, None)
        else:
            self._release(waiting.name)
            if (catch_up := self._flows.get(flow_id)) is not None:  # another one maybe than began it
                catch_up.freed(waiting.key)
        self._changed.set()

    def _give_up(self, flow_id: str, waiting: Waiting) -> None:
        """The store could not take it: it is held still."""
        self._release(waiting.name)
        self._take_up_anew(flow_id)

    def _release(self, name: str) -> None:
        """It was taken and did not begin."""
        self._unsettled.pop(name, None)
        self._vanguard.ended(name, FirstEnd.UNKNOWN, self._services().clock.now)
        self._services().held.lanes.ended(name)

    def _take_up_anew(self, flow_id: str) -> None:
        """In a moment, from the rows: what could not begin stands where it stood."""
        if (catch_up := self._flows.get(flow_id)) is not None:
            self._close(catch_up)
        asyncio.get_running_loop().call_later(_AFTER_TROUBLE_SECONDS, self._services().held.wake, flow_id)

    def _end(self, services: Services, name: str, status: Status) -> None:
        """status: as far as it is known; of one that does not end, it waits for long."""
        if self._vanguard.is_ahead(name):
            self._vanguard.ended(name, _first_end(services, name, status), services.clock.now)
        lane = services.held.lanes.lane_of(name)
        if services.held.lanes.ended(name) and lane is not None and (catch_up := self._flows.get(lane[0])) is not None:
            catch_up.freed(lane[1])

    def _close(self, catch_up: CatchUp) -> None:
        if self._flows.get(catch_up.flow_id) is catch_up:
            del self._flows[catch_up.flow_id]
            catch_up.close()

    def _look_for_rest(self, services: Services) -> None:
        """What left memory has ended, or waits for long; without a key nobody waits for its end."""
        now, lanes = services.clock.now, services.held.lanes
        if self._look_for_rest_at is not None and now < self._look_for_rest_at:
            return
        self._look_for_rest_at = now + _LOOK_FOR_REST
        gone = [(name, key) for name, _, key in lanes.awake()
                if name not in self._unsettled and not services.dispatch.is_active(name)]  # fmt: skip
        unended = services.store.held.unended([name for name, _ in gone]) if gone else frozenset()
        for name, key in gone:
            if key and name in unended:
                lanes.rests(name)
                self._vanguard.rests(name, now)
            elif name in unended:
                self._end(services, name, Status.WAITING)
            else:
                row = services.store.runs.get(name)
                self._end(services, name, Status(row.status) if row is not None else Status.CANCELLED)
        self._look_for_proofs(services)

    def _look_for_proofs(self, services: Services) -> None:
        """A good call, whoever made it, shows as much as the end of the one that went first."""
        for source, since in self._vanguard.waited_for().items():
            row = services.store.connections.get(source)
            if row is not None and row.last_good_at is not None and row.last_good_at >= since:
                self._vanguard.proved(source, services.clock.now)


def _sources(loaded: LoadedFlow) -> tuple[str, ...]:
    """What one event of the flow shows to work: the connections that it surely needs; else of this flow alone."""
    return loaded.certain_connections or ((loaded.row.flow_id,) if loaded.mappings else ())


def _first_end(services: Services, name: str, status: Status) -> FirstEnd:
    if status is Status.CANCELLED:
        return FirstEnd.UNKNOWN
    if status is Status.SUCCEEDED or not status.is_terminal:
        return FirstEnd.GOOD
    return FirstEnd.REFUSED if failure_of(services, name)[1] else FirstEnd.OTHERWISE


def _readable(services: Services, flow_id: str) -> LoadedFlow | None:
    """The flow, None where it does not read: then it keeps what it holds, and keeps no other waiting."""
    try:
        return services.flows.latest(flow_id)
    except CANNOT_BE_READ as error:
        _log.error("What is held of flow %s stays held: %s", flow_id, error)
        return None
