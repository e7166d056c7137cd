"""Rows of approvals, as values. Frozen; times aware, UTC."""

from datetime import datetime
from enum import StrEnum

from flowmend.core.json_value import Json
from flowmend.store.rows import Row


class ApprovalState(StrEnum):
    """Whether an approval can be answered."""

    WAITING = "waiting"  # for an answer that decides it
    COMPLETED = "completed"  # decided; the outcome says how
    CANCELLED = "cancelled"  # who asked does not wait any more


class ApprovalRow(Row, frozen=True, kw_only=True):
    """A question to people. request_id: the call that asked, so that its repeat asks nobody twice.

    run_name, action: who asked. options: a list of texts. outcome: "" until it is decided.
    """

    approval_id: str
    request_id: str
    connection_id: str
    flow_id: str = ""
    run_name: str = ""
    action: str = ""
    approval_type: str
    title: str
    details: str = ""
    item_link: str = ""
    item_link_description: str = ""
    requestor: str = ""
    options: Json
    approver_count: int
    is_notified: bool = False
    state: ApprovalState = ApprovalState.WAITING
    outcome: str = ""
    created_at: datetime
    ended_at: datetime | None = None


class ApproverRow(Row, frozen=True, kw_only=True):
    """One person asked, and their answer. position: in the order assigned.

    digest: of the secret of the mailed link, None where none was mailed. mail_problem: the code with which mailing failed.
    answered_by: the person who answered in the portal or by the API, "" by link. answered_through: `portal`, `api` or `link`.
    """

    approval_id: str
    approver: str
    position: int
    digest: bytes | None = None
    link_expires_at: datetime | None = None
    mailed_at: datetime | None = None
    mail_problem: str = ""
    response: str = ""
    comments: str = ""
    answered_by: str = ""
    answered_through: str = ""
    answered_at: datetime | None = None


class ApprovalWaitRow(Row, frozen=True, kw_only=True):
    """An action that waits for an approval. repetition: `000001-000000`, "" outside loops. It goes once it was told."""

    approval_id: str
    run_name: str
    action: str
    repetition: str
    flow_id: str
