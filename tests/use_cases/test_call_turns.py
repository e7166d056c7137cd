"""The calls of a recovery take turns; what has nothing to do with it does not wait."""

import asyncio

import pytest

from flowmend.use_cases.call_turns import CallTurns

pytestmark = pytest.mark.anyio


class Calls:
    """How many are under way, and were at most."""

    def __init__(self, turns: CallTurns) -> None:
        self._turns = turns
        self.now = 0
        self.most = 0

    async def make(self, run_name: str) -> None:
        async with self._turns.turn(run_name):
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(0.005)
            self.now -= 1


async def test_of_a_group_so_many_are_under_way_at_once() -> None:
    turns = CallTurns()
    calls = Calls(turns)
    for index in range(12):
        turns.join(f"run-{index}", "plan", 3)
    await asyncio.gather(*(calls.make(f"run-{index}") for index in range(12)))
    assert calls.most == 3


async def test_runs_of_no_group_do_not_wait() -> None:
    turns = CallTurns()
    calls = Calls(turns)
    turns.join("other", "plan", 1)
    await asyncio.gather(*(calls.make(f"run-{index}") for index in range(6)))
    assert calls.most == 6


async def test_groups_do_not_wait_for_each_other() -> None:
    turns = CallTurns()
    calls = Calls(turns)
    for name in ("one", "two"):
        turns.join(name, f"plan {name}", 1)
    await asyncio.gather(calls.make("one"), calls.make("two"))
    assert calls.most == 2


async def test_a_call_that_fails_gives_its_turn_back() -> None:
    turns = CallTurns()
    turns.join("run", "plan", 1)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            async with turns.turn("run"):
                raise RuntimeError
    async with asyncio.timeout(10):
        await Calls(turns).make("run")


async def test_while_the_number_stays_the_same_late_runs_share_the_turns_of_those_before() -> None:
    turns = CallTurns()
    calls = Calls(turns)
    turns.join("before", "plan", 1)
    turns.join("late", "plan", 1)
    await asyncio.gather(calls.make("before"), calls.make("late"))
    assert calls.most == 1
    turns.join("wider", "plan", 2)
    turns.join("wide", "plan", 2)
    await asyncio.gather(calls.make("wide"), calls.make("wider"))
    assert calls.most == 2


async def test_who_left_waits_for_nobody() -> None:
    turns = CallTurns()
    calls = Calls(turns)
    for name in ("one", "two"):
        turns.join(name, "plan", 1)
        turns.leave(name)
    await asyncio.gather(calls.make("one"), calls.make("two"))
    assert calls.most == 2
