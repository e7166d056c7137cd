"""Of what begins to go on after a repair one goes first, alone."""

from datetime import UTC, datetime, timedelta

import pytest

from flowmend.core.repair.vanguard import LONGEST_ALONE, FirstEnd, Vanguard

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(seconds=1)


def going_on(**flows: tuple[str, ...]) -> Vanguard:
    vanguard = Vanguard()
    for flow_id, sources in flows.items():
        vanguard.was_held(flow_id)
        vanguard.goes_on(flow_id, sources, NOON)
    return vanguard


def first(vanguard: Vanguard, flow_id: str = "a", name: str = "one") -> None:
    assert vanguard.may_begin(flow_id, NOON)
    vanguard.begun(name, flow_id, NOON)


def test_one_goes_alone_and_the_others_once_it_ended_well() -> None:
    vanguard = going_on(a=("mail",))
    first(vanguard)
    assert not vanguard.may_begin("a", LATER)
    assert vanguard.is_ahead("one")

    vanguard.ended("one", FirstEnd.GOOD, LATER)

    assert vanguard.may_begin("a", LATER)
    vanguard.begun("two", "a", LATER)
    assert vanguard.may_begin("a", LATER)


def test_flows_of_one_connection_have_one_that_goes_first() -> None:
    vanguard = going_on(a=("mail", "orders"), b=("mail",), c=("chat",))
    first(vanguard)
    assert not vanguard.may_begin("b", LATER)
    assert vanguard.may_begin("c", LATER)

    vanguard.ended("one", FirstEnd.GOOD, LATER)

    assert vanguard.may_begin("b", LATER)


@pytest.mark.parametrize("end", [FirstEnd.REFUSED, FirstEnd.OTHERWISE, FirstEnd.UNKNOWN])
def test_after_a_bad_end_another_one_goes_alone(end: FirstEnd) -> None:
    vanguard = going_on(a=("mail",))
    first(vanguard)
    vanguard.ended("one", end, LATER)
    first(vanguard, name="two")
    assert not vanguard.may_begin("a", LATER)


def test_three_that_fail_for_another_reason_do_not_blame_the_credential() -> None:
    vanguard = going_on(a=("mail",))
    for name in ("one", "two", "three"):
        first(vanguard, name=name)
        assert not vanguard.may_begin("a", NOON)
        vanguard.ended(name, FirstEnd.OTHERWISE, NOON)
    first(vanguard, name="four")
    assert vanguard.may_begin("a", NOON)


def test_what_rests_or_takes_long_keeps_nobody_waiting() -> None:
    vanguard = going_on(a=("mail",), b=("orders",))
    first(vanguard)
    first(vanguard, "b", "other")
    vanguard.rests("one", LATER)
    assert vanguard.may_begin("a", LATER)
    assert not vanguard.may_begin("b", LATER)
    assert vanguard.may_begin("b", NOON + LONGEST_ALONE)


def test_a_good_call_elsewhere_is_proof_enough() -> None:
    vanguard = going_on(a=("mail",))
    first(vanguard)
    assert vanguard.waited_for() == {"mail": NOON}
    vanguard.proved("mail", LATER)
    assert vanguard.may_begin("a", LATER)
    assert vanguard.waited_for() == {}


def test_held_again_one_goes_alone_again() -> None:
    vanguard = going_on(a=("mail",))
    first(vanguard)
    vanguard.ended("one", FirstEnd.GOOD, LATER)
    vanguard.was_held("a")
    vanguard.goes_on("a", ("mail",), LATER + timedelta(seconds=1))
    first(vanguard, name="two")
    assert not vanguard.may_begin("a", LATER)


def test_a_flow_that_was_not_held_or_needs_no_connection_waits_for_nobody() -> None:
    vanguard = going_on(a=())
    for flow_id in ("a", "b"):
        first(vanguard, flow_id)
        assert vanguard.may_begin(flow_id, NOON)
