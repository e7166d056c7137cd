"""A defect of ours in one run ends that run, with its reason, and no other."""

from datetime import UTC, datetime

from flowmend.core.outcome import Status
from flowmend.core.run import EndRecord, EndRun
from flowmend.worker.active_run import given_up


def test_a_run_given_up_ends_failed_and_says_where_to_look() -> None:
    decision = given_up(datetime(2026, 1, 1, tzinfo=UTC))
    (entry,), (command,) = decision.entries, decision.commands
    assert isinstance(entry, EndRecord)
    assert isinstance(command, EndRun)
    assert (entry.status, entry.code) == (Status.FAILED, "InternalError")
    assert entry.error is not None
    assert "log" in entry.error.message
