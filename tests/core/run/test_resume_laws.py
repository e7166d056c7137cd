"""Whatever the flow: a resumed run does what a run that never failed would have done, less what was finished."""

from collections.abc import Callable

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.run.any_flow import HARMLESS, VARIABLES, Actions, any_actions, lines, with_variables
from core.run.driving import ACCEPTED, NOT_FOUND, OK, UNAUTHORIZED, UNAVAILABLE, Drive, compose, flow_of, start_of
from core.run.resuming import Resumed, resumption, shown
from core.run.test_recovery import durable
from flowmend.core.outcome import Outcome, Status
from flowmend.core.run import CallOperation, Command, Event, HttpCall, Recovered
from flowmend.core.run.resume import Refusal

PATIENT = start_of(is_synchronous=False)


def succeeded(drive: Drive) -> set[str]:
    """Calls that went well."""
    return {shown(key) for key, record in drive.records.items() if record.key and record.status is Status.SUCCEEDED}


@settings(max_examples=80, deadline=None)
@given(actions=any_actions(kinds=HARMLESS), chosen=st.integers(0, 40))
def test_after_one_failure_exactly_the_unfinished_calls_are_made_each_once(actions: Actions, chosen: int) -> None:
    flow = flow_of(with_variables(actions))
    never_failed = Drive(flow, PATIENT).to_end()
    keys = [call.key for call in never_failed.calls]
    assume(keys)
    fails = keys[chosen % len(keys)]
    failed = Drive(flow, PATIENT).to_end(lambda call: UNAUTHORIZED if call.key == fails else OK)
    found = resumption(failed)
    if failed.status == "Succeeded":
        return  # the flow handled it
    assert not isinstance(found, Refusal)
    again = Resumed(failed).finish()
    assert sorted(again.called()) == sorted({shown(key) for key in keys} - succeeded(failed))
    assert (again.status, again.statuses()) == (never_failed.status, never_failed.statuses())
    mine = {name: one.read() for name, one in again.state.variables.items()}
    assert mine["n"] == never_failed.state.variables["n"].read()
    assert len(mine["list"]) == len(never_failed.state.variables["list"].read())


@settings(max_examples=60, deadline=None)
@given(
    actions=any_actions(),
    outcomes=st.lists(st.sampled_from([OK, OK, NOT_FOUND, UNAUTHORIZED, UNAVAILABLE, ACCEPTED]), min_size=1),
    later=st.lists(st.sampled_from([OK, OK, OK, UNAUTHORIZED]), min_size=1),
)
def test_any_run_that_failed_is_resumed_until_it_has_nothing_left_and_repeats_no_finished_call(
    actions: Actions, outcomes: list[Outcome], later: list[Outcome]
) -> None:
    run: Drive = Drive(flow_of(with_variables(actions)), start_of()).to_end(_in_order(outcomes))
    for attempt in range(2, 6):
        found = resumption(run)
        if isinstance(found, Refusal):
            return
        again = Checked(run, name=f"R{attempt}")
        kept = {(one.name, one.repetition) for one in found.entries if one.status.is_terminal}
        again.finish(_in_order(later))
        assert again.state.end is not None
        assert not again.state.unfinished
        assert not again.state.branches.keys() - {(again.compiled.root.number, ())}
        assert not {call.key for call in again.calls} & kept
        for length in range(len(found.entries), len(again.entries), max(1, len(again.entries) // 4)):
            other = again.recovered(again.entries[:length])
            other.to_end(None, other.send(Recovered()))
            assert other.state.end is not None
        run = again


@settings(max_examples=150, deadline=None)
@given(actions=lines(), chosen=st.lists(st.integers(0, 40), min_size=1), fails_from_there=st.booleans())
def test_what_is_called_again_is_told_what_it_would_have_been_told_at_first(
    actions: Actions,
    chosen: list[int],
    fails_from_there: bool,  # as with a connection that broke
) -> None:
    flow = flow_of(VARIABLES | {"C": compose(5)} | actions)
    never_failed = Drive(flow, PATIENT).to_end()
    keys = [call.key for call in never_failed.calls]
    assume(keys)
    first = chosen[0] % len(keys)
    fails = set(keys[first:]) if fails_from_there else {keys[one % len(keys)] for one in chosen}
    again = Checked(Drive(flow, PATIENT).to_end(lambda call: UNAUTHORIZED if call.key in fails else OK))
    again.finish()
    assert again.status == "Succeeded"
    told = {call.key: told_by(call) for call in never_failed.calls}
    assert {call.key: told_by(call) for call in again.calls} == {call.key: told[call.key] for call in again.calls}
    mine, its = again.state.variables, never_failed.state.variables
    assert {name: one.read() for name, one in mine.items()} == {name: one.read() for name, one in its.items()}


def told_by(call: CallOperation) -> object:
    assert isinstance(call.call, HttpCall)
    return call.call.body


class Checked(Resumed):
    """Compares the state with what its journal folds to after every event."""

    def send(self, event: Event) -> list[Command]:
        commands = super().send(event)
        assert durable(self.state) == durable(self.recovered().state)
        return commands


def _in_order(outcomes: list[Outcome]) -> Callable[[CallOperation], Outcome]:
    chosen = iter([*outcomes, OK] * 1000)

    def answer(_call: CallOperation) -> Outcome:
        return next(chosen)

    return answer
