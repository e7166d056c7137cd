"""One flow that catches up: its held runs and events, read in blocks, in order of arrival."""

from collections.abc import Mapping

from flowmend.core.repair import Backlog, Lanes, Waiting
from flowmend.store.held import Place
from flowmend.use_cases.business_keys import BUSINESS_KEY, has_business_key
from flowmend.use_cases.held_events import GoesOn, waits_for_nothing
from flowmend.use_cases.loaded_flows import LoadedFlow
from flowmend.use_cases.ports import Services
from flowmend.use_cases.start_run import NEEDS_REPAIR

#: Read at once; how few are left when more are read; and how many are looked through for one whose key is free.
_BLOCK = 500
_FEW = 100
_MOST = 10_000


class CatchUp:
    """Made when a flow may go on, thrown away when it has caught up or may not.

    goes: which of its events go on; runs held at an action go on whenever their connection works. unsettled: {name: flow id}
    of what was begun, by whomever, and is not known to be stored as begun.
    """

    def __init__(self, loaded: LoadedFlow, lanes: Lanes, goes: GoesOn, unsettled: Mapping[str, str]) -> None:
        self.flow_id = loaded.row.flow_id
        self.version = loaded.version
        self.goes = goes
        self._unsettled = unsettled
        self._lanes = lanes
        self._backlog = Backlog(self.flow_id, lanes)
        self._listed: set[str] = set()
        self._event_place: Place | None = None
        self._has_more_events = goes is not GoesOn.NOTHING
        self._last_run = ""
        self._has_more_runs = True
        self._takes_in = has_business_key(loaded)
        self._taken_in: set[str] = set()

    def take(self, services: Services, loaded: LoadedFlow) -> Waiting | None:
        """The next that may begin, None where none may now."""
        if len(self._backlog) < _FEW:
            self._read_more(services, loaded)
        while True:
            waiting = self._backlog.take()
            if waiting is not None:
                self._listed.discard(waiting.name)
                return waiting
            is_at_end = not (self._has_more_runs or self._has_more_events)
            if is_at_end or len(self._backlog) >= _MOST or not self._lanes.has_room_for(self.flow_id):
                return None
            self._read_more(services, loaded)

    def freed(self, key: str) -> None:
        """What was of this key has ended, or did not begin."""
        self._backlog.freed(key)

    def put_back(self, waiting: Waiting) -> None:
        """There is no room for it yet."""
        self._listed.add(waiting.name)
        self._backlog.put_back(waiting)

    def look_again(self, *, also_at_runs: bool) -> None:
        """Something was held since the end of the line was read. also_at_runs: maybe runs too."""
        self._has_more_events = self.goes is not GoesOn.NOTHING
        if also_at_runs:
            self._has_more_runs, self._last_run = True, ""

    def close(self) -> None:
        """Nothing of this flow waits behind what ran before any more."""
        for name in self._taken_in:
            self._lanes.ended(name)

    def is_over(self, services: Services) -> bool:
        """Whether nothing of this flow is held that was not begun.

        Asked at the end of the line. An event whose row came late, behind others that arrived after it, is found here.
        """
        if len(self._backlog) or self._has_more_runs or self._has_more_events:
            return False
        if self.flow_id in self._unsettled.values():
            return False
        if self.goes is GoesOn.NOTHING:
            return True
        self._event_place = None
        first = services.store.held.events_after(self.flow_id, None, 1, without_code=self._left_out)
        self._has_more_events = bool(first)
        return not first

    @property
    def _left_out(self) -> str:
        return NEEDS_REPAIR if self.goes is GoesOn.TURNS else ""

    def _take_in_what_runs(self, services: Services) -> None:
        """Runs of a key that began before what is held come first, also those that began before a restart."""
        if not self._takes_in:
            return
        self._takes_in = False
        for name, key in services.store.held.keys_under_way(self.flow_id, key_name=BUSINESS_KEY):
            if name not in self._lanes:
                self._taken_in.add(name)
                self._lanes.was_begun(name, self.flow_id, key)
                if not services.dispatch.is_active(name):
                    self._lanes.rests(name)

    def _read_more(self, services: Services, loaded: LoadedFlow) -> None:
        """The next block: runs first, which began before anything was held."""
        if self._has_more_runs:
            held = services.store.held.runs_after(self.flow_id, self._last_run, _BLOCK, key_name=BUSINESS_KEY)
            self._has_more_runs = len(held) == _BLOCK
            waiting = [run for run in held if waits_for_nothing(services, loaded, run.connection_id)]
            if waiting:
                self._take_in_what_runs(services)
            for run in waiting:
                if self._is_new(run.run_name):
                    if self._lanes.ended(run.run_name):  # it waits: it goes on when its turn comes, and is ours then
                        self._backlog.freed(run.business_key)
                    self._taken_in.discard(run.run_name)
                    self._backlog.add(run.run_name, run.business_key, run.connection_id)
            self._last_run = held[-1].run_name if held else self._last_run
        elif self._has_more_events:
            events = services.store.held.events_after(
                self.flow_id, self._event_place, _BLOCK, without_code=self._left_out
            )
            self._has_more_events = len(events) == _BLOCK
            if events:
                self._take_in_what_runs(services)
            for event in events:
                if self._is_new(event.event_name):
                    # What only waits for its turn comes from a flow that works: its order is that of arrival alone.
                    key = event.business_key if event.code == NEEDS_REPAIR else ""
                    self._backlog.add(event.event_name, key)
            if events:
                self._event_place = Place(events[-1].started_at, events[-1].event_name)

    def _is_new(self, name: str) -> bool:
        if name in self._listed or name in self._unsettled:
            return False
        self._listed.add(name)
        return True
