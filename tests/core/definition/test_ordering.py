from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.definition.flow import Action
from flowmend.core.definition.ordering import dependents, find_cycles, leaves, ordered, predecessors


def actions(**waits: tuple[str, ...]) -> Mapping[str, Action]:
    return {
        name: Action(name=name, type="Compose", pointer=f"/{name}", run_after=dict.fromkeys(before, ("Succeeded",)))
        for name, before in waits.items()
    }


def names(siblings: Mapping[str, Action]) -> list[str]:
    return [action.name for action in ordered(siblings)]


def test_each_action_comes_after_all_it_waits_for() -> None:
    assert names(actions(d=("b", "c"), b=("a",), c=("a",), a=())) == ["a", "b", "c", "d"]


def test_ready_actions_keep_the_order_of_the_document() -> None:
    assert names(actions(a=(), b=("a",), c=())) == ["a", "b", "c"]


def test_leaves_are_what_nothing_waits_for() -> None:
    siblings = actions(try_=(), ok=("try_",), err=("try_",))
    assert leaves(siblings) == ("ok", "err")
    assert dependents(siblings) == {"try_": ("ok", "err"), "ok": (), "err": ()}
    assert predecessors(siblings["ok"], siblings) == ("try_",)


def test_a_circle_is_found_and_still_can_be_shown() -> None:
    siblings = actions(a=("b",), b=("a",), c=("b",), d=())
    assert find_cycles(siblings) == (("a", "b"),)
    assert names(siblings) == ["d", "a", "b", "c"]


def test_a_chain_of_thousands_does_not_exhaust_the_stack() -> None:
    chain = actions(**{f"n{i}": (f"n{i + 1}",) if i < 5000 else () for i in range(5001)})
    assert find_cycles(chain) == ()
    assert names(chain)[0] == "n5000"


@given(st.dictionaries(st.integers(0, 9), st.sets(st.integers(0, 9), max_size=3), min_size=1))
def test_every_graph_is_ordered_completely_and_circles_are_what_keeps_it_from_being_sorted(
    graph: dict[int, set[int]],
) -> None:
    siblings = actions(**{f"n{name}": tuple(f"n{other}" for other in sorted(before)) for name, before in graph.items()})
    order = names(siblings)
    assert sorted(order) == sorted(siblings)
    is_sorted = all(
        order.index(before) < order.index(name)
        for name, action in siblings.items()
        for before in predecessors(action, siblings)
    )
    assert is_sorted is (find_cycles(siblings) == ())
