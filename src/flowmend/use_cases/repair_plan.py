"""What the use cases of repair plans share: a plan's settings, its groups' names, and why an item cannot be done."""

import hashlib
from collections.abc import Mapping

import msgspec

from flowmend.core.errors import AskedWrongly, Conflict, NotFound
from flowmend.core.json_value import Json
from flowmend.core.repair.first_ones import Canary
from flowmend.core.repair.pace import MOST_CALLS
from flowmend.store.repair_rows import GroupRow, ItemState, PlanKind, PlanState, RepairItemRow, RepairPlanRow
from flowmend.use_cases.ports import Services

#: Runs under way: as their calls take turns, more would only wait, and fail together where a credential breaks anew.
USUALLY_AT_ONCE = 16
_MOST_AT_ONCE = 64
_MOST_A_MINUTE = 60_000

#: A plan in these states has not begun anything that still has to be waited for, and can be changed.
CHANGEABLE = (PlanState.DRAFT, PlanState.STOPPED)
GOING_ON = (PlanState.CANARY, PlanState.RUNNING)
OVER = (PlanState.DONE, PlanState.DISMISSED)
#: Items that nothing more happens to in this plan.
ENDED = (ItemState.SUCCEEDED, ItemState.FAILED, ItemState.REFUSED)

#: {code: why nothing can be done with an item, or why it is resubmitted and not resumed}, in English.
REASONS: Mapping[str, str] = {
    "FlowOff": "The flow is turned off. Turn it on, then make the plan anew.",
    "FlowGone": "The flow was deleted.",
    "FlowUnreadable": "The flow's definition does not read.",
    "ConnectionNeedsRepair": "The flow needs another connection that is broken too.",
    "InAnotherPlan": "Another repair plan is putting it right.",
    "AlreadyTriedAgain": "It was resubmitted already.",
    "ResubmissionHeld": "Its resubmission is held already and goes on by itself.",
    "WorkflowRunInProgress": "The run has not finished.",
    "WorkflowRunFinished": "The run has finished already.",
    "WorkflowRunSucceeded": "The run succeeded, so there is nothing to resume.",
    "WorkflowRunNotFound": "The run was deleted.",
    "ChildRun": "Another run called this one, and calls it again once it is put right itself.",
    "NothingToResume": "Nothing says where the run failed.",
    "EndedByTerminate": "The flow itself ended the run.",
    "DefinitionDiffers": "What had finished is another action in the definition asked for, or gone.",
    "JournalMissing": "The history of the run is no longer kept.",
    "JournalUnreadable": "The history of the run cannot be read.",
}
#: Reasons not to resume that let a person resubmit from the start, on purpose.
CAN_BE_RESUBMITTED = frozenset(
    {
        "AlreadyTriedAgain",
        "WorkflowRunSucceeded",
        "ChildRun",
        "NothingToResume",
        "EndedByTerminate",
        "DefinitionDiffers",
        "JournalMissing",
        "JournalUnreadable",
    }
)


class PlanSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a plan runs.

    canary: who goes first, alone. ask_before_rest: pause once the first ones have gone well. per_minute: runs that begin in a
    minute at most, None for as many as go. at_once: runs under way at most, 1 to 64. calls_at_once: of their calls, 1 to 64: a
    second break costs so many refusals.
    """

    canary: Canary = Canary.ONE
    ask_before_rest: bool = False
    per_minute: int | None = None
    at_once: int = USUALLY_AT_ONCE
    calls_at_once: int = MOST_CALLS


def read_plan_settings(value: Json) -> PlanSettings:
    """What a plan's row, or a request, says. Errors: AskedWrongly `InvalidPlanSettings`."""
    try:
        settings = msgspec.convert(value if value is not None else {}, PlanSettings)
    except msgspec.ValidationError as error:
        raise AskedWrongly(
            f"The settings of the repair plan do not read: {error}.", code="InvalidPlanSettings"
        ) from error
    if settings.per_minute is not None and not 1 <= settings.per_minute <= _MOST_A_MINUTE:
        raise AskedWrongly(
            f"A repair plan begins 1 to {_MOST_A_MINUTE} runs a minute, not {settings.per_minute}.",
            code="InvalidPlanSettings",
            target="per_minute",
        )
    for name, most in (("at_once", settings.at_once), ("calls_at_once", settings.calls_at_once)):
        if not 1 <= most <= _MOST_AT_ONCE:
            raise AskedWrongly(
                f"A repair plan has 1 to {_MOST_AT_ONCE} under way at once, not {most}.",
                code="InvalidPlanSettings",
                target=name,
            )
    return settings


def plan_row(services: Services, plan_id: str) -> RepairPlanRow:
    """Errors: NotFound `RepairPlanNotFound`."""
    row = services.store.repair_plans.get(plan_id)
    if row is None:
        raise NotFound(f"There is no repair plan {plan_id}.", code="RepairPlanNotFound", target=plan_id)
    return row


def under_way(plan_id: str) -> Conflict:
    """Somebody was quicker."""
    return Conflict(
        "Somebody started, changed or ended the repair plan meanwhile. Look at it again.",
        code="PlanUnderWay",
        target=plan_id,
    )


def plan_changed(plan_id: str) -> Conflict:
    """Whoever acts on a plan saw another one."""
    return Conflict(
        "The repair plan has changed since it was shown. Look at it again.", code="PlanChanged", target=plan_id
    )


def group_id_of(one: GroupRow | RepairItemRow) -> str:
    """The name by which a group is chosen; the same as long as its items are done alike."""
    parts = (one.flow_id, one.kind, one.mode, one.from_action, one.flow_version, one.reason)
    text = "\x1f".join(str(value) for value in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def keep_back_again(services: Services) -> None:
    """At the start: what plans under way keep back, before anything that is held goes on. Errors: StoreUnavailable."""
    for row in services.store.repair_plans.under_way():
        if row.kind is PlanKind.INCIDENT:
            flow_ids = services.store.repair_plans.flows_of(row.plan_id)
            services.held.keep_back(flow_ids, row.plan_id, row.keeps_back_until)


def tell_progress(services: Services, plan_id: str) -> None:
    """Tell open pages where a plan stands."""
    row = services.store.repair_plans.get(plan_id)
    if row is None:
        return
    counts = services.store.repair_plans.counts(plan_id)
    done = sum(counts.get(state, 0) for state in ENDED)
    total = sum(counts.values()) - counts.get(ItemState.LEFT_OUT, 0)
    services.changes.publish("repair", plan_id=plan_id, state=row.state.value, done=done, total=total)
