"""Approval links: who is asked answers from the mail, without an account here.

A link is 256 random bits, of which only a digest is kept. It is good for one person's one answer to one approval. Its
secret stands in the fragment of the address, which browsers send to nobody. Whatever is wrong with a link, the answer is
the same: it tells nothing.
"""

from dataclasses import dataclass
from datetime import datetime

from flowmend.core.errors import Conflict, NotAllowed
from flowmend.store.approval_rows import ApprovalRow, ApprovalState, ApproverRow
from flowmend.use_cases.approval_mail import digest_of
from flowmend.use_cases.approvals import answer_approval
from flowmend.use_cases.ports import Services
from flowmend.use_cases.repair_links import wait_at_door

_LONGEST_CODE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the holder of a link sees: what they are asked, and nothing of flows and runs."""

    approver: str
    title: str
    details: str
    item_link: str
    item_link_description: str
    requestor: str
    options: tuple[str, ...]
    asked_at: datetime


async def open_approval_link(services: Services, secret: str, address: str) -> Question:
    """What there is to answer. address: of the caller; looking uses nothing up.

    Errors: NotAllowed `LinkNotGood`, whatever the reason; TooManyAttempts.
    """
    row, one = _good_link(services, secret, address)
    return Question(
        approver=one.approver,
        title=row.title,
        details=row.details,
        item_link=row.item_link,
        item_link_description=row.item_link_description,
        requestor=row.requestor,
        options=tuple(str(option) for option in row.options or ()),
        asked_at=row.created_at,
    )


async def answer_by_link(services: Services, secret: str, response: str, comments: str, address: str) -> None:
    """Keep the answer of whom the link was sent to; then it is used up.

    Errors: NotAllowed `LinkNotGood`, also where another answer was first; TooManyAttempts; AskedWrongly as `answer_approval`.
    """
    row, one = _good_link(services, secret, address)
    try:
        await answer_approval(
            services, row.approval_id, response, approver=one.approver, comments=comments, through="link"
        )
    except Conflict as error:
        raise _not_good() from error


def _good_link(services: Services, secret: str, address: str) -> tuple[ApprovalRow, ApproverRow]:
    now, door, caller = services.clock.now, services.repair_door, f"address {address}"
    wait_at_door(door, caller, now)
    one = services.store.approvals.by_link(digest_of(secret)) if 0 < len(secret) <= _LONGEST_CODE else None
    row = services.store.approvals.get(one.approval_id) if one is not None else None
    is_over = one is None or one.answered_at is not None or one.link_expires_at is None or one.link_expires_at <= now
    if one is None or row is None or is_over or row.state is not ApprovalState.WAITING:
        door.add(caller, now)
        raise _not_good()
    return row, one


def _not_good() -> NotAllowed:
    return NotAllowed(
        "This link is not good: it was used, the question was answered or withdrawn, or a newer mail came. "
        "Whoever asks can send another mail.",
        code="LinkNotGood",
    )
