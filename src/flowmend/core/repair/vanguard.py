"""Who goes first, alone, when what a flow holds begins to go on: where the credential is wrong again, one fails and not all."""

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from flowmend.core.repair.stopping import MOST_IN_A_ROW

#: What takes longer than this keeps the others waiting no more.
LONGEST_ALONE = timedelta(seconds=10)


class FirstEnd(StrEnum):
    """How one that went first ended."""

    GOOD = "good"
    REFUSED = "refused"  # for its credential
    OTHERWISE = "otherwise"  # failed for another reason: of the credential it says little
    UNKNOWN = "unknown"  # it did not begin, or a person ended it


class _Ahead(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    begun_at: datetime


class _GoingOn(msgspec.Struct, frozen=True, kw_only=True):
    sources: tuple[str, ...]
    since: datetime


class Vanguard:
    """A source is what one event shows to work for all that use it: a connection, or a flow that surely needs none."""

    def __init__(self) -> None:
        self._in_doubt: dict[str, _GoingOn | None] = {}
        self._ahead: dict[str, _Ahead] = {}
        self._proven_at: dict[str, datetime] = {}
        self._failures: dict[str, int] = {}

    def was_held(self, flow_id: str) -> None:
        """Something keeps back what the flow holds; whatever goes first after it goes alone."""
        self._in_doubt[flow_id] = None

    def goes_on(self, flow_id: str, sources: tuple[str, ...], now: datetime) -> None:
        """What the flow holds goes on from now, if nothing keeps it back any more. sources: () where there is none to doubt."""
        if flow_id not in self._in_doubt:
            return
        if not sources:
            del self._in_doubt[flow_id]
        elif self._in_doubt[flow_id] is None:
            self._in_doubt[flow_id] = _GoingOn(sources=sources, since=now)

    def may_begin(self, flow_id: str, now: datetime) -> bool:
        """Whether one more of this flow may begin: all it needs has shown that it works, or nobody is ahead to show it."""
        going_on = self._in_doubt.get(flow_id)
        if going_on is None:
            return True
        for source in going_on.sources:
            ahead = self._ahead.get(source)
            if ahead is not None and now - ahead.begun_at >= LONGEST_ALONE:
                self.proved(source, now)
        doubted = self._doubted(going_on)
        if not doubted:
            del self._in_doubt[flow_id]
        return not any(source in self._ahead for source in doubted)

    def begun(self, name: str, flow_id: str, now: datetime) -> None:
        """It begins: it is ahead of all that need what has not shown yet that it works."""
        going_on = self._in_doubt.get(flow_id)
        if going_on is not None:
            for source in self._doubted(going_on):
                self._ahead.setdefault(source, _Ahead(name=name, begun_at=now))

    def is_ahead(self, name: str) -> bool:
        """Whether others wait for how it ends."""
        return any(one.name == name for one in self._ahead.values())

    def waited_for(self) -> dict[str, datetime]:
        """{source: since when one is ahead}: whether it shows elsewhere that it works may be asked."""
        return {source: ahead.begun_at for source, ahead in self._ahead.items()}

    def proved(self, source: str, at: datetime) -> None:
        """It works, or to wait longer would say no more."""
        self._proven_at[source] = at
        self._ahead.pop(source, None)
        self._failures.pop(source, None)

    def rests(self, name: str, now: datetime) -> None:
        """It waits for long: the others wait no more."""
        self.ended(name, FirstEnd.GOOD, now)

    def ended(self, name: str, end: FirstEnd, now: datetime) -> None:
        """One ended. After a bad end another one goes alone, until some in a row have failed for another reason."""
        for source in [source for source, ahead in self._ahead.items() if ahead.name == name]:
            failures = self._failures.get(source, 0) + (end is FirstEnd.OTHERWISE)
            if end is FirstEnd.GOOD or failures >= MOST_IN_A_ROW:
                self.proved(source, now)
            else:
                self._failures[source] = failures
                del self._ahead[source]

    def _doubted(self, going_on: _GoingOn) -> list[str]:
        return [one for one in going_on.sources if not self._is_proven(one, going_on.since)]

    def _is_proven(self, source: str, since: datetime) -> bool:
        at = self._proven_at.get(source)
        return at is not None and at >= since
