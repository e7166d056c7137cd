"""What answers make of an approval."""

from datetime import UTC, datetime, timedelta

import pytest

from flowmend.core.approval import Answer, ApprovalType, Asked, completed_body, outcome_of

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
BASIC, ALL = ApprovalType.BASIC, ApprovalType.BASIC_AWAIT_ALL
CUSTOM, EVERY = ApprovalType.CUSTOM, ApprovalType.CUSTOM_AWAIT_ALL


@pytest.mark.parametrize(
    ("kind", "people", "responses", "outcome"),
    [
        (BASIC, 3, [], ""),
        (BASIC, 3, ["Reject"], "Reject"),
        (ALL, 2, ["Approve"], ""),
        (ALL, 2, ["Approve", "Approve"], "Approve"),
        (ALL, 3, ["Approve", "Reject"], "Reject"),
        (CUSTOM, 2, ["Ship"], "Ship"),
        (EVERY, 2, ["Ship"], ""),
        (EVERY, 2, ["Ship", "Wait"], "Ship, Wait"),
    ],
)
def test_answers_decide_by_the_approvals_type(
    kind: ApprovalType, people: int, responses: list[str], outcome: str
) -> None:
    assert outcome_of(kind, people, responses) == outcome


def test_a_flow_reads_who_answered_what_and_when() -> None:
    asked = Asked(
        name="a1",
        type=BASIC,
        title="Order 4711",
        details="",
        item_link="",
        item_link_description="",
        requestor="",
        asked_at=NOON,
    )
    answer = Answer(
        approver="ann@example.com", response="Approve", comments="go", answered_at=NOON + timedelta(hours=1)
    )
    body = completed_body(asked, "Approve", [answer])
    assert (body["outcome"], body["title"], body["completionDate"]) == ("Approve", "Order 4711", "2026-03-02T13:00:00Z")
    (response,) = body["responses"]
    assert response["responder"]["displayName"] == "ann@example.com"
    assert (response["approverResponse"], response["comments"]) == ("Approve", "go")
    assert (body["response"], body["comments"], body["responder"]["email"]) == ("Approve", "go", "ann@example.com")
