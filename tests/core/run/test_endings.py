"""Response, Wait, Terminate, cancellation and the run's own end (wdl.md §4 and §6)."""

from datetime import timedelta
from typing import Any

import pytest

from core.run.driving import BEGINNING, Drive, after, compose, failing, flow_of, http, run, start_of
from flowmend.core.outcome import Status
from flowmend.core.run import (
    AbandonCall,
    CallerGone,
    CancelRequested,
    EndRun,
    ResponseRecord,
    SendResponse,
    TimerFired,
    WaitUntil,
)

Actions = dict[str, Any]


def response(**inputs: Any) -> Actions:
    return {"type": "Response", "kind": "Http", "inputs": inputs}


def terminate(status: str, **error: Any) -> Actions:
    return {"type": "Terminate", "inputs": {"runStatus": status} | ({"runError": error} if error else {})}


def wait(**inputs: Any) -> Actions:
    return {"type": "Wait", "inputs": inputs}


def answers(drive: Drive) -> list[SendResponse]:
    return [command for command in drive.commands if isinstance(command, SendResponse)]


# -- Response -------------------------------------------------------------------------------------------------


def test_a_response_answers_the_caller_and_the_run_goes_on() -> None:
    drive = run({"A": response(statusCode=201, headers={"x": 1}, body={"n": "@triggerBody()['n']"}), "B": compose()})
    assert answers(drive) == [SendResponse(status_code=201, headers={"x": "1"}, body={"n": 3})]
    assert drive.record("A").outputs == {"statusCode": 201, "headers": {"x": 1}, "body": {"n": 3}}
    assert [entry.status_code for entry in drive.entries if isinstance(entry, ResponseRecord)] == [201]
    assert drive.statuses()["B"] == "Succeeded"


def test_headers_that_belong_to_the_server_are_dropped() -> None:
    headers = dict.fromkeys(("Allow", "Set-Cookie", "content-length", "Content-Type", "X-Mine"), "1")
    assert answers(run({"A": response(headers=headers)}))[0].headers == {"Content-Type": "1", "X-Mine": "1"}


def test_a_second_response_fails() -> None:
    drive = run({"A": response(), "B": response()})
    assert (drive.statuses()["B"], len(answers(drive)), drive.status) == ("Failed", 1, "Failed")


@pytest.mark.parametrize("gone", [True, False])
def test_without_a_caller_the_response_is_skipped_and_fails_nothing(gone: bool) -> None:
    drive = Drive(flow_of({"A": compose(), "R": response()}), start_of(is_synchronous=gone))
    if gone:
        drive.send(CallerGone())
    drive.begin()
    assert (drive.record("R").status, drive.record("R").code) == (Status.SKIPPED, "ActionResponseSkipped")
    assert drive.status == "Succeeded"


def test_an_unreached_response_is_told_to_whoever_answers_the_caller() -> None:
    drive = run({"A": failing(), "R": response()})
    assert drive.state.answer_is_missing
    assert not run({"R": response()}).state.answer_is_missing


@pytest.mark.parametrize("status_code", [302, 99, "abc", "@null", True])
def test_a_status_that_is_none_fails_the_response(status_code: Any) -> None:
    drive = run({"R": response(statusCode=status_code)})
    assert (drive.statuses()["R"], answers(drive)) == ("Failed", [])


# -- Wait -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "inputs", "length"),
    [
        ("minutes", {"interval": {"count": 5, "unit": "Minute"}}, timedelta(minutes=5)),
        ("computed", {"interval": {"count": "@triggerBody()['n']", "unit": "Hour"}}, timedelta(hours=3)),
        ("text", {"interval": {"count": "2", "unit": "Week"}}, timedelta(weeks=2)),
        ("month", {"interval": {"count": 1, "unit": "Month"}}, timedelta(days=31)),
        ("until", {"until": {"timestamp": "2026-01-02T04:04:05.0000000Z"}}, timedelta(hours=1)),
        ("until_offset", {"until": {"timestamp": "2026-01-02T06:04:05+02:00"}}, timedelta(hours=1)),
    ],
)
def test_a_wait_waits_and_has_no_outputs(word: str, inputs: Actions, length: timedelta) -> None:
    drive = Drive(flow_of({"W": wait(**inputs)}))
    drive.begin()
    assert (drive.record("W").status, drive.record("W").wake_at) == (Status.WAITING, BEGINNING + length)
    assert drive.commands == [WaitUntil(("W", ()), BEGINNING + length)]
    drive.send(TimerFired(("W", ())))
    assert drive.record("W").status is Status.WAITING
    drive.moment.now += length
    drive.send(TimerFired(("W", ())))
    assert (drive.record("W").status, drive.record("W").code, drive.record("W").outputs) == (
        Status.SUCCEEDED,
        "OK",
        None,
    )


