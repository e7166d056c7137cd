"""Actions that no run ever reaches, whatever happens before them."""

from collections.abc import Mapping

from flowmend.core.checking.places import Places
from flowmend.core.definition.findings import Findings
from flowmend.core.definition.flow import Action, Definition
from flowmend.core.definition.json_pointer import pointer_to

_EVERY_STATUS = frozenset({"Succeeded", "Failed", "TimedOut", "Skipped"})
_NOT_RUN = frozenset({"Skipped"})

#: {action: the statuses it must have ended with}
_Conditions = Mapping[str, frozenset[str]]


def check_reachability(definition: Definition, places: Places, findings: Findings) -> None:
    """Report actions after a Terminate, and those whose `runAfter` asks for what cannot happen in one run."""
    branches = [definition.actions]
    branches += [branch for place in places for branch in place.action.branches.values()]
    for branch in branches:
        _check_branch(branch, findings)


def _check_branch(siblings: Mapping[str, Action], findings: Findings) -> None:
    needed: dict[str, _Conditions | None] = {}
    for name, action in siblings.items():
        conditions = _conditions(name, siblings, needed, frozenset())
        if conditions is not None:
            continue
        blamed = [one for one in action.run_after if one in siblings]
        if any(needed.get(one) is None for one in blamed) and not _ends_here(action, siblings):
            continue  # one report for the first of a chain is enough
        findings.warning(
            "UnreachableAction",
            pointer_to(action.pointer, "runAfter"),
            f"No run reaches '{name}': {_reason(action, siblings)}",
            "Change its 'runAfter', or remove it.",
        )


def _conditions(
    name: str, siblings: Mapping[str, Action], needed: dict[str, _Conditions | None], under_way: frozenset[str]
) -> _Conditions | None:
    """What must have happened for an action to run; None where that is impossible."""
    if name in needed:
        return needed[name]
    if name in under_way:
        return {}  # a circle, which reading has reported
    conditions: dict[str, frozenset[str]] | None = {}
    for predecessor, statuses in siblings[name].run_after.items():
        known = siblings.get(predecessor)
        if known is None or conditions is None:
            continue
        wanted = frozenset(statuses)
        if known.type == "Terminate":
            wanted &= _NOT_RUN  # once it has run, the run is over
        before = {predecessor: wanted}
        if "Skipped" not in wanted:
            above = _conditions(predecessor, siblings, needed, under_way | {name})
            before = {**(above or {}), **before} if above is not None else {predecessor: frozenset()}
        conditions = _both(conditions, before)
    needed[name] = conditions
    return conditions


def _both(first: Mapping[str, frozenset[str]], second: _Conditions) -> dict[str, frozenset[str]] | None:
    merged = dict(first)
    for name, statuses in second.items():
        merged[name] = merged.get(name, _EVERY_STATUS) & statuses
        if not merged[name]:
            return None
    return merged


def _ends_here(action: Action, siblings: Mapping[str, Action]) -> bool:
    return any(siblings[one].type == "Terminate" for one in action.run_after if one in siblings)


def _reason(action: Action, siblings: Mapping[str, Action]) -> str:
    ended = next((one for one in action.run_after if one in siblings and siblings[one].type == "Terminate"), "")
    if ended:
        return f"'{ended}' ends the run before it."
    return "it waits for actions that cannot all end as it asks in one run."
