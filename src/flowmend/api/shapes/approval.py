"""Approvals: our own resource, snake_case."""

from datetime import datetime

import msgspec

from flowmend.store.approval_rows import ApprovalState
from flowmend.use_cases.approvals import ApprovalView


class ApproverShape(msgspec.Struct, frozen=True, kw_only=True):
    """Who was asked. answered_through: portal, api or link. mail_problem: the code with which mailing failed."""

    name: str
    response: str
    comments: str
    answered_at: datetime | None
    answered_by: str
    answered_through: str
    mailed_at: datetime | None
    mail_problem: str


class ApprovalShape(msgspec.Struct, frozen=True, kw_only=True):
    """What people are asked. options: what one answers with. outcome: empty until it is decided."""

    id: str
    state: ApprovalState
    type: str
    title: str
    details: str
    item_link: str
    item_link_description: str
    requestor: str
    options: tuple[str, ...]
    outcome: str
    approvers: list[ApproverShape]
    flow_id: str
    flow_name: str
    run_name: str
    created_at: datetime
    ended_at: datetime | None


def approval_shape(view: ApprovalView) -> ApprovalShape:
    """An approval as the API shows it."""
    row = view.row
    return ApprovalShape(
        id=row.approval_id,
        state=row.state,
        type=row.approval_type,
        title=row.title,
        details=row.details,
        item_link=row.item_link,
        item_link_description=row.item_link_description,
        requestor=row.requestor,
        options=view.options,
        outcome=row.outcome,
        approvers=[
            ApproverShape(
                name=one.approver,
                response=one.response,
                comments=one.comments,
                answered_at=one.answered_at,
                answered_by=one.answered_by,
                answered_through=one.answered_through,
                mailed_at=one.mailed_at,
                mail_problem=one.mail_problem,
            )
            for one in view.people
        ],
        flow_id=row.flow_id,
        flow_name=view.flow_name,
        run_name=row.run_name,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )
