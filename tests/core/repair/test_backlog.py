"""What waits is given out in order of arrival, of one key one after another."""

from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.repair import Backlog, Lanes, Waiting


def names(backlog: Backlog, lanes: Lanes) -> list[str]:
    """Everything that may begin now, begun."""
    taken = []
    while (waiting := backlog.take()) is not None:
        lanes.begun(waiting.name, "flow", waiting.key)
        taken.append(waiting.name)
    return taken


def test_of_one_key_one_alone_is_given_out_until_it_has_ended() -> None:
    lanes = Lanes(most_at_once=9)
    backlog = Backlog("flow", lanes)
    for name, key in [("1", "a"), ("2", "a"), ("3", ""), ("4", "b"), ("5", "a")]:
        backlog.add(name, key)
    assert names(backlog, lanes) == ["1", "3", "4"]
    lanes.ended("1")
    backlog.freed("a")
    assert names(backlog, lanes) == ["2"]
    lanes.ended("2")
    backlog.freed("a")
    assert (names(backlog, lanes), len(backlog)) == (["5"], 0)


def test_a_key_that_is_under_way_from_before_keeps_its_own_waiting_and_no_other() -> None:
    lanes = Lanes(most_at_once=9)
    lanes.begun("before", "flow", "a")
    backlog = Backlog("flow", lanes)
    backlog.add("1", "a")
    backlog.add("2", "b")
    assert names(backlog, lanes) == ["2"]
    backlog.freed("a")  # said too early: it has not ended
    assert names(backlog, lanes) == []
    lanes.ended("before")
    backlog.freed("a")
    assert names(backlog, lanes) == ["1"]


def test_nothing_is_given_out_without_room() -> None:
    lanes = Lanes(most_at_once=1)
    backlog = Backlog("flow", lanes)
    backlog.add("1", "")
    backlog.add("2", "")
    assert names(backlog, lanes) == ["1"]
    lanes.ended("1")
    assert names(backlog, lanes) == ["2"]


def test_what_is_put_back_stands_where_it_stood() -> None:
    lanes = Lanes(most_at_once=9)
    backlog = Backlog("flow", lanes)
    backlog.add("1", "a")
    backlog.add("2", "a")
    backlog.add("3", "")
    first = backlog.take()
    assert first == Waiting(position=0, name="1", key="a")
    backlog.put_back(first)
    assert (len(backlog), names(backlog, lanes)) == (3, ["1", "3"])


def test_one_that_did_not_begin_lets_the_next_of_its_key_step_in_front() -> None:
    lanes = Lanes(most_at_once=9)
    backlog = Backlog("flow", lanes)
    backlog.add("1", "a")
    backlog.add("2", "a")
    assert backlog.take() is not None
    backlog.freed("a")
    assert names(backlog, lanes) == ["2"]


@given(
    keys=st.lists(st.sampled_from(["", "a", "b", "c"]), max_size=60),
    most=st.integers(1, 6),
    draws=st.lists(st.integers(0, 99), min_size=1),
)
def test_everything_is_given_out_once_and_in_the_order_of_its_key(keys: list[str], most: int, draws: list[int]) -> None:
    lanes = Lanes(most_at_once=most)
    backlog = Backlog("flow", lanes)
    begun: list[int] = []
    under_way: list[int] = []
    arriving = list(enumerate(keys))
    turn = 0
    while arriving or under_way or len(backlog):
        for position, key in arriving[:7]:
            backlog.add(str(position), key)
        del arriving[:7]
        for name in names(backlog, lanes):
            begun.append(int(name))
            under_way.append(int(name))
        busy = [keys[one] for one in under_way if keys[one]]
        assert len(busy) == len(set(busy))
        assert len(under_way) <= most
        if under_way:
            ended = under_way.pop(draws[turn % len(draws)] % len(under_way))
            turn += 1
            lanes.ended(str(ended))
            backlog.freed(keys[ended])
    assert sorted(begun) == list(range(len(keys)))
    for key in set(keys):
        of_key = [one for one in begun if keys[one] == key]
        assert of_key == sorted(of_key)
