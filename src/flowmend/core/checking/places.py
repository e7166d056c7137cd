"""Where each action stands in the tree, and so what has certainly finished when it runs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from flowmend.core.definition.action_types import action_type
from flowmend.core.definition.flow import Action, Definition
from flowmend.core.definition.ordering import ordered, predecessors


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The way to an action. steps: per level, outermost first, the branch and the action taken in it."""

    action: Action
    steps: tuple[tuple["_Siblings", str], ...]

    @property
    def containers(self) -> tuple[Action, ...]:
        """The actions it stands in, outermost first."""
        return tuple(siblings.actions[name] for siblings, name in self.steps[:-1])

    def enclosing_loop(self, *types: str) -> Action | None:
        """The nearest container that is a loop, of one of the types where any are given."""
        for container in reversed(self.containers):
            known = action_type(container.type)
            if known is not None and known.is_loop and (not types or known.name in types):
                return container
        return None


class Places:
    """Every action of a definition by name, ignoring case."""

    def __init__(self, definition: Definition) -> None:
        self._by_name: dict[str, Place] = {}
        self._add(definition.actions, ())

    def find(self, name: str) -> Place | None:
        return self._by_name.get(name.lower())

    def __iter__(self) -> Iterator[Place]:
        return iter(self._by_name.values())

    def has_finished(self, read: Place, *, when: Place) -> bool:
        """Whether the action `read` has finished, run or skipped, whenever the action `when` starts."""
        for (branch, name), (other_branch, other_name) in zip(read.steps, when.steps, strict=False):
            if branch is not other_branch:
                return False  # two branches of one container: only one of them runs
            if name != other_name:
                return branch.comes_before(name, other_name)
        return False  # one contains the other, or they are the same

    def _add(self, actions: Mapping[str, Action], above: tuple[tuple["_Siblings", str], ...]) -> None:
        siblings = _Siblings(actions)
        for name, action in actions.items():
            steps = (*above, (siblings, name))
            self._by_name.setdefault(name.lower(), Place(action=action, steps=steps))
            for branch in action.branches.values():
                self._add(branch, steps)


class _Siblings:
    """The actions of one branch, and for each all that come before it."""

    def __init__(self, actions: Mapping[str, Action]) -> None:
        self.actions = actions
        self._bits = {name: 1 << index for index, name in enumerate(actions)}

    def comes_before(self, name: str, other: str) -> bool:
        """Whether `other` waits for `name`, directly or through others."""
        return bool(self._before[other] & self._bits[name])

    @cached_property
    def _before(self) -> dict[str, int]:
        """For each action all that come before it, a bit each: sets of names would fill the memory in a long branch."""
        before: dict[str, int] = {}
        for action in ordered(self.actions):
            found = 0
            for predecessor in predecessors(action, self.actions):
                found |= before.get(predecessor, 0) | self._bits[predecessor]
            before[action.name] = found
        return before
