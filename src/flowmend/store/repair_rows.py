"""Rows of repair plans, as values. Frozen; times aware, UTC."""

from datetime import datetime
from enum import StrEnum

from flowmend.core.json_value import Json
from flowmend.store.rows import Row


class PlanState(StrEnum):
    """Where a repair plan stands."""

    DRAFT = "draft"  # shown, nothing has begun
    CANARY = "canary"  # the first ones run, the rest waits for how they end
    RUNNING = "running"
    PAUSED = "paused"  # by a person
    STOPPED = "stopped"  # by a person, or by itself: `stop_code` says why; it can be started again
    DONE = "done"
    DISMISSED = "dismissed"  # never started, or given up: what it had not begun is free


class PlanKind(StrEnum):
    """What a plan is about."""

    INCIDENT = "incident"  # the runs that failed and the events that were held for an incident's connections
    SELECTION = "selection"  # runs that a person chose


class ItemKind(StrEnum):
    """What an item of a plan is."""

    RUN = "run"
    EVENT = "event"


class ItemMode(StrEnum):
    """What a plan does with an item."""

    RESUME = "resume"  # goes on at the failed action, finished ones are not repeated
    RESUBMIT = "resubmit"  # a new run from the start
    START = "start"  # a held event begins
    CANCEL = "cancel"  # an unfinished run ends
    NONE = "none"  # nothing can be done, `reason` says why


class ItemState(StrEnum):
    """Where an item stands."""

    PLANNED = "planned"
    LEFT_OUT = "left_out"  # by a person, or because nothing can be done
    BEGUN = "begun"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"  # could not begin; `error_code` says why


class RepairPlanRow(Row, frozen=True, kw_only=True):
    """A repair plan.

    incident_id: "" of a selection. version: raised whenever its items are made anew; whoever starts it names the version they
    saw. world: what its items were made from, so that a change since shows. settings: of how it runs, by name.
    keeps_back_until: held events of its flows wait for it until then; None for as long as it is not done. canary_ended_at: when the
    first ones had gone well, or somebody was asked to decide without them. stop_code, stop_message: why it stopped, "" where a person stopped it.
    """

    plan_id: str
    kind: PlanKind
    incident_id: str = ""
    state: PlanState = PlanState.DRAFT
    version: int = 1
    world: str = ""
    settings: Json = None
    created_by: str
    created_at: datetime
    changed_at: datetime
    keeps_back_until: datetime | None = None
    started_by: str = ""
    started_at: datetime | None = None
    canary_ended_at: datetime | None = None
    ended_at: datetime | None = None
    stop_code: str = ""
    stop_message: str = ""


class RepairItemRow(Row, frozen=True, kw_only=True):
    """One run or held event of a plan.

    position: in order of arrival, from 0. subject: the run's or event's name, once in a plan. flow_version: of the definition it
    would run with. from_action: where a resumed run goes on, with from_repetition as text ("" outside loops, "2,0" within).
    repeats: effects that would happen twice, `[{"action", "operation", "count", "key_is_honoured"}]`. reason: why it can only be done this
    way, or not at all: a code. new_run: what it became, known before it begins, so that it begins once.
    """

    plan_id: str
    position: int
    subject: str
    kind: ItemKind
    flow_id: str
    business_key: str = ""
    arrived_at: datetime
    mode: ItemMode
    flow_version: str = ""
    from_action: str = ""
    from_repetition: str = ""
    repeats: Json = None
    reason: str = ""
    state: ItemState = ItemState.PLANNED
    is_canary: bool = False
    new_run: str = ""
    begun_at: datetime | None = None
    ended_at: datetime | None = None
    error_code: str = ""


class LaneItem(Row, frozen=True, kw_only=True):
    """An item as it stands in line: what its turn and its beginning need."""

    position: int
    subject: str
    kind: ItemKind
    mode: ItemMode
    flow_version: str
    is_canary: bool
    flow_id: str
    business_key: str


class GroupRow(Row, frozen=True, kw_only=True):
    """Items that are alike in everything shown. first: the position of the first of them."""

    flow_id: str
    kind: ItemKind
    mode: ItemMode
    from_action: str
    flow_version: str
    reason: str
    state: ItemState
    repeats: Json
    count: int
    first: int


class BegunItem(Row, frozen=True, kw_only=True):
    """An item whose run is under way as far as its plan knows. status, code, error_code, ended_at, wake_at: of the run itself.

    status: "" where there is no such run: a resubmission that is held, or a run that was deleted. wake_at: when it goes on by
    itself, None where it does not rest until a time.
    """

    position: int
    kind: ItemKind
    mode: ItemMode
    new_run: str
    flow_id: str
    business_key: str
    is_canary: bool
    status: str
    code: str
    error_code: str
    ended_at: datetime | None
    wake_at: datetime | None


class EndedItem(Row, frozen=True, kw_only=True):
    """How an item ended. error_code: of its run's failure, or why it could not begin."""

    position: int
    state: ItemState
    ended_at: datetime
    error_code: str = ""
