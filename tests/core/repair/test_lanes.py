"""Per key one after another, in order of arrival, never more at once than may be."""

from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.repair import Lanes


def test_of_one_key_the_next_begins_when_the_one_before_has_ended() -> None:
    lanes = Lanes(most_at_once=64)
    lanes.begun("first", "flow", "order 1")
    assert not lanes.may_begin("flow", "order 1")
    assert lanes.ended("first")
    assert lanes.may_begin("flow", "order 1")


def test_other_keys_and_other_flows_do_not_wait_for_it() -> None:
    lanes = Lanes(most_at_once=64)
    lanes.begun("first", "flow", "order 1")
    assert lanes.may_begin("flow", "order 2")
    assert lanes.may_begin("another flow", "order 1")


def test_what_has_no_key_waits_for_nobody() -> None:
    lanes = Lanes(most_at_once=64)
    lanes.begun("first", "flow", "")
    assert lanes.may_begin("flow", "")


def test_no_more_are_under_way_than_may_be() -> None:
    lanes = Lanes(most_at_once=2)
    lanes.begun("first", "flow", "")
    lanes.begun("second", "flow", "order 1")
    assert not lanes.may_begin("flow", "")
    assert not lanes.may_begin("flow", "order 2")
    lanes.ended("first")
    assert lanes.may_begin("flow", "order 2")


def test_what_rests_takes_no_place_but_keeps_its_lane() -> None:
    lanes = Lanes(most_at_once=1)
    lanes.begun("first", "flow", "order 1")
    assert lanes.rests("first")
    assert lanes.may_begin("flow", "order 2")
    assert not lanes.may_begin("flow", "order 1")
    lanes.ended("first")
    assert lanes.may_begin("flow", "order 1")
    assert lanes.is_empty


def test_two_of_one_key_that_were_under_way_before_must_both_end() -> None:
    lanes = Lanes(most_at_once=1)
    lanes.begun("first", "flow", "order 1")
    lanes.begun("second", "flow", "order 1")
    lanes.ended("first")
    assert not lanes.is_free("flow", "order 1")
    lanes.ended("second")
    assert lanes.may_begin("flow", "order 1")


def test_a_run_told_twice_counts_once_and_a_strange_one_not_at_all() -> None:
    lanes = Lanes(most_at_once=64)
    lanes.begun("first", "flow", "order 1")
    lanes.begun("first", "flow", "order 1")
    assert not lanes.ended("somebody else's")
    assert not lanes.rests("somebody else's")
    assert lanes.ended("first")
    assert not lanes.ended("first")
    assert lanes.is_empty


_ARRIVALS = st.lists(st.tuples(st.sampled_from(["f", "g"]), st.sampled_from(["", "a", "b", "c"])), max_size=40)


@given(arrivals=_ARRIVALS, most=st.integers(1, 5), draws=st.lists(st.integers(0, 99), min_size=1, max_size=200))
def test_whatever_ends_when_everything_begins_once_in_order_of_its_key(
    arrivals: list[tuple[str, str]], most: int, draws: list[int]
) -> None:
    lanes = Lanes(most_at_once=most)
    waiting = list(enumerate(arrivals))
    under_way: dict[str, tuple[str, str]] = {}
    begun: list[int] = []
    turn = 0
    while waiting or under_way:
        for position, (flow_id, key) in list(waiting):
            if lanes.may_begin(flow_id, key):
                lanes.begun(str(position), flow_id, key)
                under_way[str(position)] = (flow_id, key)
                waiting.remove((position, (flow_id, key)))
                begun.append(position)
        keyed = [lane for lane in under_way.values() if lane[1]]
        assert len(keyed) == len(set(keyed)), "two of one key at once"
        assert len(under_way) <= most
        assert under_way, "nothing goes on"
        name = sorted(under_way)[draws[turn % len(draws)] % len(under_way)]
        turn += 1
        del under_way[name]
        assert lanes.ended(name)
    assert sorted(begun) == list(range(len(arrivals)))
    for lane in set(arrivals):
        of_lane = [position for position in begun if arrivals[position] == lane]
        assert of_lane == sorted(of_lane)
    assert lanes.is_empty


def test_one_flow_alone_takes_two_thirds_and_leaves_others_places() -> None:
    lanes = Lanes(most_at_once=96)
    begun = [one for one in range(96) if _begins(lanes, f"slow {one}", "slow")]
    assert len(begun) == 64
    assert [_begins(lanes, f"other {one}", "other") for one in range(22)] == [True] * 22
    assert _begins(lanes, "third", "third")
    lanes.rests("other 0")
    assert [lanes.has_room_for(one) for one in ("slow", "other", "third", "fourth")] == [False, False, True, True]


def _begins(lanes: Lanes, name: str, flow_id: str) -> bool:
    if not lanes.may_begin(flow_id, ""):
        return False
    lanes.begun(name, flow_id, "")
    return True


def test_what_others_began_closes_its_lane_and_takes_no_place() -> None:
    lanes = Lanes(most_at_once=1)
    lanes.was_begun("first", "flow", "order 1")
    lanes.was_begun("second", "flow", "order 1")
    assert lanes.is_awake("flow", "order 1")
    assert not lanes.may_begin("flow", "order 1")
    assert lanes.may_begin("flow", "order 2")
    lanes.ended("first")
    assert lanes.first_in("flow", "order 1") == "second"
    lanes.ended("second")
    assert (lanes.first_in("flow", "order 1"), lanes.is_empty) == ("", True)
