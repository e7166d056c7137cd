"""The order that `runAfter` gives to the actions of one branch.

The run engine asks who comes after whom; the portal lays out its cards by it. Everything here is linear in
the number of actions and entries, and bears cycles, so that a broken flow can still be shown.
"""

from collections.abc import Iterator, Mapping
from heapq import heappop, heappush

from flowmend.core.definition.flow import Action


def ordered(siblings: Mapping[str, Action]) -> tuple[Action, ...]:
    """Each action after all it waits for; among those that are ready the document's order.

    Actions of a cycle, and those after one, come last in document order.
    """
    names = tuple(siblings)
    position = {name: index for index, name in enumerate(names)}
    following = dependents(siblings)
    waiting = {name: len(predecessors(action, siblings)) for name, action in siblings.items()}
    ready = [position[name] for name, count in waiting.items() if count == 0]  # ascending, so already a heap
    placed: dict[str, Action] = {}
    while ready:
        name = names[heappop(ready)]
        placed[name] = siblings[name]
        for follower in following[name]:
            waiting[follower] -= 1
            if waiting[follower] == 0:
                heappush(ready, position[follower])
    return (*placed.values(), *(action for name, action in siblings.items() if name not in placed))


def predecessors(action: Action, siblings: Mapping[str, Action]) -> tuple[str, ...]:
    """The siblings `action` waits for, in the order its `runAfter` names them."""
    return tuple(name for name in action.run_after if name in siblings)


def dependents(siblings: Mapping[str, Action]) -> dict[str, tuple[str, ...]]:
    """`{name: the siblings that wait for it}`, every sibling a key, all in document order."""
    following: dict[str, list[str]] = {name: [] for name in siblings}
    for name, action in siblings.items():
        for predecessor in predecessors(action, siblings):
            following[predecessor].append(name)
    return {name: tuple(names) for name, names in following.items()}


def leaves(siblings: Mapping[str, Action]) -> tuple[str, ...]:
    """The actions that nothing runs after; they decide how the branch ends (wdl.md §6)."""
    return tuple(name for name, following in dependents(siblings).items() if not following)


def find_cycles(siblings: Mapping[str, Action]) -> tuple[tuple[str, ...], ...]:
    """The circles of `runAfter`, each as the names of actions of which every one waits for the next."""
    cycles: list[tuple[str, ...]] = []
    finished: set[str] = set()
    for start in siblings:
        if start not in finished:
            cycles.extend(_cycles_from(start, siblings, finished))
    return tuple(cycles)


def _cycles_from(start: str, siblings: Mapping[str, Action], finished: set[str]) -> Iterator[tuple[str, ...]]:
    # Depth first with a trail of our own: a chain of actions may be longer than Python's stack.
    path = {start: None}  # the way from `start`, in order
    trail = [(start, iter(predecessors(siblings[start], siblings)))]
    while trail:
        name, remaining = trail[-1]
        following = next(remaining, None)
        if following is None:
            trail.pop()
            del path[name]
            finished.add(name)
        elif following in path:
            way = tuple(path)
            yield way[way.index(following) :]
        elif following not in finished:
            path[following] = None
            trail.append((following, iter(predecessors(siblings[following], siblings))))
