"""`runAfter`: who waits for whom among siblings, with names and statuses in their declared spelling."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType

from flowmend.core.definition.findings import Findings
from flowmend.core.definition.flow import Action
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.definition.ordering import find_cycles
from flowmend.core.json_value import Json

#: {status in lower case: canonical}. Aborted and Cancelled cannot be caught (wdl.md §6).
RUN_AFTER_STATUSES: Mapping[str, str] = MappingProxyType(
    {status.lower(): status for status in ("Succeeded", "Failed", "Skipped", "TimedOut")}
)


def resolve_run_after(
    siblings: Mapping[str, Action], findings: Findings, *, triggers: Collection[str] = ()
) -> dict[str, Action]:
    """The siblings with `run_after` filled; what names no sibling is reported and left out.

    triggers: names the first actions of a flow may also wait for; they have always come before.
    """
    declared = {name.lower(): name for name in siblings}
    before = frozenset(name.lower() for name in triggers)
    resolved = {
        name: replace(action, run_after=_read(action, declared, before, findings)) for name, action in siblings.items()
    }
    for cycle in find_cycles(resolved):
        first = resolved[cycle[0]]
        findings.error(
            "CyclicRunAfter",
            pointer_to(first.pointer, "runAfter"),
            f"The actions wait for each other in a circle: {' → '.join((*cycle, cycle[0]))}.",
            "Remove one of these 'runAfter' entries.",
        )
    return resolved


def _read(
    action: Action, declared: Mapping[str, str], before: Collection[str], findings: Findings
) -> Mapping[str, tuple[str, ...]]:
    raw = action.raw.get("runAfter")
    pointer = pointer_to(action.pointer, "runAfter")
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        findings.error("InvalidRunAfter", pointer, f"'runAfter' of action '{action.name}' is not an object.")
        return {}
    run_after = {}
    for written, statuses in raw.items():
        below = pointer_to(pointer, written)
        predecessor = declared.get(written.lower())
        if predecessor is not None:
            run_after[predecessor] = _read_statuses(statuses, below, findings)
        elif written.lower() not in before:
            findings.error(
                "UnknownRunAfter",
                below,
                f"Action '{action.name}' is to run after '{written}', which is not beside it.",
                "'runAfter' may only name actions of the same branch.",
            )
    return run_after


def _read_statuses(raw: Json, pointer: str, findings: Findings) -> tuple[str, ...]:
    if not isinstance(raw, list) or not raw:
        findings.error("InvalidRunAfter", pointer, "There is no list of statuses to run after.", _STATUS_HINT)
        return ("Succeeded",)
    statuses = []
    for index, written in enumerate(raw):
        status = RUN_AFTER_STATUSES.get(written.lower()) if isinstance(written, str) else None
        if status is None:
            findings.error(
                "InvalidRunAfter", pointer_to(pointer, index), f"{written!r} is no status to run after.", _STATUS_HINT
            )
        elif status not in statuses:
            statuses.append(status)
    return tuple(statuses)


_STATUS_HINT = f"Use {', '.join(RUN_AFTER_STATUSES.values())}."
