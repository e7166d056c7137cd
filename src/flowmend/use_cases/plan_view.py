"""What is shown of repair plans, as values: `read_plan` makes them, the portal, the API and the command line show them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from flowmend.store.repair_rows import ItemKind, ItemMode, ItemState, PlanState, RepairPlanRow
from flowmend.use_cases.incidents import IncidentSummary
from flowmend.use_cases.repair_plan import PlanSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """An effect that would happen twice. count: how often over the whole group. key_is_honoured: the service knows the call
    by its key and does nothing the second time. is_certain: False where nobody knows whether it happened the first time.
    starts_flow: what it does is to start another flow.
    """

    action: str
    operation: str
    count: int
    key_is_honoured: bool
    is_certain: bool = True
    starts_flow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanGroup:
    """Items of a flow that are done alike.

    group_id: by which it is left out, taken in or done another way. version: of the definition they run with;
    version_is_latest says whether it is the newest. reason: a code, "" where nothing is to be said; reason_words: in English.
    modes: what a person may choose instead of `mode`. is_left_out: by a person. The numbers count items: count is their sum.
    """

    group_id: str
    flow_id: str
    flow_name: str
    kind: ItemKind
    mode: ItemMode
    from_action: str
    version: str
    version_is_latest: bool
    reason: str
    reason_words: str
    modes: tuple[ItemMode, ...]
    repeats: tuple[Repeat, ...]
    count: int
    planned: int
    left_out: int
    begun: int
    succeeded: int
    failed: int
    refused: int

    @property
    def can_be_done(self) -> bool:
        return self.mode is not ItemMode.NONE

    @property
    def is_left_out(self) -> bool:
        return self.can_be_done and self.left_out == self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownItem:
    """One run or held event. headline: what people call it, "" where nobody knows. took: None before it began; so far, while it runs."""

    position: int
    subject: str
    kind: ItemKind
    flow_id: str
    flow_name: str
    headline: str
    mode: ItemMode
    state: ItemState
    is_first: bool
    new_run: str
    begun_at: datetime | None
    ended_at: datetime | None
    took: timedelta | None
    error_code: str
    from_action: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowProgress:
    """How far a flow is, left-out items not counted."""

    flow_id: str
    flow_name: str
    done: int
    total: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """A plan with everything its page shows.

    incident: what it repairs, None of a selection. can_start: it is a draft or was stopped, and what it needs works;
    cannot_start_reason: a sentence in English else, "" where it is under way or over.
    failed_runs, held_events: all it is about; cannot: those of them that nothing can be done with.
    total: those that are done or to be done; done: ended, well or not; running, waiting: begun and not ended, waiting being those
    that wait for long (a person, a time, a repair). to_go: planned and not begun. left_out: by a person.
    first: the ones that go first, chosen when it starts; before that who would be. recent: what began last, the latest first.
    left: about how long it takes yet, None where nobody can tell. stop_words: why it stopped, in English.
    """

    row: RepairPlanRow
    settings: PlanSettings
    incident: IncidentSummary | None
    created_by: str
    started_by: str
    can_start: bool
    cannot_start_reason: str
    groups: tuple[PlanGroup, ...]
    failed_runs: int
    held_events: int
    cannot: int
    total: int
    done: int
    succeeded: int
    failed: int
    refused: int
    running: int
    waiting: int
    to_go: int
    left_out: int
    first: tuple[ShownItem, ...]
    recent: tuple[ShownItem, ...]
    by_flow: tuple[FlowProgress, ...]
    left: timedelta | None
    stop_words: str
    now: datetime

    @property
    def is_draft(self) -> bool:
        return self.row.state is PlanState.DRAFT

    @property
    def repeats(self) -> tuple[Repeat, ...]:
        """What would happen twice over all groups that are not left out."""
        return added_up(one for group in self.groups if not group.is_left_out for one in group.repeats)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSummary:
    """A plan in a list. name: of what it repairs, "" of a selection."""

    row: RepairPlanRow
    name: str
    created_by: str
    done: int
    total: int
    failed: int

    @property
    def goes_on(self) -> bool:
        return self.row.state in (PlanState.CANARY, PlanState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanList:
    """A page of plans, the newest first. next_cursor: "" on the last page."""

    plans: tuple[PlanSummary, ...]
    next_cursor: str


def added_up(repeats: Iterable[Repeat]) -> tuple[Repeat, ...]:
    """The same effects counted together."""
    counts: dict[Repeat, int] = {}
    for one in repeats:
        alike = replace(one, count=0)
        counts[alike] = counts.get(alike, 0) + one.count
    return tuple(replace(alike, count=count) for alike, count in counts.items())