def test_a_moment_in_the_past_is_not_waited_for() -> None:
    assert run({"W": wait(until={"timestamp": "2020-01-01T00:00:00Z"})}).entries[0].status is Status.SUCCEEDED


@pytest.mark.parametrize("inputs", [{}, {"interval": {"count": 1, "unit": "Eon"}}, {"until": {"timestamp": "soon"}}])
def test_a_wait_for_nothing_fails(inputs: Actions) -> None:
    assert run({"W": wait(**inputs)}).status == "Failed"


# -- Terminate --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "action", "status", "code"),
    [
        ("succeeded", terminate("Succeeded"), "Succeeded", ""),
        ("cancelled", terminate("cancelled"), "Cancelled", ""),
        ("failed", terminate("Failed", code="Mine", message="no"), "Failed", "Mine"),
        ("failed_plain", terminate("Failed"), "Failed", "Terminated"),
    ],
)
def test_terminate_ends_the_run_as_it_says(word: str, action: Actions, status: str, code: str) -> None:
    drive = run({"T": action, "After": compose(), "Handler": compose(runAfter=after(T="Failed Skipped TimedOut"))})
    assert (drive.status, drive.end.code) == (status, code)
    assert drive.statuses() == {"T": "Succeeded", "After": "Skipped", "Handler": "Skipped"}
    assert drive.record("After").code == "Terminated"


def test_terminate_cancels_what_runs_and_what_is_around_it() -> None:
    actions = {
        "Slow": http() | {"runAfter": {}},
        "S": {
            "type": "Scope",
            "runAfter": {},
            "actions": {"I": {"type": "If", "expression": "@true", "actions": {"T": terminate("Failed")}}},
        },
        "Later": compose(),
    }
    drive = Drive(flow_of(actions))
    commands = drive.begin()
    assert drive.statuses() == {
        "Slow": "Cancelled", "S": "Cancelled", "I": "Cancelled", "T": "Succeeded", "Later": "Skipped",
    }  # fmt: skip
    assert AbandonCall(("Slow", ())) in commands
    assert isinstance(commands[-1], EndRun)
    assert drive.status == "Failed"


def test_a_terminate_without_a_status_fails() -> None:
    drive = run({"T": terminate("Perhaps"), "H": compose(runAfter=after(T="Failed"))})
    assert (drive.statuses(), drive.status) == ({"T": "Failed", "H": "Succeeded"}, "Succeeded")


# -- cancel -----------------------------------------------------------------------------------------------------


def test_cancelling_ends_everything_under_way() -> None:
    loop = {"type": "Foreach", "foreach": [1, 2], "actions": {"A": http(), "B": compose()}}
    actions = {"L": loop, "W": wait(interval={"count": 1, "unit": "Day"}) | {"runAfter": {}}, "Z": compose()}
    drive = Drive(flow_of(actions))
    drive.begin()
    commands = drive.send(CancelRequested(by="owner"))
    assert drive.statuses() == {
        "L": "Cancelled", "A[0]": "Cancelled", "A[1]": "Cancelled", "B[0]": "Skipped", "B[1]": "Skipped",
        "W": "Cancelled", "Z": "Skipped",
    }  # fmt: skip
    assert [command for command in commands if isinstance(command, AbandonCall)] == [
        AbandonCall(("A", (0,))),
        AbandonCall(("A", (1,))),
    ]
    assert (drive.status, drive.end.outputs) == ("Cancelled", None)


def test_after_its_end_a_run_hears_nothing() -> None:
    drive = run({"A": http()})
    count = len(drive.entries)
    drive.send(CancelRequested())
    drive.answer(drive.calls[0])
    assert len(drive.entries) == count


# -- outputs ----------------------------------------------------------------------------------------------------


def test_the_runs_outputs_are_evaluated_at_its_end() -> None:
    outputs = {
        "good": {"type": "String", "value": "@outputs('A')"},
        "bad": {"type": "Int", "value": "@int(outputs('A'))"},
    }
    drive = run({"A": compose("x")}, outputs=outputs)
    assert drive.end.outputs["good"] == {"type": "String", "value": "x"}
    assert drive.end.outputs["bad"]["error"]["code"] == "InvalidTemplate"
    assert drive.status == "Succeeded"
