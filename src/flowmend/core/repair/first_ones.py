"""Which runs of a recovery go first, alone, to show that the repair holds."""

from collections.abc import Iterable
from enum import StrEnum

import msgspec


class Canary(StrEnum):
    """Who goes first."""

    ONE = "one_first"
    ONE_PER_FLOW = "one_per_flow"
    NONE = "none"


class Lined(msgspec.Struct, frozen=True, kw_only=True):
    """Something in line. key: its business key, "" for none."""

    position: int
    flow_id: str
    key: str
    is_run: bool


def first_ones(line: Iterable[Lined], canary: Canary) -> tuple[int, ...]:
    """The positions of those that go first, in order. line: in order of arrival.

    A run that failed shows more than an event that never began, so the first such goes where nothing of its own key comes
    before it; else the very first goes.
    """
    if canary is Canary.NONE:
        return ()
    heads: dict[str, int] = {}
    runs: dict[str, int] = {}
    seen: set[tuple[str, str]] = set()
    for one in line:
        place = one.flow_id if canary is Canary.ONE_PER_FLOW else ""
        heads.setdefault(place, one.position)
        is_next_of_its_key = not one.key or (one.flow_id, one.key) not in seen
        seen.add((one.flow_id, one.key))
        if one.is_run and is_next_of_its_key:
            runs.setdefault(place, one.position)
            if canary is Canary.ONE:
                break
    return tuple(sorted(runs.get(place, head) for place, head in heads.items()))
