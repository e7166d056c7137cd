"""The contract of `store.approvals`."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from flowmend.core.errors import Conflict
from flowmend.store import Store
from flowmend.store.approval_rows import ApprovalRow, ApprovalState, ApprovalWaitRow, ApproverRow


def question(examples: Any, **parts: Any) -> ApprovalRow:
    return ApprovalRow(
        **{
            "approval_id": "a1",
            "request_id": "call-1",
            "connection_id": "c1",
            "flow_id": "f1",
            "run_name": "r1",
            "action": "Ask",
            "approval_type": "Basic",
            "title": "Order 4711",
            "options": ["Approve", "Reject"],
            "approver_count": 2,
            "created_at": examples.noon,
            **parts,
        }
    )


def people(approval_id: str = "a1") -> list[ApproverRow]:
    return [ApproverRow(approval_id=approval_id, approver=name, position=at) for at, name in enumerate(("ann", "bob"))]


def wait(approval_id: str = "a1", repetition: str = "") -> ApprovalWaitRow:
    return ApprovalWaitRow(approval_id=approval_id, run_name="r1", action="Ask", repetition=repetition, flow_id="f1")


def said(examples: Any, response: str = "Approve", minutes: int = 1) -> dict[str, Any]:
    return {"response": response, "comments": "", "answered_at": examples.noon + timedelta(minutes=minutes)}


def first(row: ApprovalRow, given: Sequence[ApproverRow]) -> str:
    return given[0].response


def everyone(row: ApprovalRow, given: Sequence[ApproverRow]) -> str:
    return "Approve" if len(given) == row.approver_count else ""


def test_a_question_reads_back_with_whom_it_asks(store: Store, examples: Any) -> None:
    row = question(examples)
    assert store.approvals.ask(row, people(), wait()) == row
    assert store.approvals.get("a1") == row
    assert [one.approver for one in store.approvals.people_of(["a1"])["a1"]] == ["ann", "bob"]
    assert (list(store.approvals.waits_of("a1")), store.approvals.count_waiting()) == ([wait()], 1)
    assert store.approvals.people_of(["other"]) == {"other": ()}


def test_the_same_request_asks_nobody_twice(store: Store, examples: Any) -> None:
    store.approvals.ask(question(examples), people(), wait())
    again = store.approvals.ask(question(examples, approval_id="a2"), people("a2"), wait("a2"))
    assert (again.approval_id, store.approvals.get("a2")) == ("a1", None)


def test_an_answer_that_decides_ends_it_and_no_other_comes_after(store: Store, examples: Any) -> None:
    store.approvals.ask(question(examples), people(), wait())
    row = store.approvals.answer("a1", "bob", said(examples, "Reject"), first)
    assert (row.state, row.outcome, row.ended_at) == (ApprovalState.COMPLETED, "Reject", said(examples)["answered_at"])
    with pytest.raises(Conflict, match="no answer") as error:
        store.approvals.answer("a1", "ann", said(examples), first)
    assert error.value.code == "ApprovalNotWaiting"
    assert store.approvals.people_of(["a1"])["a1"][0].response == ""


def test_nobody_answers_twice(store: Store, examples: Any) -> None:
    store.approvals.ask(question(examples), people(), None)
    assert store.approvals.answer("a1", "ann", said(examples), everyone).state is ApprovalState.WAITING
    with pytest.raises(Conflict) as error:
        store.approvals.answer("a1", "ann", said(examples, "Reject"), everyone)
    assert error.value.code == "AlreadyAnswered"


@pytest.mark.parametrize("decide", [first, everyone])
def test_of_many_answers_at_once_none_is_lost_and_one_decides(store: Store, examples: Any, decide: Any) -> None:
    names = [f"p{number}" for number in range(8)]
    rows = [ApproverRow(approval_id="a1", approver=name, position=at) for at, name in enumerate(names)]
    store.approvals.ask(question(examples, approver_count=8), rows, None)

    def answer(name: str) -> str:
        try:
            return str(store.approvals.answer("a1", name, said(examples), decide).state)
        except Conflict:
            return "late"

    with ThreadPoolExecutor(8) as pool:
        came = list(pool.map(answer, names))
    assert came.count("completed") == 1
    assert came.count("late" if decide is first else "waiting") == 7


def test_a_cancelled_question_takes_no_answer(store: Store, examples: Any) -> None:
    store.approvals.ask(question(examples), people(), wait())
    assert store.approvals.cancel("a1", examples.noon)
    assert not store.approvals.cancel("a1", examples.noon)
    with pytest.raises(Conflict):
        store.approvals.answer("a1", "ann", said(examples), first)


def test_waiting_ones_come_oldest_first_and_others_newest_first(store: Store, examples: Any) -> None:
    for number in range(4):
        name = f"a{number}"
        at = examples.noon + timedelta(hours=number)
        store.approvals.ask(question(examples, approval_id=name, request_id=name, created_at=at), people(name), None)
    for name in ("a0", "a3"):
        store.approvals.cancel(name, examples.noon)
    assert [one.approval_id for one in store.approvals.list(is_waiting=True, limit=9)] == ["a1", "a2"]
    assert [one.approval_id for one in store.approvals.list(is_waiting=False, limit=9)] == ["a3", "a0"]
    assert [one.approval_id for one in store.approvals.list(is_waiting=False, limit=9, offset=1)] == ["a0"]


def test_a_link_leads_to_whom_it_was_mailed(store: Store, examples: Any) -> None:
    store.approvals.ask(question(examples), people(), None)
    store.approvals.note_mail("a1", "bob", digest=b"\0digest", link_expires_at=examples.noon)
    found = store.approvals.by_link(b"\0digest")
    assert found is not None
    assert (found.approver, store.approvals.by_link(b"other")) == ("bob", None)


def test_a_wait_is_kept_once_and_forgotten_alone(store: Store, examples: Any) -> None:
    store.approvals.ask(question(examples), people(), wait())
    store.approvals.wait(wait())
    store.approvals.wait(wait(repetition="000001"))
    assert len(store.approvals.all_waits()) == 2
    store.approvals.forget_wait(wait())
    assert list(store.approvals.waits_of("a1")) == [wait(repetition="000001")]
