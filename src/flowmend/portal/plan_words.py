"""Repair plans in words: why an item is done one way or not at all, why a plan stopped, and what it is doing."""

from collections.abc import Mapping

from flowmend.core.repair.stopping import StopCode
from flowmend.portal.language import marked
from flowmend.portal.words import FAILED, SUCCEEDED, Look
from flowmend.store.repair_rows import ItemMode, ItemState, PlanState

_REASONS: Mapping[str, str] = {
    "FlowOff": marked("The flow is turned off. Turn it on, then make the plan anew."),
    "FlowGone": marked("The flow was deleted."),
    "FlowUnreadable": marked("The flow's definition does not read."),
    "ConnectionNeedsRepair": marked("The flow needs another connection that is broken too."),
    "InAnotherPlan": marked("Another repair plan is putting it right."),
    "AlreadyTriedAgain": marked("It was resubmitted already."),
    "ResubmissionHeld": marked("Its resubmission is held already and goes on by itself."),
    "WorkflowRunInProgress": marked("The run has not finished."),
    "WorkflowRunFinished": marked("The run has finished already."),
    "WorkflowRunSucceeded": marked("The run succeeded, so there is nothing to resume."),
    "WorkflowRunNotFound": marked("The run was deleted."),
    "ChildRun": marked("Another run called this one, and calls it again once it is put right itself."),
    "NothingToResume": marked("Nothing says where the run failed."),
    "EndedByTerminate": marked("The flow itself ended the run."),
    "DefinitionDiffers": marked("What had finished is another action in the definition asked for, or gone."),
    "JournalMissing": marked("The history of the run is no longer kept."),
    "JournalUnreadable": marked("The history of the run cannot be read."),
}
_STOPS: Mapping[str, tuple[str, str]] = {
    StopCode.AUTHENTICATION: (
        marked("It stopped by itself: a credential was refused again"),
        marked("Nothing is lost: what has not begun waits. Repair the connection once more, then it goes on."),
    ),
    StopCode.FAILURES: (
        marked("It stopped by itself: runs failed for another reason"),
        marked("Look at them. Then go on, or leave the rest as it is."),
    ),
    StopCode.UNDECIDED: (
        marked("The first has not shown yet that it works"),
        marked(
            "It waits for long, or somebody ended it or did it otherwise. The rest goes on once it succeeds, or when you let it."
        ),
    ),
    StopCode.CANARY: (
        marked("The first went well"),
        marked("The rest waits until you let it go on."),
    ),
}
_BY_PERSON = (
    marked("Stopped"),
    marked("What ran has finished. The rest waits and stays held; start it again whenever you like."),
)
_PAUSED = (marked("Paused"), marked("What runs is finishing. The rest waits for you."))
_MODES: Mapping[str, str] = {
    ItemMode.RESUME: marked("Resume where it failed"),
    ItemMode.RESUBMIT: marked("Resubmit from the start"),
}
_LOOKS: Mapping[str, Look] = {
    ItemState.PLANNED: Look("none", "idle", marked("Not begun")),
    ItemState.LEFT_OUT: Look("skip", "idle", marked("Left out")),
    ItemState.BEGUN: Look("run", "run", marked("Running"), spins=True),
    ItemState.SUCCEEDED: SUCCEEDED,
    ItemState.FAILED: FAILED,
    ItemState.REFUSED: Look("cancel", "bad", marked("Could not begin")),
}


def reason_in_words(code: str) -> str:
    """Why an item is done this way or not at all, to be translated; the code where it is a rare one."""
    return _REASONS.get(code, code)


def stop_in_words(state: PlanState, code: str) -> tuple[str, str]:
    """(what stopped it, what to do), to be translated."""
    return _STOPS.get(code) or (_PAUSED if state is PlanState.PAUSED else _BY_PERSON)


def mode_in_words(mode: str) -> str:
    """What a person may choose, to be translated."""
    return _MODES.get(mode, mode)


def item_look(state: str) -> Look:
    """How an item of a plan is shown."""
    return _LOOKS[ItemState(state)]
