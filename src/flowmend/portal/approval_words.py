"""How approvals are shown: their state, and their answers in the reader's words."""

from flowmend.portal.language import marked
from flowmend.portal.words import Look
from flowmend.store.approval_rows import ApprovalRow, ApprovalState

_WAITING = Look("wait", "held", marked("Waiting"))
_WITHDRAWN = Look("cancel", "idle", marked("Withdrawn"))
_ANSWERED = Look("ok", "good", marked("Answered"))
_BY_OUTCOME = {"Approve": Look("ok", "good", marked("Approved")), "Reject": Look("close", "idle", marked("Rejected"))}

#: The answers that every flow knows; a flow's own are shown as they are.
_OPTIONS = {"Approve": marked("Approve"), "Reject": marked("Reject")}
_KINDS = {
    "Basic": marked("The first answer decides."),
    "BasicAwaitAll": marked("Everyone must approve; one rejection decides."),
    "CustomResponse": marked("The first answer decides."),
    "CustomResponseAwaitAll": marked("Everyone answers."),
}
_MAIL_PROBLEMS = {
    "NoMailConnection": marked("No mail was sent: the connection to Approvals names no SMTP connection."),
    "NoMailAddress": marked("No mail was sent: this is no mail address."),
}
_MAIL_REFUSED = marked("The mail could not be sent.")


def approval_look(row: ApprovalRow) -> Look:
    """Its status, told apart by shape, colour and word."""
    if row.state is ApprovalState.WAITING:
        return _WAITING
    return _WITHDRAWN if row.state is ApprovalState.CANCELLED else _BY_OUTCOME.get(row.outcome, _ANSWERED)


def option_words(option: str) -> str:
    """An answer, to be translated where every flow knows it; else "" and it is shown as it is."""
    return _OPTIONS.get(option, "")


def decides_words(approval_type: str) -> str:
    """How the answers decide, to be translated."""
    return _KINDS.get(approval_type, "")


def mail_words(problem: str) -> str:
    """Why nobody was written to, to be translated."""
    return _MAIL_PROBLEMS.get(problem, _MAIL_REFUSED)
