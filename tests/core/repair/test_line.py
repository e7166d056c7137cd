"""The line of a recovery keeps the order of arrival of each flow and key, however runs end in between."""

from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.repair import Lanes
from flowmend.core.repair.line import Line

FLOWS = ("orders", "mails")
KEYS = ("", "a", "b")


def begun_in_order(arrivals: list[tuple[str, str]], ends: list[int], at_once: int) -> list[int]:
    """The places in the order in which they begin. ends: which of those under way ends next, by number."""
    lanes = Lanes(most_at_once=at_once)
    line: Line[int] = Line(lanes.is_free)
    for place, (flow, key) in enumerate(arrivals):
        line.add(place, flow, key, place)
    began: list[int] = []
    under_way: list[int] = []
    turns = iter(ends)
    while len(began) < len(arrivals):
        while lanes.has_room and (place := line.take()) is not None:
            lanes.begun(str(place), *arrivals[place])
            began.append(place)
            under_way.append(place)
        over = under_way.pop(next(turns, 0) % len(under_way))
        lanes.ended(str(over))
        line.freed(*arrivals[over])
    return began


arrivals = st.lists(st.tuples(st.sampled_from(FLOWS), st.sampled_from(KEYS)), min_size=1, max_size=30)
ends = st.lists(st.integers(0, 20), max_size=40)


@given(arrivals, ends, st.integers(1, 5))
def test_of_each_flow_and_key_one_after_another_in_order_of_arrival(
    arrivals: list[tuple[str, str]], ends: list[int], at_once: int
) -> None:
    began = begun_in_order(arrivals, ends, at_once)
    assert sorted(began) == list(range(len(arrivals)))
    for lane in {one for one in arrivals if one[1]}:
        of_lane = [place for place in began if arrivals[place] == lane]
        assert of_lane == sorted(of_lane)


@given(arrivals, ends)
def test_one_at_once_begins_everything_in_order_of_arrival(arrivals: list[tuple[str, str]], ends: list[int]) -> None:
    assert begun_in_order(arrivals, ends, 1) == list(range(len(arrivals)))


def test_what_has_no_key_waits_for_nobody() -> None:
    line: Line[str] = Line(Lanes(most_at_once=9).is_free)
    for place in range(3):
        line.add(place, "orders", "", f"event {place}")
    assert [line.take(), line.take(), line.take(), line.take()] == ["event 0", "event 1", "event 2", None]


def test_what_is_put_back_stands_where_it_stood() -> None:
    lanes = Lanes(most_at_once=9)
    line: Line[str] = Line(lanes.is_free)
    for place, key in enumerate(["a", "a", "b"]):
        line.add(place, "orders", key, f"{key}{place}")
    assert line.take() == "a0"
    line.put_back(0, "orders", "a", "a0")
    assert len(line) == 3
    assert [line.take(), line.take(), line.take()] == ["a0", "b2", None]


def test_a_lane_that_was_taken_and_did_not_begin_offers_its_next_one() -> None:
    line: Line[str] = Line(Lanes(most_at_once=9).is_free)
    line.add(0, "orders", "a", "first")
    line.add(1, "orders", "a", "second")
    assert line.take() == "first"
    assert not line.has_offer
    line.freed("orders", "a")
    assert line.take() == "second"
