"""What a held event waits for, and what a flow does while a connection is broken, in words."""

from collections.abc import Mapping

from flowmend.portal.language import marked
from flowmend.use_cases.held_lists import WaitsFor
from flowmend.use_cases.loaded_flows import FAIL, HOLD_AT_ACTION, HOLD_EVENTS

WAITS_FOR: Mapping[str, str] = {
    WaitsFor.REPAIR: marked("Waits for the repair of its connection"),
    WaitsFor.PLAN: marked("Kept back by a repair plan"),
    WaitsFor.FLOW: marked("Waits until the flow is turned on"),
    WaitsFor.READING: marked("The flow's definition no longer reads"),
    WaitsFor.TURN: marked("Begins when its turn comes"),
}

#: {choice: (what it is called, what it means)}
ON_BROKEN: Mapping[str, tuple[str, str]] = {
    HOLD_EVENTS: (
        marked("Hold what arrives"),
        marked(
            "What arrives is accepted and kept, and nothing runs into the broken connection. After the repair everything "
            "begins by itself, in order of arrival."
        ),
    ),
    FAIL: (
        marked("Let runs fail"),
        marked(
            "Each run begins and fails at once, as the flow says; you resubmit it after the repair. Whoever waits for an "
            "answer hears at once that there is none now (503)."
        ),
    ),
    HOLD_AT_ACTION: (
        marked("Wait at the action"),
        marked(
            "Each run begins and waits at the action that cannot work; what comes after a failure does not run. After the "
            "repair it goes on from there, and what it did before is not repeated."
        ),
    ),
}
