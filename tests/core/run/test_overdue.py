"""A run that takes longer than it may ends as TimedOut, whatever it is doing then (wdl.md §6)."""

from datetime import timedelta
from typing import Any

import pytest

from core.run.driving import BEGINNING, OK, UNAVAILABLE, Drive, child, compose, flow_of, http, start_of, webhook
from flowmend.core.outcome import Status
from flowmend.core.run import (
    AbandonCall,
    AnswerAwaited,
    CallFinished,
    CallOperation,
    OverdueRecord,
    Recovered,
    RunOverdue,
    TimerFired,
    Unsubscribe,
)

ENDS_BY = BEGINNING + timedelta(hours=1)
WAIT = {"type": "Wait", "inputs": {"interval": {"count": 2, "unit": "Hour"}}}


def begun(actions: dict[str, Any], **options: Any) -> Drive:
    drive = Drive(flow_of(actions), start_of(ends_by=ENDS_BY), **options)
    drive.begin()
    return drive


@pytest.mark.parametrize(
    "first",
    [WAIT, http(), child(), {"type": "Scope", "actions": {"A": WAIT}}, {"type": "Foreach", "foreach": [1], "actions": {"A": http()}}],
    ids=["a delay", "a call", "a child flow", "a scope", "a loop"],
)  # fmt: skip
def test_what_is_under_way_is_cancelled_and_the_rest_skipped(first: dict[str, Any]) -> None:
    drive = begun({"F": first, "Z": compose()})
    drive.later(hours=1)
    drive.send(RunOverdue())
    assert (drive.status, drive.end.code) == ("TimedOut", "WorkflowRunTimedOut")
    assert drive.end.error is not None
    assert drive.end.error.code == "WorkflowRunTimedOut"
    assert (drive.statuses()["F"], drive.statuses()["Z"]) == ("Cancelled", "Skipped")


def test_before_its_time_nothing_happens() -> None:
    drive = begun({"F": http()})
    drive.later(minutes=59)
    assert drive.send(RunOverdue()) == []
    assert drive.state.end is None


def test_a_run_without_a_limit_goes_on_for_ever() -> None:
    drive = Drive(flow_of({"F": http()}))
    drive.begin()
    drive.later(days=5000)
    assert drive.send(RunOverdue()) == []


def test_the_call_under_way_is_abandoned() -> None:
    drive = begun({"F": http()})
    drive.later(hours=2)
    assert AbandonCall(("F", ())) in drive.send(RunOverdue())


def test_a_subscription_is_ended() -> None:
    drive = begun({"F": webhook()})
    drive.answer(drive.calls[0])
    drive.later(hours=2)
    assert any(isinstance(command, Unsubscribe) for command in drive.send(RunOverdue()))


def test_a_call_that_ended_meanwhile_is_told_as_it_ended() -> None:
    drive = begun({"F": http(), "Z": compose()})
    drive.later(hours=2)
    drive.answer(drive.calls[0])
    assert (drive.statuses(), drive.status) == ({"F": "Succeeded", "Z": "Skipped"}, "TimedOut")


def test_a_call_is_not_tried_again() -> None:
    drive = begun({"F": http()})
    drive.later(hours=2)
    commands = drive.answer(drive.calls[0], UNAVAILABLE)
    assert not any(isinstance(command, CallOperation) for command in commands)
    assert (drive.statuses()["F"], drive.status) == ("Cancelled", "TimedOut")


def test_a_run_whose_last_action_ends_late_is_not_overdue() -> None:
    drive = begun({"F": http()})
    drive.later(hours=2)
    drive.answer(drive.calls[0])
    assert drive.status == "Succeeded"


@pytest.mark.parametrize("first", [WAIT, http(method="POST"), child()], ids=["a delay", "a call", "a child flow"])
def test_a_run_that_was_away_sends_nothing_again(first: dict[str, Any]) -> None:
    drive = begun({"F": first, "Z": compose()})
    if drive.calls and drive.calls[0].call.__class__.__name__ == "ChildCall":
        drive.send(AnswerAwaited(("F", ())))
    other = drive.recovered()
    other.moment.now = ENDS_BY
    commands = other.send(Recovered())
    assert not any(isinstance(command, CallOperation) for command in commands)
    assert other.status == "TimedOut"


def test_a_run_ends_once_however_many_slices_that_takes() -> None:
    drive = begun(
        {"F": {"type": "Scope", "actions": {f"A{n}": http() | {"runAfter": {}} for n in range(9)}}}, budget=20
    )
    drive.later(hours=2)
    drive._budget = 1
    drive.send(TimerFired(("F", ())))
    assert [entry for entry in drive.entries if isinstance(entry, OverdueRecord)] == [
        OverdueRecord(at=drive.moment.now)
    ]
    late = CallFinished(("A8", ()), OK, started_at=drive.moment.now, ended_at=drive.moment.now)
    assert drive.send(late) == []
    assert drive.end.status is Status.TIMED_OUT


def test_the_journal_tells_the_same() -> None:
    drive = begun({"F": WAIT, "Z": compose()})
    drive.later(hours=3)
    drive.send(RunOverdue())
    assert drive.recovered().state.end == drive.end
