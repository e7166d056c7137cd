"""Approvals: who is asked what, the answers, and telling the actions that wait for them.

An answer is kept first and told after that. Who was to be told stands in the store until they were, so neither a restart
nor a killed server loses an answer, and none is told twice to any effect: a run takes the first.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from flowmend.core.approval import Answer, ApprovalType, Asked, completed_body, outcome_of
from flowmend.core.errors import AskedWrongly, Conflict, NotFound, StandsStill, StoreUnavailable
from flowmend.core.outcome import Status
from flowmend.store.approval_rows import ApprovalRow, ApprovalState, ApprovalWaitRow, ApproverRow
from flowmend.use_cases.action_callbacks import CallbackRequest, bring_callback
from flowmend.use_cases.ports import Services

_log = logging.getLogger(__name__)

LONGEST_COMMENT = 10_000
#: What a flow reads as the outcome of an approval that was withdrawn (observed).
_CANCELED = "Canceled"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalView:
    """An approval with whom it asks. flow_name: "" where the flow is gone. mine: whom this person answers as, "" where they
    have to say it. options: what one answers with.
    """

    row: ApprovalRow
    people: Sequence[ApproverRow]
    flow_name: str = ""
    mine: str = ""

    @property
    def options(self) -> tuple[str, ...]:
        return tuple(str(one) for one in self.row.options or ())

    @property
    def unanswered(self) -> tuple[ApproverRow, ...]:
        return tuple(one for one in self.people if one.answered_at is None)

    @property
    def is_waiting(self) -> bool:
        return self.row.state is ApprovalState.WAITING


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalPage:
    """Approvals in their order. next_offset: of the next page, 0 at the end."""

    views: tuple[ApprovalView, ...]
    next_offset: int = 0


async def list_approvals(
    services: Services, person_id: str, *, is_waiting: bool, limit: int = 50, offset: int = 0
) -> ApprovalPage:
    """Those that wait, oldest first; or the others, newest first."""
    rows = services.store.approvals.list(is_waiting=is_waiting, limit=limit + 1, offset=offset)
    shown = rows[:limit]
    return ApprovalPage(
        views=tuple(_views(services, shown, person_id)), next_offset=offset + limit if len(rows) > limit else 0
    )


async def read_approval(services: Services, approval_id: str, person_id: str) -> ApprovalView:
    """Errors: NotFound."""
    return _views(services, [approval_row(services, approval_id)], person_id)[0]


async def answer_approval(
    services: Services,
    approval_id: str,
    response: str,
    *,
    approver: str = "",
    comments: str = "",
    person_id: str = "",
    through: str,
) -> ApprovalView:
    """Keep an answer; where it decides the approval, whoever waits goes on.

    approver: whose answer it is, "" where the person is one of those asked, or there is but one. through: `portal`, `api` or
    `link`. Errors: NotFound; AskedWrongly `ApproverNeeded`, `UnknownApprover`, `InvalidResponse`, `CommentTooLong`; Conflict
    `ApprovalNotWaiting`, `AlreadyAnswered`.
    """
    view = await read_approval(services, approval_id, person_id)
    if not view.is_waiting:
        raise Conflict("This approval waits for no answer any more.", code="ApprovalNotWaiting", target=approval_id)
    said = next((one for one in view.options if one.lower() == response.strip().lower()), "")
    if not said:
        options = ", ".join(view.options)
        raise AskedWrongly(f"One answers this with: {options}.", code="InvalidResponse", target="response")
    if len(comments) > LONGEST_COMMENT:
        message = f"A comment has {LONGEST_COMMENT} characters at most."
        raise AskedWrongly(message, code="CommentTooLong", target="comments")
    name, now = _answering(view, approver), services.clock.now
    given = {
        "response": said,
        "comments": comments.strip(),
        "answered_by": person_id,
        "answered_through": through,
        "answered_at": now,
    }
    row = services.store.approvals.answer(approval_id, name, given, _decided)
    details = {"approver": name, "response": said, "through": through}
    services.store.audit.note(person_id, "answer_approval", approval_id, details, at=now)
    services.changes.publish("approval", approval_id=approval_id, state=row.state.value)
    if row.state is not ApprovalState.WAITING:
        await tell_waiting(services, row)
    return await read_approval(services, approval_id, person_id)


async def tell_waiting(services: Services, row: ApprovalRow, *, only: ApprovalWaitRow | None = None) -> None:
    """Tell the actions that wait for an approval what became of it. only: this one."""
    people = services.store.approvals.people_of([row.approval_id])[row.approval_id]
    answers = [
        Answer(approver=one.approver, response=one.response, comments=one.comments, answered_at=one.answered_at)
        for one in sorted(people, key=lambda one: (one.answered_at or row.created_at, one.position))
        if one.answered_at is not None
    ]
    body = completed_body(asked_of(row), row.outcome, answers)
    if row.state is ApprovalState.CANCELLED:
        body |= {"status": _CANCELED, "outcome": _CANCELED}
    request = CallbackRequest(headers={}, queries={}, body=body, has_body=True)
    for wait in [only] if only is not None else services.store.approvals.waits_of(row.approval_id):
        try:
            await bring_callback(services, wait.flow_id, wait.run_name, key_of(wait), request)
        except StandsStill:
            continue  # it is told once somebody has let it go on
        except NotFound:
            if not _has_ended(services, wait):  # it cannot be read just now; it is told later
                _log.warning("Run %s could not be told of approval %s.", wait.run_name, wait.approval_id)
                continue
        services.store.approvals.forget_wait(wait)


async def let_go(services: Services, approval_id: str, run_name: str, action: str, repetition: str) -> None:
    """An action waits no more: told, timed out, or its run ended. What it asked itself asks nobody any more then."""
    found = [
        wait
        for wait in services.store.approvals.waits_of(approval_id)
        if (wait.run_name, wait.action, wait.repetition) == (run_name, action, repetition)
    ]
    for wait in found:
        await _let_go(services, wait)


async def make_good(services: Services) -> None:
    """After a start: tell what was answered and not told, and end what nobody waits for. Errors: none; they are logged."""
    try:
        for wait in services.store.approvals.all_waits():
            row = services.store.approvals.get(wait.approval_id)
            if row is None:
                continue
            if row.state is not ApprovalState.WAITING:
                await tell_waiting(services, row, only=wait)
            elif _has_ended(services, wait):
                await _let_go(services, wait)
    except StoreUnavailable as error:
        _log.warning("Approvals could not be looked through: %s", error)


async def tell_untold(services: Services) -> None:
    """Tell what was answered while telling failed; now and then, so that no flow waits for the next start.

    Errors: StoreUnavailable.
    """
    for wait in services.store.approvals.untold_waits():
        row = services.store.approvals.get(wait.approval_id)
        if row is not None:
            await tell_waiting(services, row, only=wait)


def approval_row(services: Services, approval_id: str) -> ApprovalRow:
    """Errors: NotFound."""
    row = services.store.approvals.get(approval_id)
    if row is None:
        raise NotFound(f"There is no approval {approval_id}.", code="ApprovalNotFound", target=approval_id)
    return row


def asked_of(row: ApprovalRow) -> Asked:
    """What a flow reads of it."""
    return Asked(
        name=row.approval_id,
        type=ApprovalType(row.approval_type),
        title=row.title,
        details=row.details,
        item_link=row.item_link,
        item_link_description=row.item_link_description,
        requestor=row.requestor,
        asked_at=row.created_at,
    )


def key_of(wait: ApprovalWaitRow) -> tuple[str, tuple[int, ...]]:
    """The action as the engine knows it."""
    return wait.action, tuple(int(index) for index in wait.repetition.split("-") if index)


async def _let_go(services: Services, wait: ApprovalWaitRow) -> None:
    services.store.approvals.forget_wait(wait)
    row = services.store.approvals.get(wait.approval_id)
    if row is None or (row.run_name, row.action) != (wait.run_name, wait.action):
        return  # it was created by another action, which asked without waiting
    if services.store.approvals.cancel(row.approval_id, services.clock.now):
        services.changes.publish("approval", approval_id=row.approval_id, state=ApprovalState.CANCELLED.value)
        await tell_waiting(services, approval_row(services, row.approval_id))


def _decided(row: ApprovalRow, given: Sequence[ApproverRow]) -> str:
    return outcome_of(ApprovalType(row.approval_type), row.approver_count, [one.response for one in given])


def _answering(view: ApprovalView, approver: str) -> str:
    if approver:
        found = next((one.approver for one in view.people if one.approver.lower() == approver.strip().lower()), "")
        if not found:
            names = ", ".join(one.approver for one in view.people)
            raise AskedWrongly(
                f"{approver!r} was not asked. Asked were: {names}.", code="UnknownApprover", target="approver"
            )
        return found
    if view.mine:
        return view.mine
    names = ", ".join(one.approver for one in view.unanswered or view.people)
    raise AskedWrongly(f"Say for whom you answer: {names}.", code="ApproverNeeded", target="approver")


def _views(services: Services, rows: Sequence[ApprovalRow], person_id: str) -> list[ApprovalView]:
    people = services.store.approvals.people_of([row.approval_id for row in rows])
    person = services.store.access.person(person_id) if person_id else None
    email = person.email.lower() if person is not None else ""
    names = {flow_id: _flow_name(services, flow_id) for flow_id in {row.flow_id for row in rows} if flow_id}
    return [
        ApprovalView(
            row=row,
            people=people[row.approval_id],
            flow_name=names.get(row.flow_id, ""),
            mine=_mine(people[row.approval_id], email),
        )
        for row in rows
    ]


def _mine(people: Sequence[ApproverRow], email: str) -> str:
    unanswered = [one.approver for one in people if one.answered_at is None]
    own = next((name for name in unanswered if email and name.lower() == email), "")
    return own or (unanswered[0] if len(unanswered) == 1 else "")


def _flow_name(services: Services, flow_id: str) -> str:
    row = services.store.flows.get(flow_id)
    return row.name if row is not None else ""


def _has_ended(services: Services, wait: ApprovalWaitRow) -> bool:
    if services.dispatch.is_active(wait.run_name):
        return False
    run = services.store.runs.get(wait.run_name)
    return run is None or Status(run.status).is_terminal
