"""Carries repair plans out: the first ones alone, then the rest in order, and stops by itself where it goes wrong.

Theory of operation. The rows are the truth: an item is planned until the transaction that stores its run says that it has
begun, so a process that is killed loses none and begins none twice. In memory are the plan's line (`recovery_plan`), and
what is under way. One task looks whenever a run ended, a plan was changed, or a connection broke: it notes what ended, stops
the plan where that is called for, and begins the next ones, each in a task of its own that waits for its transaction alone.
How an item ended rides along with the next transaction; lost with the process, it is read from the run itself.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime, timedelta

from flowmend.core.connection.health import HealthState
from flowmend.core.errors import Conflict, FlowmendError, NotFound, StoreUnavailable
from flowmend.core.json_value import Json
from flowmend.core.outcome import Status
from flowmend.core.repair.stopping import Ending, StopCode
from flowmend.store.repair_rows import EndedItem, ItemMode, ItemState, LaneItem, PlanState
from flowmend.store.repair_statements import end_items
from flowmend.use_cases.begin_item import begin_planned, new_name_of
from flowmend.use_cases.business_keys import BUSINESS_KEY
from flowmend.use_cases.failed_runs import failure_of
from flowmend.use_cases.ports import Services
from flowmend.use_cases.repair_plan import GOING_ON, tell_progress
from flowmend.use_cases.run_limits import most_runs
from flowmend.use_cases.start_run import NEEDS_REPAIR
from flowmend.use_cases.unreadable import CANNOT_BE_READ
from flowmend.worker.first_part import are_decided, end_first_part
from flowmend.worker.recovery_plan import RecoveryPlan
from flowmend.worker.row_watch import RowWatch

_log = logging.getLogger(__name__)

#: The plans are read at least this often, for what a wake was lost of.
_LOOK_AGAIN = timedelta(seconds=30)
_SOONEST = timedelta(milliseconds=5)
#: How often those under way are looked at: what rests for long takes nobody's place.
_LOOK_FOR_REST = timedelta(seconds=1)
#: How often open pages are told how far it is.
_TELL_EVERY = timedelta(milliseconds=400)
_AFTER_TROUBLE_SECONDS = 1.0
#: Begun before what was begun has its turn.
_IN_TURN = 8


class Recovery(RowWatch):
    """One task for all plans that were started and are not over."""

    def __init__(self, services: Callable[[], Services]) -> None:
        super().__init__(services, name="repair plans", look_again=_LOOK_AGAIN, soonest=_SOONEST)
        self._plans: dict[str, RecoveryPlan] = {}
        self._broken: set[str] = set()
        self._reads_plans = True
        self._read_again_at: datetime | None = None
        self._is_telling = False
        self._told_at: dict[str, datetime] = {}
        self._look_for_rest_at: datetime | None = None

    def heard(self, topic: str, facts: dict[str, Json]) -> None:
        """A listener for `Changes`: a run ended, a plan was changed, or a connection broke."""
        if topic == "run":
            if Status(facts["status"]).is_terminal:
                for plan in self._plans.values():
                    if facts["run_name"] in plan.lanes:
                        plan.ended.append((facts["run_name"], facts["status"]))
                        self._changed.set()
        elif topic == "repair" and not self._is_telling:
            self._reads_plans = True
            self._changed.set()
        elif topic == "connection" and facts.get("health") == HealthState.BROKEN and self._plans:
            self._broken.add(facts["connection_id"])
            self._changed.set()

    def _under_way(self) -> Collection[asyncio.Task[None]]:
        return [task for plan in self._plans.values() for task in plan.beginning.values()]

    async def _look(self) -> timedelta:
        services = self._services()
        now = services.clock.now
        if self._reads_plans or self._read_again_at is None or now >= self._read_again_at:
            self._reads_plans, self._read_again_at = False, now + _LOOK_AGAIN
            try:
                await self._read_plans(services)
            except Exception:
                self._reads_plans = True  # nobody tells it a second time
                raise
        await self._stop_where_broken(services)
        self._look_for_rest(services)
        waits = [await self._go_on(services, plan) for plan in list(self._plans.values())]
        return min(waits, default=_LOOK_AGAIN)

    # -- plans --

    async def _read_plans(self, services: Services) -> None:
        rows = {row.plan_id: row for row in services.store.repair_plans.under_way() if row.state is not PlanState.DRAFT}
        for plan_id, plan in list(self._plans.items()):
            if plan_id not in rows and not plan.under_way:
                self._forget(services, plan)
        for plan_id, row in rows.items():
            if plan_id not in self._plans:
                self._plans[plan_id] = RecoveryPlan(row)
            plan = self._plans[plan_id]
            before = plan.row
            if plan.changed(row):
                plan.is_uncertain = True  # until its line is there: where the store fails meanwhile, nothing begins
            if plan.is_uncertain:
                await self._read_items(services, plan)
            if plan.row != before:
                self._tell(services, plan, services.clock.now, at_once=True)

    async def _read_items(self, services: Services, plan: RecoveryPlan) -> None:
        plan.is_uncertain = False  # before the rows are read: what fails to begin meanwhile makes it so again
        try:
            await services.store.journal.write(())  # how items ended rides along with that
            self._take_up(services, plan)
            await self._line_up(services, plan)
        except Exception:
            plan.is_uncertain = True
            raise

    def _take_up(self, services: Services, plan: RecoveryPlan) -> None:
        """What began before a restart, or while the store failed: it is under way still, or ended meanwhile."""
        for one in services.store.repair_plans.begun(plan.row.plan_id):
            if one.new_run in plan.under_way:
                continue
            item = LaneItem(
                position=one.position,
                subject=one.new_run,
                kind=one.kind,
                mode=one.mode,
                flow_version="",
                is_canary=one.is_canary,
                flow_id=one.flow_id,
                business_key=one.business_key,
            )
            plan.begins(one.new_run, item)
            services.turns.join(one.new_run, plan.row.plan_id, plan.settings.calls_at_once)
            if one.status and Status(one.status).is_terminal:
                plan.ended.append((one.new_run, one.status))

    async def _line_up(self, services: Services, plan: RecoveryPlan) -> None:
        items = await asyncio.to_thread(services.store.repair_plans.lanes, plan.row.plan_id)
        runs = await asyncio.to_thread(services.store.repair_subjects.named, [item.subject for item in items])
        plan.versions = {run.run_name: run.version for run in runs}
        for flow_id in {item.flow_id for item in items if item.business_key}:
            for name, key in services.store.held.keys_under_way(flow_id, key_name=BUSINESS_KEY):
                plan.lanes.begun(name, flow_id, key)  # of a key that runs already the next one waits
        plan.line_up(list(items))

    def _forget(self, services: Services, plan: RecoveryPlan) -> None:
        services.turns.disband(plan.row.plan_id)
        for name in plan.under_way:
            services.turns.leave(name)
        self._plans.pop(plan.row.plan_id, None)
        self._told_at.pop(plan.row.plan_id, None)

    # -- one plan --

    async def _go_on(self, services: Services, plan: RecoveryPlan) -> timedelta:
        """Note what ended and begin what may; how long nothing more is to be done."""
        now = services.clock.now
        has_ended = bool(plan.ended)
        await self._settle(services, plan)
        if has_ended and plan.is_undecided and await are_decided(services, plan):
            self._look_at_rows()
        for flow_id in list(plan.parked):
            if _has_room(services, plan, flow_id):
                plan.unpark(flow_id)
        begun = 0
        while (item := plan.take(now)) is not None:
            if plan.is_behind(item) or (
                item.mode is not ItemMode.CANCEL and not _has_room(services, plan, item.flow_id)
            ):
                plan.park(item)
                continue
            plan.has_begun_one(now)
            self._begin(services, plan, item)
            plan.unpark(item.flow_id)  # the next one of it, where it has more room
            begun += 1
            if begun % _IN_TURN == 0:
                await asyncio.sleep(0)
                await self._settle(services, plan)
        await self._advance(services, plan)
        is_last = has_ended and not plan.goes_on and not plan.awake  # nothing follows that would tell of it
        if is_last:
            await services.store.journal.write(())  # how it ended rides along with that
        self._tell(services, plan, now, at_once=is_last)
        if not plan.goes_on or not (plan.line.has_offer and plan.has_room):
            is_busy = plan.awake or plan.parked or len(plan.line) or plan.is_first_part
            return _LOOK_FOR_REST if is_busy else _LOOK_AGAIN
        return max(_SOONEST, plan.due_in(services.clock.now))

    def _begin(self, services: Services, plan: RecoveryPlan, item: LaneItem) -> None:
        name = new_name_of(services, item)
        plan.begins(name, item)
        services.turns.join(name, plan.row.plan_id, plan.settings.calls_at_once)
        task = asyncio.get_running_loop().create_task(self._begin_durably(services, plan, item, name))
        plan.beginning[name] = task

    async def _begin_durably(self, services: Services, plan: RecoveryPlan, item: LaneItem, name: str) -> None:
        """Begin an item; one that cannot begin says why in its row, and leaves its lane to the next one."""
        try:
            await begin_planned(services, plan.row, item, name, plan.versions.get(item.subject, ""))
        except StoreUnavailable:
            self._release(services, plan, name)
            plan.is_uncertain = True  # whether it did, its row says
            asyncio.get_running_loop().call_later(_AFTER_TROUBLE_SECONDS, self._look_at_rows)
        except FlowmendError as error:
            self._release(services, plan, name)
            if error.code == NEEDS_REPAIR:
                await self._stop(services, plan, StopCode.AUTHENTICATION, error.message)
            elif error.code == "ItemNotPlanned":  # the plan was paused or stopped in this very moment
                plan.is_uncertain = True
                self._look_at_rows()
            else:
                is_theirs = isinstance(error, Conflict)
                self._note(services, plan, item, ItemState.REFUSED, error.code)
                stop = None if is_theirs else plan.judge(Ending(is_good=False, is_first=item.is_canary))
                if stop is not None:
                    await self._stop(services, plan, stop, error.message)
        except Exception:  # noqa: BLE001  # our own defect must keep neither the others nor the plan from going on
            _log.exception("An item of repair plan %s cannot begin: %s", plan.row.plan_id, item.subject)
            self._release(services, plan, name)
            self._note(services, plan, item, ItemState.REFUSED, "InternalError")
        finally:
            del plan.beginning[name]
            if name not in plan.under_way:  # it ended, perhaps before anybody heard that it had begun
                self._changed.set()

    def _look_at_rows(self) -> None:
        self._reads_plans = True
        self._changed.set()

    def _release(self, services: Services, plan: RecoveryPlan, name: str) -> LaneItem | None:
        services.turns.leave(name)
        return plan.is_over(name)

    async def _settle(self, services: Services, plan: RecoveryPlan) -> None:
        """Note how runs ended, and stop where that is called for."""
        stops: list[tuple[StopCode, str]] = []
        ended, plan.ended = plan.ended, []
        for name, status in ended:
            item = self._release(services, plan, name)
            if item is None:
                continue  # of the same key, and none of the plan's
            if item.mode is ItemMode.CANCEL or status == Status.SUCCEEDED:
                self._note(services, plan, item, ItemState.SUCCEEDED, "")
                plan.judge(Ending(is_good=True))
                continue
            code, is_refused = failure_of(services, name)
            self._note(services, plan, item, ItemState.FAILED, code)
            if status != Status.CANCELLED:  # else a person ended it on purpose
                stop = plan.judge(Ending(is_good=False, is_auth_failure=is_refused, is_first=item.is_canary))
                if stop is not None:
                    stops.append((stop, f"{name}: {code}"))
        if stops:
            await self._stop(services, plan, *stops[0])

    def _note(self, services: Services, plan: RecoveryPlan, item: LaneItem, state: ItemState, code: str) -> None:
        ended = EndedItem(position=item.position, state=state, ended_at=services.clock.now, error_code=code)
        services.store.journal.ride_along(end_items(plan.row.plan_id, [ended]))

    async def _stop(self, services: Services, plan: RecoveryPlan, code: StopCode, message: str) -> None:
        """Begin nothing more of it until a person says so."""
        if not (plan.goes_on or plan.is_undecided):
            return
        now, plan_id = services.clock.now, plan.row.plan_id
        has_stopped = services.store.repair_plans.change(
            plan_id,
            (*GOING_ON, PlanState.PAUSED) if plan.is_undecided else GOING_ON,
            state=PlanState.STOPPED,
            stop_code=code.value,
            stop_message=message,
            world="",  # unknown, so it is made anew before it starts again
            changed_at=now,
        )
        if has_stopped:
            _log.warning("Repair plan %s stopped by itself: %s %s", plan_id, code.value, message)
        self._take_in(services, plan)
        with suppress(StoreUnavailable):  # they ride along with a later one then
            await services.store.journal.write(())  # whoever looks at the stopped plan sees why

    async def _stop_where_broken(self, services: Services) -> None:
        """A connection that a plan's flows use was refused anew."""
        broken, self._broken = self._broken, set()
        if not broken:
            return
        for plan in list(self._plans.values()):
            if not plan.goes_on:
                continue
            used = {
                connection_id: row
                for connection_id in broken
                if (row := services.store.connections.get(connection_id)) is not None
                and any(flow.flow_id in plan.flow_ids for flow in services.store.flows.using(connection_id))
            }
            if used:
                names = ", ".join(row.display_name for row in used.values())
                await self._stop(services, plan, StopCode.AUTHENTICATION, names)

    async def _advance(self, services: Services, plan: RecoveryPlan) -> None:
        """The rest after the first ones, the end after the rest."""
        if not plan.goes_on or len(plan.line) or plan.parked or plan.awake or plan.beginning or plan.ended:
            return
        await services.store.journal.write(())  # how items ended rides along with that
        counts = services.store.repair_plans.counts(plan.row.plan_id)
        now = services.clock.now
        if plan.is_first_part:
            if not end_first_part(services, plan, has_rest=counts.get(ItemState.PLANNED, 0) > 0):
                return
        elif counts.get(ItemState.PLANNED, 0) or counts.get(ItemState.BEGUN, 0) > len(plan.under_way):
            plan.is_uncertain = True  # the store failed while something began
        elif services.store.repair_plans.change(
            plan.row.plan_id, (PlanState.RUNNING,), state=PlanState.DONE, ended_at=now, changed_at=now
        ):
            services.held.let_go(plan.row.plan_id)
            _log.info(
                "Repair plan %s is done: %s", plan.row.plan_id, {key.value: count for key, count in counts.items()}
            )
            self._tell(services, plan, now, at_once=True)
            self._forget(services, plan)
            return
        self._reads_plans = True
        self._changed.set()

    def _take_in(self, services: Services, plan: RecoveryPlan) -> None:
        row = services.store.repair_plans.get(plan.row.plan_id)
        if row is not None:
            plan.changed(row)
        self._tell(services, plan, services.clock.now, at_once=True)

    def _tell(self, services: Services, plan: RecoveryPlan, now: datetime, *, at_once: bool = False) -> None:
        told_at = self._told_at.get(plan.row.plan_id)
        if not at_once and (told_at is not None and now - told_at < _TELL_EVERY):
            return
        if not at_once and not (plan.awake or plan.ended):
            return
        self._told_at[plan.row.plan_id] = now
        self._is_telling = True  # else we would hear of it ourselves
        try:
            tell_progress(services, plan.row.plan_id)
        finally:
            self._is_telling = False

    def _look_for_rest(self, services: Services) -> None:
        """What left memory has ended, or waits for long: it takes nobody's place."""
        now = services.clock.now
        if self._look_for_rest_at is not None and now < self._look_for_rest_at:
            return
        self._look_for_rest_at = now + _LOOK_FOR_REST
        for plan in self._plans.values():
            gone = [name for name in plan.awake_names() if not services.dispatch.is_active(name)]
            known = {run.run_name: run.status for run in services.store.repair_subjects.named(gone)} if gone else {}
            for name in gone:
                status = known.get(name, Status.WAITING.value)  # no run of this name: its event is held
                if Status(status).is_terminal:
                    plan.ended.append((name, status))
                else:
                    plan.rests(name)


def _has_room(services: Services, plan: RecoveryPlan, flow_id: str) -> bool:
    """Whether one more run of a flow may begin, those counted that are about to be stored."""
    try:
        most = most_runs(services.flows.latest(flow_id))
    except (NotFound, *CANNOT_BE_READ):
        return True  # it says so when it begins
    return most is None or len(services.dispatch.unfinished_of(flow_id) | plan.beginning_of(flow_id)) < most
