"""Who may begin: of what waits for a repair, everything about one thing goes one after another, the rest side by side.

A lane is a flow's events and runs of one business key. What has no key is in no lane: it begins in order of arrival and
waits for nobody, as it would have when it arrived.
"""

from collections import Counter
from typing import TypeVar

_Lane = tuple[str, str]
_Counted = TypeVar("_Counted", str, _Lane)

#: A flow takes no more than so many times the places that are left, so that one whose service hangs never takes all of them.
_TO_WHAT_IS_LEFT = 2


class Lanes:
    """What was begun and has not ended. Whoever begins things asks in order of arrival, lane by lane.

    most_at_once: how many may be under way and not at rest; one flow alone takes two thirds of them.
    """

    def __init__(self, *, most_at_once: int) -> None:
        self._most_at_once = most_at_once
        self._lanes: dict[str, _Lane] = {}
        self._resting: set[str] = set()
        self._places: dict[str, str] = {}
        self._places_of_flow: Counter[str] = Counter()
        self._busy: dict[_Lane, dict[str, None]] = {}
        self._awake: Counter[_Lane] = Counter()
        self._awake_of_flow: Counter[str] = Counter()

    def __contains__(self, name: str) -> bool:
        return name in self._lanes

    @property
    def is_empty(self) -> bool:
        return not self._lanes

    @property
    def has_room(self) -> bool:
        """Whether one more may be under way, of some flow."""
        return len(self._places) < self._most_at_once

    def has_room_for(self, flow_id: str) -> bool:
        """Whether one more of this flow may be under way, whatever its key."""
        return self._places_of_flow[flow_id] < _TO_WHAT_IS_LEFT * (self._most_at_once - len(self._places))

    def lane_of(self, name: str) -> _Lane | None:
        """(flow id, key) of what was begun, None where it was not."""
        return self._lanes.get(name)

    def first_in(self, flow_id: str, key: str) -> str:
        """The name of what is under way in this lane, the first where there are several; "" where it is free."""
        return next(iter(self._busy.get((flow_id, key), ())), "")

    def awake(self) -> list[tuple[str, str, str]]:
        """(name, flow id, key) of what is under way and not at rest."""
        return [(name, *lane) for name, lane in self._lanes.items() if name not in self._resting]

    def is_free(self, flow_id: str, key: str) -> bool:
        """Whether nothing of this lane is under way; always so without a key."""
        return not key or (flow_id, key) not in self._busy

    def has_awake_keys(self, flow_id: str) -> bool:
        """Whether a lane of this flow is in use just now: else nobody needs to know an event's key."""
        return flow_id in self._awake_of_flow

    def is_awake(self, flow_id: str, key: str) -> bool:
        """Whether something of this lane is under way and not at rest."""
        return bool(key) and (flow_id, key) in self._awake

    def may_begin(self, flow_id: str, key: str) -> bool:
        """Whether one more may begin now. key: "" for none."""
        return self.has_room_for(flow_id) and self.is_free(flow_id, key)

    def begun(self, name: str, flow_id: str, key: str) -> None:
        """Something was begun and takes a place. name: of its run; told twice, it counts once."""
        if name not in self._lanes:
            self._places[name] = flow_id
            self._places_of_flow[flow_id] += 1
            self.was_begun(name, flow_id, key)

    def was_begun(self, name: str, flow_id: str, key: str) -> None:
        """Something is under way that others began: its lane is closed, and it takes no place."""
        if name in self._lanes:
            return
        self._lanes[name] = (flow_id, key)
        if key:
            self._busy.setdefault((flow_id, key), {})[name] = None
            self._awake[flow_id, key] += 1
            self._awake_of_flow[flow_id] += 1

    def rests(self, name: str) -> bool:
        """It waits for long, for a time or a person: it takes nobody's place, but its lane stays closed. Whether it is ours."""
        if name not in self._lanes:
            return False
        if name not in self._resting:
            self._resting.add(name)
            self._falls_asleep(name, self._lanes[name])
        return True

    def ended(self, name: str) -> bool:
        """It ended, however. Whether it was ours."""
        lane = self._lanes.pop(name, None)
        if lane is None:
            return False
        if name in self._resting:
            self._resting.discard(name)
        else:
            self._falls_asleep(name, lane)
        if lane[1]:
            del self._busy[lane][name]
            if not self._busy[lane]:
                del self._busy[lane]
        return True

    def _falls_asleep(self, name: str, lane: _Lane) -> None:
        if self._places.pop(name, None) is not None:
            _count_down(self._places_of_flow, lane[0])
        if lane[1]:
            _count_down(self._awake, lane)
            _count_down(self._awake_of_flow, lane[0])


def _count_down(counts: Counter[_Counted], one: _Counted) -> None:
    counts[one] -= 1
    if not counts[one]:
        del counts[one]
