"""The tree of action cards a run page shows: definition order, branches and iterations nested."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flowmend.core.run.compiling import Branch, CompiledFlow, Node
from flowmend.core.run.history import iteration_counts, latest_records, readable
from flowmend.core.run.record import ActionKey, ActionRecord, Entry
from flowmend.core.run.state import Repetition


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchCards:
    """One branch of an If, Switch or Scope. name: `actions`, `else`, `default` or `case:<name>`."""

    name: str
    is_taken: bool
    cards: tuple["ActionCard", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IterationCards:
    """One pass of a loop."""

    index: int
    cards: tuple["ActionCard", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionCard:
    """One action, or one pass of it. record: None while it has not begun; secure values are `*sanitized*`.

    run_after: its predecessors. branches: of an If, Switch or Scope. iterations: of a loop, at most as many as
    asked for, out of iteration_count.
    """

    name: str
    type: str
    kind: str
    repetition: Repetition
    run_after: tuple[str, ...]
    record: ActionRecord | None
    branches: tuple[BranchCards, ...] = ()
    iterations: tuple[IterationCards, ...] = ()
    iteration_count: int = 0


def run_tree(compiled: CompiledFlow, entries: Iterable[Entry], *, most_iterations: int = 50) -> tuple[ActionCard, ...]:
    """The cards of a whole run, as far as it has come; of each loop the first iterations."""
    return _Tree(compiled, entries, most_iterations).cards(compiled.root, ())


def iteration_tree(
    compiled: CompiledFlow, entries: Iterable[Entry], loop: str, repetition: Repetition, *, most_iterations: int = 50
) -> tuple[ActionCard, ...]:
    """The cards of one pass of a loop. repetition: the indexes around the loop, then the pass's own.

    Errors: KeyError for a loop the flow does not have.
    """
    branch = compiled.nodes[loop].branches[0]
    return _Tree(compiled, entries, most_iterations).cards(branch, repetition)


class _Tree:
    def __init__(self, compiled: CompiledFlow, entries: Iterable[Entry], most_iterations: int) -> None:
        self._records: Mapping[ActionKey, ActionRecord] = latest_records(entries)
        self._counts = iteration_counts(compiled, self._records.values())
        self._most = most_iterations

    def cards(self, branch: Branch, repetition: Repetition) -> tuple[ActionCard, ...]:
        return tuple(self._card(node, repetition) for node in branch.nodes)

    def _card(self, node: Node, repetition: Repetition) -> ActionCard:
        key = (node.name, repetition)
        record = self._records.get(key)
        is_loop = node.type in {"Foreach", "Until"}
        count = self._counts.get(key, 0) if is_loop else 0
        return ActionCard(
            name=node.name,
            type=node.type,
            kind=node.action.kind,
            repetition=repetition,
            run_after=tuple(predecessor.name for predecessor, _ in node.predecessors),
            record=None if record is None else readable(record),
            branches=() if is_loop and count else tuple(self._branch(one, record, repetition) for one in node.branches),
            iterations=tuple(
                IterationCards(index=index, cards=self.cards(node.branches[0], (*repetition, index)))
                for index in range(min(count, self._most))
            ),
            iteration_count=count,
        )

    def _branch(self, branch: Branch, record: ActionRecord | None, repetition: Repetition) -> BranchCards:
        taken = record.details.get("branch") if record is not None and isinstance(record.details, Mapping) else None
        return BranchCards(name=branch.name, is_taken=branch.name == taken, cards=self.cards(branch, repetition))
