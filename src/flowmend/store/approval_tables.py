"""The tables of approvals."""

from sqlalchemy import BigInteger, Boolean, Column, Index, LargeBinary, Table, literal_column

from flowmend.store.approval_rows import ApprovalState
from flowmend.store.column_types import Instant, JsonText, Named, Words
from flowmend.store.schema import index_where, key, metadata, must, part_of

approvals = Table(
    "approvals",
    metadata,
    key("approval_id"),
    Column("request_id", Words, nullable=False, unique=True),
    must("connection_id"),
    must("flow_id"),
    must("run_name"),
    must("action", Words),
    must("approval_type"),
    must("title", Words),
    must("details", Words),
    must("item_link", Words),
    must("item_link_description", Words),
    must("requestor", Words),
    must("options", JsonText),
    must("approver_count", BigInteger),
    must("is_notified", Boolean),
    must("state", Named(ApprovalState)),
    must("outcome", Words),
    must("created_at", Instant),
    Column("ended_at", Instant),
    Index("ix_approvals_created_at", "created_at"),
)
IS_WAITING = approvals.c.state == literal_column(f"'{ApprovalState.WAITING}'")
index_where("waiting", IS_WAITING, approvals.c.created_at)

approvers = Table(
    "approvers",
    metadata,
    part_of("approval_id", "approvals.approval_id", is_key=True),
    Column("approver", Words, primary_key=True),
    must("position", BigInteger),
    Column("digest", LargeBinary, unique=True),
    Column("link_expires_at", Instant),
    Column("mailed_at", Instant),
    must("mail_problem", Words),
    must("response", Words),
    must("comments", Words),
    must("answered_by"),
    must("answered_through"),
    Column("answered_at", Instant),
)

# Who waits must be told once it is decided, also after a restart.
approval_waits = Table(
    "approval_waits",
    metadata,
    part_of("approval_id", "approvals.approval_id", is_key=True),
    key("run_name"),
    Column("action", Words, primary_key=True),
    key("repetition"),
    must("flow_id"),
    Index("ix_approval_waits_run_name", "run_name"),
)
