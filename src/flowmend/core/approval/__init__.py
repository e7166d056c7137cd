"""Approvals: what a flow asks people, and what their answers make of it."""

from flowmend.core.approval.answering import Answer, Asked, completed_body, outcome_of
from flowmend.core.approval.asking import ApprovalType, NotAskable, WantedApproval, read_wanted

__all__ = [
    "Answer",
    "ApprovalType",
    "Asked",
    "NotAskable",
    "WantedApproval",
    "completed_body",
    "outcome_of",
    "read_wanted",
]
