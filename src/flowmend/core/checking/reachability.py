"""Actions that no run ever reaches, whatever happens before them."""

from collections.abc import Iterable, Mapping

from flowmend.core.checking.places import Places
from flowmend.core.definition.findings import Findings
from flowmend.core.definition.flow import Action, Definition
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.definition.ordering import ordered, predecessors

# What an action must have ended with, as four bits of its own in one number for the whole branch: a long branch has
# so many pairs of actions that sets of words for each would hold everything else up.
_STATUS_BITS: Mapping[str, int] = {"Succeeded": 1, "Failed": 2, "TimedOut": 4, "Skipped": 8}
_SKIPPED = _STATUS_BITS["Skipped"]
_EVERY_STATUS = 15


def check_reachability(definition: Definition, places: Places, findings: Findings) -> None:
    """Report actions after a Terminate, and those whose `runAfter` asks for what cannot happen in one run."""
    branches = [definition.actions]
    branches += [branch for place in places for branch in place.action.branches.values()]
    for branch in branches:
        _check_branch(branch, findings)


def _check_branch(siblings: Mapping[str, Action], findings: Findings) -> None:
    needed = _conditions(siblings)
    for name, action in siblings.items():
        if needed[name] is not None:
            continue
        blamed = [one for one in action.run_after if one in siblings]
        if any(needed[one] is None for one in blamed) and not _ends_here(action, siblings):
            continue  # one report for the first of a chain is enough
        findings.warning(
            "UnreachableAction",
            pointer_to(action.pointer, "runAfter"),
            f"No run reaches '{name}': {_reason(action, siblings)}",
            "Change its 'runAfter', or remove it.",
        )


def _conditions(siblings: Mapping[str, Action]) -> dict[str, int | None]:
    """For each action how all before it must have ended for it to run; None where that is impossible."""
    place = {name: 4 * index for index, name in enumerate(siblings)}
    anything = (1 << 4 * len(siblings)) - 1
    lowest_bits = anything // _EVERY_STATUS
    needed: dict[str, int | None] = {}
    for action in ordered(siblings):
        conditions: int | None = anything
        for predecessor in predecessors(action, siblings):
            wanted = _wanted(siblings[predecessor], action.run_after[predecessor])
            # One of a circle, which reading has reported, may not be there yet.
            above = anything if wanted & _SKIPPED else needed.get(predecessor, anything)
            if above is None or conditions is None:
                conditions = None
                break
            conditions &= above & ~((_EVERY_STATUS & ~wanted) << place[predecessor])
        if conditions is not None:
            any_left = conditions | conditions >> 1 | conditions >> 2 | conditions >> 3
            if any_left & lowest_bits != lowest_bits:
                conditions = None
        needed[action.name] = conditions
    return needed


def _wanted(predecessor: Action, statuses: Iterable[str]) -> int:
    wanted = 0
    for status in statuses:
        wanted |= _STATUS_BITS.get(status, 0)
    # Once a Terminate has run, the run is over.
    return wanted & _SKIPPED if predecessor.type == "Terminate" else wanted


def _ends_here(action: Action, siblings: Mapping[str, Action]) -> bool:
    return any(siblings[one].type == "Terminate" for one in action.run_after if one in siblings)


def _reason(action: Action, siblings: Mapping[str, Action]) -> str:
    ended = next((one for one in action.run_after if one in siblings and siblings[one].type == "Terminate"), "")
    if ended:
        return f"'{ended}' ends the run before it."
    return "it waits for actions that cannot all end as it asks in one run."
