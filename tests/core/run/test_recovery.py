"""A run read back from any part of its journal goes on as if nothing had happened."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.run.any_flow import ADD, VARIABLES, WAIT, Actions, any_actions, with_variables
from core.run.driving import (
    ACCEPTED,
    NOT_FOUND,
    OK,
    UNAVAILABLE,
    Answers,
    Drive,
    after,
    child,
    compose,
    failing,
    flow_of,
    http,
    start_of,
    webhook,
)
from flowmend.core.outcome import ContentAwaited, Outcome, Status
from flowmend.core.run import ActionRecord, CallOperation, FollowUp, Recovered, RunState, WaitUntil

APPEND: Actions = {"type": "AppendToArrayVariable", "inputs": {"name": "list", "value": "@item()"}}

STRAIGHT: Actions = {
    "A": compose("@guid()"),
    "B": http(body="@outputs('A')"),
    "C": compose("@rand(1, 1000)"),
    "D": http(body="@utcNow()"),
}
BRANCHED: Actions = {
    "A": http() | {"runAfter": {}},
    "If": {
        "type": "If",
        "expression": "@equals(1, 1)",
        "actions": {"T": http(), "U": compose("@guid()")},
        "else": {"actions": {"E": {"type": "Scope", "actions": {"F": compose()}}}},
    },
    "Try": {"type": "Scope", "actions": {"X": failing(), "Y": compose()}},
    "Catch": {"type": "Scope", "runAfter": after(Try="Failed"), "actions": {"R": compose("@result('Try')")}},
    "Answer": {"type": "Response", "inputs": {"body": "@outputs('U')"}},
}
LOOPED: Actions = VARIABLES | {
    "L": {
        "type": "Foreach",
        "foreach": "@range(0, 3)",
        "actions": {"G": compose("@guid()"), "H": http(body="@outputs('G')"), "P": APPEND, "Q": ADD},
    },
    "U": {
        "type": "Until",
        "expression": "@greaterOrEquals(variables('n'), 6)",
        "actions": {"V": ADD, "W": WAIT},
    },
    "Z": compose("@concat(string(variables('n')), string(length(variables('list'))))"),
}  # fmt: skip
STOPPED: Actions = {
    "Slow": http() | {"runAfter": {}},
    "S": {"type": "Scope", "runAfter": {}, "actions": {"T": {"type": "Terminate", "inputs": {"runStatus": "Failed"}}, "N": compose()}},
    "M": compose(),
}  # fmt: skip
FLOWS: dict[str, tuple[Actions, Answers | None]] = {
    "straight": (STRAIGHT, None),
    "branched": (BRANCHED, None),
    "looped": (LOOPED, None),
    "stopped": (STOPPED, None),
    "retried": ({"A": http(), "B": compose()}, {"A": [UNAVAILABLE, UNAVAILABLE, OK]}),
    "handled": ({"A": http(), "B": http() | {"runAfter": after(A="Failed")}}, {"A": NOT_FOUND}),
}

CHUNKED: Actions = http(method="POST", body="content of 20 bytes.") | {
    "runtimeConfiguration": {"contentTransfer": {"transferMode": "Chunked"}}
}
PIECE_AT_0, PIECE_AT_8 = (
    Outcome(
        status=Status.SUCCEEDED,
        code="OK",
        outputs={"statusCode": 200, "headers": {"Location": "/files/7"}},
        content_awaited=ContentAwaited(start=start, chunk_bytes=8),
    )
    for start in (0, 8)
)

#: Flows whose actions go on after their first call.
LATER: dict[str, tuple[Actions, Answers | None]] = {
    "polled": ({"A": http(), "B": compose("@body('A')")}, {"A": [ACCEPTED, ACCEPTED, OK]}),
    "uploaded": ({"A": CHUNKED, "B": compose("@body('A')")}, {"A": [PIECE_AT_0, PIECE_AT_8, OK]}),
    "called back": ({"W": webhook(), "B": compose("@body('W')")}, None),
    "given up": ({"W": webhook(limit={"timeout": "PT1S"}), "B": compose(runAfter=after(W="TimedOut Succeeded"))}, None),
    "child": ({"C": child(), "B": compose("@outputs('C')")}, None),
    "in a loop": (
        {"L": {"type": "Foreach", "foreach": "@range(0, 2)", "actions": {"W": webhook(), "C": child()}}},
        None,
    ),
    "computed": ({"E": {"type": "Expression", "kind": "CurrentTime", "inputs": {}}, "A": http()}, None),
}


def durable(state: RunState) -> dict[str, Any]:
    """Everything of a state that recovery must give back."""
    return {
        "records": state.records,
        "unfinished": list(state.unfinished),
        "ready": list(state.ready),
        "branches": {
            key: (opened.remaining, opened.waiting, opened.skip, opened.owner_key)
            for key, opened in state.branches.items()
        },
        "loops": {
            key: (loop.items, loop.next_index, loop.open_count, loop.has_failed) for key, loop in state.loops.items()
        },
        "variables": {name: (one.type, one.read()) for name, one in state.variables.items()},
        "held_back": state.held_back,
        "ending": state.ending,
        "has_responded": state.has_responded,
        "end": state.end,
    }


def finished(drive: Drive) -> dict[Any, ActionRecord]:
    return {key: record for key, record in drive.records.items() if record.status.is_terminal}


@pytest.mark.parametrize("name", FLOWS)
def test_a_run_goes_on_from_every_prefix_of_its_journal(name: str) -> None:
    actions, answers = FLOWS[name]
    whole = Drive(flow_of(actions)).to_end(answers)
    for length in range(len(whole.entries)):
        prefix = whole.entries[:length]
        other = whole.recovered(prefix)
        before = finished(other)
        other.to_end(None, other.send(Recovered(caller_waits=True)))
        assert finished(other).items() >= before.items(), f"a finished action was done again after {length} entries"
        if name not in {"retried", "handled"}:  # their answers are other ones after the interruption
            assert other.statuses() == whole.statuses()
            assert (other.status, other.end.code) == (whole.status, whole.end.code)


@pytest.mark.parametrize("name", LATER)
def test_what_goes_on_after_its_call_goes_on_from_every_prefix(name: str) -> None:
    actions, answers = LATER[name]
    whole = Drive(flow_of(actions)).to_end(answers)
    assert whole.status == "Succeeded"
    for length in range(len(whole.entries)):
        other = whole.recovered(whole.entries[:length])
        before = finished(other)
        other.to_end({"A": [OK]}, other.send(Recovered(caller_waits=True)))
        assert finished(other).items() >= before.items()
        assert (other.statuses(), other.status) == (whole.statuses(), whole.status)


@pytest.mark.parametrize("name", FLOWS)
def test_a_recovered_call_is_sent_as_it_was_journalled(name: str) -> None:
    actions, answers = FLOWS[name]
    whole = Drive(flow_of(actions)).to_end(answers)
    sent = {call.key: call for call in whole.calls}
    for length in range(len(whole.entries)):
        other = whole.recovered(whole.entries[:length])
        under_way = {key for key, record in other.state.unfinished.items() if record.key and record.wake_at is None}
        other.send(Recovered())
        repeated = {call.key: call for call in other.calls if call.is_repeat}
        if other.state.ending is None:
            assert set(repeated) == under_way
        for key, call in repeated.items():
            assert (call.call, call.client_request_id) == (sent[key].call, sent[key].client_request_id)


def test_the_piece_that_was_under_way_is_sent_again_and_no_other() -> None:
    drive = Drive(flow_of({"A": CHUNKED}))
    drive.begin()
    drive.answer(drive.calls[0], PIECE_AT_0)
    drive.answer(drive.calls[1], PIECE_AT_8)
    other = drive.recovered()
    other.send(Recovered())
    (again,) = other.calls
    assert again.is_repeat
    assert isinstance(again.call, FollowUp)
    assert (again.call, again.client_request_id) == (drive.calls[2].call, drive.calls[0].client_request_id)
    assert (again.call.method, again.call.location) == ("PATCH", "/files/7")
    assert again.call.content == ContentAwaited(start=8, chunk_bytes=8)


def test_a_crash_before_any_call_repeats_nothing() -> None:
    drive = Drive(flow_of(STRAIGHT))
    other = drive.recovered()
    other.send(Recovered())
    assert [call.is_repeat for call in other.calls] == [False]


def test_a_wait_under_way_is_waited_for_again_and_one_that_is_over_ends() -> None:
    drive = Drive(flow_of({"W": WAIT, "B": compose()}))
    drive.begin()
    other = drive.recovered()
    assert other.send(Recovered()) == drive.commands
    drive.later(hours=2)
    late = drive.recovered()
    late.send(Recovered())
    assert late.status == "Succeeded"


def test_a_retry_that_waits_is_waited_for_and_one_that_was_sent_is_a_repeat() -> None:
    drive = Drive(flow_of({"A": http()}))
    drive.begin()
    drive.answer(drive.calls[0], UNAVAILABLE)
    other = drive.recovered()
    (command,) = other.send(Recovered())
    assert isinstance(command, WaitUntil)
    drive.to_end(None, [command])
    sent = next(index for index, entry in enumerate(drive.entries) if _is_second_try(entry))
    third = drive.recovered(drive.entries[: sent + 1])
    third.send(Recovered())
    assert [(call.attempt, call.is_repeat) for call in third.calls] == [(2, True)]


def test_after_a_restart_the_caller_is_gone() -> None:
    drive = Drive(flow_of({"A": http(), "R": {"type": "Response", "inputs": {}}}))
    drive.begin()
    other = drive.recovered()
    other.to_end(None, other.send(Recovered()))
    assert (other.record("R").status, other.status) == (Status.SKIPPED, "Succeeded")


@pytest.mark.parametrize("budget", [1, 2, 3, 500])
def test_a_budget_slices_a_run_and_changes_nothing_else(budget: int) -> None:
    drive = Drive(flow_of(LOOPED), budget=budget).to_end()
    assert drive.statuses() == Drive(flow_of(LOOPED)).to_end().statuses()
    assert max(drive.slices) <= 2 * budget + 2


# -- any flow -------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    actions=any_actions(),
    outcomes=st.lists(st.sampled_from([OK, OK, NOT_FOUND, UNAVAILABLE, ACCEPTED]), min_size=1),
    budget=st.integers(1, 5),
)
def test_any_run_ends_and_its_journal_gives_its_state_back(
    actions: Actions, outcomes: list[Outcome], budget: int
) -> None:
    chosen = iter([*outcomes, OK] * 1000)

    def answer(_call: CallOperation) -> Outcome:
        return next(chosen)

    whole = Checked(flow_of(with_variables(actions)), start_of(), budget=budget).to_end(answer)
    assert whole.state.end is not None
    assert not whole.state.unfinished
    assert not whole.state.branches.keys() - {(whole.compiled.root.number, ())}
    for length in range(0, len(whole.entries), max(1, len(whole.entries) // 7)):
        other = whole.recovered(whole.entries[:length])
        before = finished(other)
        other.to_end(answer, other.send(Recovered(caller_waits=True)))
        assert finished(other).items() >= before.items()
        assert other.state.end is not None


class Checked(Drive):
    """Compares the state with what its journal folds to after every event."""

    def send(self, event: Any) -> Any:
        commands = super().send(event)
        assert durable(self.state) == durable(self.recovered().state)
        return commands


def _is_second_try(entry: Any) -> bool:
    return isinstance(entry, ActionRecord) and len(entry.attempts) == 1 and entry.wake_at is None and not entry.ended_at
