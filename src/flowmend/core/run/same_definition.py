"""Whether a run can go on with another version of its flow: where it has been, both must say the same."""

from collections.abc import Iterable
from typing import Final

import msgspec

from flowmend.core.definition.flow import Action
from flowmend.core.run.compiling import CompiledFlow, Node

#: {part of an action: what people call it}
_PARTS: Final = {
    "type": "type",
    "kind": "kind",
    "inputs": "inputs",
    "condition": "condition",
    "foreach": "items",
    "cases": "cases",
    "run_after": "runAfter",
    "operation_options": "operationOptions",
}


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """In what an action that has run is another one now. what: `removed`, `moved`, or the part that changed."""

    action: str
    what: str


def differences(
    onto: CompiledFlow, *, finished: Iterable[Node], opened: Iterable[Node], skipped: Iterable[Node]
) -> tuple[Difference, ...]:
    """What keeps records of one definition from being taken over by another; empty where nothing does.

    finished: taken over whole, so what is in them has to be the same too. opened: containers that go on, which may
    have changed in what they have not yet run. skipped: did not run because of what came before them, which may be
    something else now.
    """
    found: list[Difference] = []
    for node in opened:
        found += _of_node(node, onto, whole=False)
    for node in finished:
        found += _of_node(node, onto, whole=node.is_container)
    for node in skipped:
        other = onto.nodes.get(node.name)
        if other is not None and not is_moved(node, onto) and node.action.run_after != other.action.run_after:
            found.append(Difference(action=node.name, what=_PARTS["run_after"]))
    return tuple(dict.fromkeys(found))


def is_moved(node: Node, onto: CompiledFlow) -> bool:
    """Whether an action stands elsewhere in the other definition, or is no longer there."""
    other = onto.nodes.get(node.name)
    return other is None or _place(node) != _place(other)


def _of_node(node: Node, onto: CompiledFlow, *, whole: bool) -> list[Difference]:
    other = onto.nodes.get(node.name)
    if other is None:
        return [Difference(action=node.name, what="removed")]
    if is_moved(node, onto):
        return [Difference(action=node.name, what="moved")]
    changed = [name for part, name in _PARTS.items() if getattr(node.action, part) != getattr(other.action, part)]
    if not changed and whole and not _is_same_inside(node.action, other.action):
        changed = ["actions"]
    return [Difference(action=node.name, what=name) for name in changed]


def _place(node: Node) -> tuple[tuple[str, str], ...]:
    """The containers around an action and the branch of each, innermost first."""
    place: list[tuple[str, str]] = []
    owner = node.branch.owner
    while owner is not None:
        place.append((owner.name, node.branch.name))
        node, owner = owner, owner.branch.owner
    return tuple(place)


def _is_same_inside(one: Action, other: Action) -> bool:
    if one.branches.keys() != other.branches.keys():
        return False
    for name, actions in one.branches.items():
        others = other.branches[name]
        if actions.keys() != others.keys():
            return False
        for key, action in actions.items():
            if any(getattr(action, part) != getattr(others[key], part) for part in _PARTS):
                return False
            if not _is_same_inside(action, others[key]):
                return False
    return True
