"""What the journal keeps of a run: entries that, folded in order, give the run's state back.

The garbage collector does not look at action records: a long run has hundreds of thousands, none of which can be part of
a cycle, and looking at all of them holds up everything else for a tenth of a second at a time.
"""

from datetime import datetime

import msgspec

from flowmend.core.json_value import Json
from flowmend.core.outcome import Attempt, Diagnosis, ErrorDetail, Status

#: (action name, one index per enclosing loop, outermost first)
ActionKey = tuple[str, tuple[int, ...]]


class ActionRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="action", gc=False):
    """One state of one action, or of one pass of it inside a loop; a later record of a key replaces the earlier.

    repetition: one index per enclosing loop, outermost first. attempts: finished tries. inputs, outputs:
    None is "none". details: what the fold needs and people do not read: a loop's items, the branch taken,
    a loop's count, a computed retry policy. details["secure"] lists `inputs` and `outputs` where they are not
    to be shown: the values stand in the record, and the store seals these fields (the items of a secret Foreach
    are its inputs for that reason). An append's outputs hold the appended value only. key: the deterministic
    client request id of the call (`Idempotency-Key`). wake_at: when a Waiting record, or a Running one between
    two tries, goes on by itself. tracking_id: "" is derived (`views.tracking_id`). from_run: the run whose
    finished action this one took over (resume).
    """

    name: str
    repetition: tuple[int, ...] = ()
    status: Status
    code: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    inputs: Json = None
    outputs: Json = None
    error: ErrorDetail | None = None
    attempts: tuple[Attempt, ...] = ()
    tracking_id: str = ""
    tracked_properties: Json = None
    diagnosis: Diagnosis | None = None
    connection_id: str = ""
    key: str = ""
    wake_at: datetime | None = None
    details: Json = None
    from_run: str = ""


class ResponseRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="response"):
    """The answer given to the synchronous caller."""

    action: str
    status_code: int
    headers: dict[str, str]
    body: Json
    at: datetime


class CancelRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="cancel"):
    """Somebody asked for the run to be cancelled."""

    at: datetime
    by: str = ""


class OverdueRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="overdue"):
    """The time the run may take is over (`RunStart.ends_by`): nothing in it is started any more."""

    at: datetime


class EndRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="end"):
    """The run is finished. outputs: `{name: {type, value}}` of the definition's outputs."""

    status: Status
    code: str = ""
    error: ErrorDetail | None = None
    outputs: Json = None
    at: datetime


Entry = ActionRecord | ResponseRecord | CancelRecord | OverdueRecord | EndRecord


class ParentAction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The action, and pass of it, that waits for a child run's answer."""

    run_name: str
    action: str
    repetition: tuple[int, ...] = ()

    @property
    def key(self) -> ActionKey:
        return self.action, self.repetition


class KeptKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """The key of a call whose fate an earlier run never learned: whoever honours it will know the repeat."""

    action: str
    repetition: tuple[int, ...]
    key: str


class RunStart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run starts with; stored beside the journal, never changed.

    trigger: the `trigger()` view `{name, inputs?, outputs?, startTime, endTime, scheduledTime?, …}`.
    workflow: the `workflow()` view. parameters: values by name, defaults applied. origin_run: the run
    this one resubmits. is_synchronous: a caller waits for a Response action. is_patient: it does so however long
    that takes and also over restarts, because it asks again or is a run itself. parent: the action that started this
    run as its child, None for all others. depth: how many runs stand above it. ends_by: when the run is ended where it
    has not ended by itself, None for never. attempt: 1 for the first run of its trigger event. resumed_from: the run whose
    finished actions this one took over, which are the first `taken_over` entries of its journal; kept_keys: for the
    calls it makes again.
    """

    run_name: str
    flow_id: str
    version: str
    trigger: dict[str, Json]
    workflow: dict[str, Json]
    parameters: dict[str, Json]
    client_tracking_id: str
    started_at: datetime
    origin_run: str = ""
    is_synchronous: bool = False
    is_patient: bool = False
    parent: ParentAction | None = None
    depth: int = 0
    ends_by: datetime | None = None
    attempt: int = 1
    resumed_from: str = ""
    taken_over: int = 0
    kept_keys: tuple[KeptKey, ...] = ()
