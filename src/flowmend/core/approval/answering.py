"""What answers make of an approval: whether they decide it, and what the flow then reads."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from flowmend.core.approval.asking import BASIC_OPTIONS, ApprovalType
from flowmend.core.json_value import Json

_REJECT = BASIC_OPTIONS[1]
#: Between the answers of several people in one outcome.
_AND = ", "


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What one approver said."""

    approver: str
    response: str
    comments: str = ""
    answered_at: datetime


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the flow reads of an approval beside its answers."""

    name: str
    type: ApprovalType
    title: str
    details: str
    item_link: str
    item_link_description: str
    requestor: str
    asked_at: datetime


def outcome_of(approval_type: ApprovalType, approver_count: int, responses: Sequence[str]) -> str:
    """What these responses, in the order they came, decide; "" where more are awaited.

    Of everybody's own options the outcome names each answer given, with commas between (observed).
    """
    if not responses:
        return ""
    if not approval_type.awaits_all:
        return responses[0]
    if approval_type is ApprovalType.BASIC_AWAIT_ALL and _REJECT in responses:
        return _REJECT
    if len(responses) < approver_count:
        return ""
    return responses[0] if approval_type is ApprovalType.BASIC_AWAIT_ALL else _AND.join(responses)


def completed_body(asked: Asked, outcome: str, answers: Sequence[Answer]) -> dict[str, Json]:
    """The body a waiting action is called back with. answers: in the order they came.

    `response`, `comments`, `responder` and `responseDate` are of the last answer, as the first version of the connector had
    them. Source: learn.microsoft.com/connectors/approvals
    """
    responses = [_response(asked, answer) for answer in answers]
    ended_at = max((answer.answered_at for answer in answers), default=asked.asked_at)
    last = responses[-1] if responses else {}
    return {
        **created_body(asked),
        "status": "Completed",
        "outcome": outcome,
        "completionDate": _written(ended_at),
        "responses": responses,
        "responseSummary": "\n\n".join(_summary(asked, answer) for answer in answers),
        "response": last.get("approverResponse", ""),
        "comments": last.get("comments", ""),
        "responder": last.get("responder"),
        "responseDate": last.get("responseDate", ""),
    }


def created_body(asked: Asked) -> dict[str, Json]:
    """What whoever creates an approval is told of it."""
    return {
        "name": asked.name,
        "approvalType": asked.type.value,
        "title": asked.title,
        "details": asked.details,
        "itemLink": asked.item_link,
        "itemLinkDescription": asked.item_link_description,
        "requestor": asked.requestor,
        "requestDate": _written(asked.asked_at),
    }


def _response(asked: Asked, answer: Answer) -> dict[str, Json]:
    return {
        "responder": {
            "id": answer.approver,
            "displayName": answer.approver,
            "email": answer.approver if "@" in answer.approver else "",
            "userPrincipalName": answer.approver,
        },
        "approverResponse": answer.response,
        "comments": answer.comments,
        "requestDate": _written(asked.asked_at),
        "responseDate": _written(answer.answered_at),
    }


def _summary(asked: Asked, answer: Answer) -> str:
    return (
        f"Approver: {answer.approver}\nResponse: {answer.response}\nComments: {answer.comments}\n"
        f"Request Date: {_written(asked.asked_at)}\nResponse Date: {_written(answer.answered_at)}"
    )


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
