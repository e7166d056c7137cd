"""One repair plan while it is carried out: what is in line, what is under way, and how it went so far."""

import asyncio
from collections import deque
from datetime import datetime, timedelta

from flowmend.core.repair.lanes import Lanes
from flowmend.core.repair.line import Line
from flowmend.core.repair.pace import next_at, runs_at_once
from flowmend.core.repair.stopping import Ending, StopCode, after
from flowmend.store.repair_rows import LaneItem, PlanState, RepairPlanRow
from flowmend.use_cases.repair_plan import GOING_ON, PlanSettings, read_plan_settings

#: More than any plan has at once: how many runs are under way is bounded by the plan's own ramp.
_NO_BOUND = 1 << 30


class RecoveryPlan:
    """Owned by the recovery and touched on its thread only.

    versions: {run: the definition it had}. under_way: {new run: its item}, those at rest too. resting: those that wait for long.
    went_well: since the plan was started. beginning: {new run: the task that begins it}. ended: (new run, status) still to be noted.
    is_uncertain: the rows say what is under way and in line, and have to be read before anything begins: at first, when it
    was started or goes on, and where the store failed while something began.
    """

    def __init__(self, row: RepairPlanRow) -> None:
        self.row = row
        self.settings: PlanSettings = read_plan_settings(row.settings)
        self.versions: dict[str, str] = {}
        self.under_way: dict[str, LaneItem] = {}
        self.resting: set[str] = set()
        self.lanes = Lanes(most_at_once=_NO_BOUND)
        self.line: Line[LaneItem] = Line(self.lanes.is_free)
        self.parked: dict[str, deque[LaneItem]] = {}
        self.beginning: dict[str, asyncio.Task[None]] = {}
        self.ended: list[tuple[str, str]] = []
        self.flow_ids: set[str] = set()
        self.is_uncertain = True
        self.went_well = 0
        self._rests_since: datetime | None = None
        self._in_a_row = 0
        self._due_at: datetime | None = None

    @property
    def goes_on(self) -> bool:
        return self.row.state in GOING_ON

    @property
    def is_first_part(self) -> bool:
        return self.row.state is PlanState.CANARY

    @property
    def is_undecided(self) -> bool:
        """Whether it waits for first ones that rest for long, and for nobody else."""
        return self.row.state is PlanState.PAUSED and self.row.stop_code == StopCode.UNDECIDED

    @property
    def awake(self) -> int:
        """How many runs are under way and not at rest."""
        return len(self.under_way) - len(self.resting)

    @property
    def has_room(self) -> bool:
        return self.awake < runs_at_once(self.went_well, self.settings.at_once)

    def changed(self, row: RepairPlanRow) -> bool:
        """Take a new row in; whether the line is to be made anew, because the plan was started or goes on."""
        before, self.row = self.row, row
        if not self.goes_on:
            return False
        is_anew = before.state not in GOING_ON or before.started_at != row.started_at or before.state is not row.state
        if before.state not in GOING_ON or before.started_at != row.started_at:
            self.settings = read_plan_settings(row.settings)
            self.went_well, self._in_a_row, self._due_at, self._rests_since = 0, 0, None, None
        return is_anew

    def line_up(self, items: list[LaneItem]) -> None:
        """What is planned, in order of arrival, without what is under way already."""
        taken = {item.position for item in self.under_way.values()}
        self.line, self.parked = Line(self.lanes.is_free), {}
        self.flow_ids |= {item.flow_id for item in items}
        for item in items:
            if item.position not in taken and (item.is_canary or not self.is_first_part):
                self.line.add(item.position, item.flow_id, item.business_key, item)

    def take(self, now: datetime) -> LaneItem | None:
        """The next that may begin now, None where none may. Whoever takes it begins or parks it."""
        if self.is_uncertain or not (self.goes_on and self.line.has_offer and self.has_room):
            return None
        if self.due_in(now) > timedelta(0):
            return None
        return self.line.take()

    def due_in(self, now: datetime) -> timedelta:
        """How long the rate holds the next one up."""
        return max(timedelta(0), next_at(self._due_at, now, self.settings.per_minute) - now)

    def has_begun_one(self, now: datetime) -> None:
        """Count it towards the rate."""
        self._due_at = next_at(self._due_at, now, self.settings.per_minute)

    def begins(self, new_run: str, item: LaneItem) -> None:
        self.under_way[new_run] = item
        self.lanes.begun(new_run, item.flow_id, item.business_key)

    def rests(self, new_run: str) -> None:
        if new_run in self.under_way:
            self.resting.add(new_run)
        self.lanes.rests(new_run)

    def rests_for(self, now: datetime) -> timedelta:
        """How long nothing of it has been awake, asked while nothing is."""
        if self._rests_since is None:
            self._rests_since = now
        return now - self._rests_since

    def is_over(self, new_run: str) -> LaneItem | None:
        """It ended, or did not begin: its lane is free. Its item, None where it is none of this plan."""
        lane = self.lanes.lane_of(new_run)
        self.lanes.ended(new_run)
        self.resting.discard(new_run)
        if lane is not None:
            self.line.freed(*lane)
        return self.under_way.pop(new_run, None)

    def judge(self, ending: Ending) -> StopCode | None:
        """Count how a run ended; why to stop, or None."""
        self.went_well += ending.is_good
        self._in_a_row, stop = after(self._in_a_row, ending)
        return stop

    def park(self, item: LaneItem) -> None:
        """Its flow runs only so many at once: it waits for one of them to end, in order."""
        waiting = self.parked.setdefault(item.flow_id, deque())
        if waiting and item.position < waiting[0].position:
            waiting.appendleft(item)
        else:
            waiting.append(item)

    def is_behind(self, item: LaneItem) -> bool:
        """Whether an earlier one of its flow is parked."""
        return item.flow_id in self.parked and self.parked[item.flow_id][0].position < item.position

    def unpark(self, flow_id: str) -> None:
        """The first parked one of a flow stands where it stood."""
        waiting = self.parked.get(flow_id)
        if waiting is None:
            return
        item = waiting.popleft()
        if not waiting:
            del self.parked[flow_id]
        self.line.put_back(item.position, item.flow_id, item.business_key, item)

    def beginning_of(self, flow_id: str) -> set[str]:
        """The new runs of a flow that are about to be stored."""
        return {name for name in self.beginning if name in self.under_way and self.under_way[name].flow_id == flow_id}

    def awake_names(self) -> list[str]:
        """Those under way, and those of the same keys that were before, that are stored and not known to wait for long."""
        return [name for name, _, _ in self.lanes.awake() if name not in self.beginning]
