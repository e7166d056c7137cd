"""Approvals: what people are asked, what they answered, and which actions wait for it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from flowmend.core.errors import Conflict
from flowmend.store.approval_rows import ApprovalRow, ApprovalState, ApprovalWaitRow, ApproverRow
from flowmend.store.approval_tables import IS_WAITING, approval_waits, approvals, approvers
from flowmend.store.database import Database, columns_of, select_row

#: What the answers given so far, in the order they came, make of an approval: its outcome, "" while it waits on.
Decide = Callable[[ApprovalRow, Sequence[ApproverRow]], str]


class Approvals:
    """Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(self, row: ApprovalRow, people: Sequence[ApproverRow], wait: ApprovalWaitRow | None) -> ApprovalRow:
        """Keep a question with whom it goes to and the action that waits for it.

        The one that the same request asked before is given back instead, so a repeated call asks nobody twice.
        """
        with self._database.writing() as connection:
            found = (
                connection.execute(select_row(approvals, ApprovalRow).where(approvals.c.request_id == row.request_id))
                .mappings()
                .first()
            )
            if found is not None:
                return ApprovalRow(**found)
            connection.execute(insert(approvals), columns_of(row))
            connection.execute(insert(approvers), [columns_of(one) for one in people])
            if wait is not None:
                connection.execute(insert(approval_waits), columns_of(wait))
        return row

    def get(self, approval_id: str) -> ApprovalRow | None:
        return self._database.first(
            select_row(approvals, ApprovalRow).where(approvals.c.approval_id == approval_id), ApprovalRow
        )

    def list(self, *, is_waiting: bool, limit: int, offset: int = 0) -> Sequence[ApprovalRow]:
        """Those that wait, oldest first; or those that do not, newest first."""
        statement = select_row(approvals, ApprovalRow)
        if is_waiting:
            statement = statement.where(IS_WAITING).order_by(approvals.c.created_at, approvals.c.approval_id)
        else:
            newest = approvals.c.created_at.desc(), approvals.c.approval_id
            statement = statement.where(~IS_WAITING).order_by(*newest)
        return self._database.every(statement.limit(limit).offset(offset), ApprovalRow)

    def count_waiting(self) -> int:
        return int(self._database.value(select(func.count()).select_from(approvals).where(IS_WAITING)) or 0)

    def people_of(self, approval_ids: Sequence[str]) -> Mapping[str, Sequence[ApproverRow]]:
        """{approval id: who was asked, in the order assigned}."""
        rows = self._database.every(
            select_row(approvers, ApproverRow)
            .where(approvers.c.approval_id.in_(approval_ids))
            .order_by(approvers.c.approval_id, approvers.c.position),
            ApproverRow,
        )
        grouped = {approval_id: tuple(of_one) for approval_id, of_one in groupby(rows, lambda row: row.approval_id)}
        return {approval_id: grouped.get(approval_id, ()) for approval_id in approval_ids}

    def by_link(self, digest: bytes) -> ApproverRow | None:
        """Whom the link of this digest was mailed to."""
        return self._database.first(select_row(approvers, ApproverRow).where(approvers.c.digest == digest), ApproverRow)

    def answer(self, approval_id: str, approver: str, changes: dict[str, Any], decide: Decide) -> ApprovalRow:
        """Keep one answer; it is decided in the same transaction whether the approval is with it. The approval after it.

        changes: `response`, `comments`, `answered_*` of the approver. Errors: Conflict `ApprovalNotWaiting` where it is decided
        or cancelled; `AlreadyAnswered` where this person has; the first of two at once wins.
        """
        with self._database.writing() as connection:
            row = _locked(connection, approval_id)
            if row is None or row.state is not ApprovalState.WAITING:
                raise Conflict(
                    "This approval waits for no answer any more.", code="ApprovalNotWaiting", target=approval_id
                )
            unanswered = (
                (approvers.c.approval_id == approval_id)
                & (approvers.c.approver == approver)
                & approvers.c.answered_at.is_(None)
            )
            if connection.execute(update(approvers).where(unanswered).values(**changes)).rowcount == 0:
                raise Conflict(f"{approver} has answered already.", code="AlreadyAnswered", target=approver)
            given = connection.execute(
                select_row(approvers, ApproverRow)
                .where((approvers.c.approval_id == approval_id) & approvers.c.answered_at.is_not(None))
                .order_by(approvers.c.answered_at, approvers.c.position)
            ).mappings()
            outcome = decide(row, [ApproverRow(**one) for one in given])
            if outcome:
                end = {"state": ApprovalState.COMPLETED, "outcome": outcome, "ended_at": changes["answered_at"]}
                connection.execute(update(approvals).where(approvals.c.approval_id == approval_id).values(**end))
            after = (
                connection.execute(select_row(approvals, ApprovalRow).where(approvals.c.approval_id == approval_id))
                .mappings()
                .one()
            )
        return ApprovalRow(**after)

    def cancel(self, approval_id: str, now: datetime) -> bool:
        """Nobody waits for it any more; False where it is decided or cancelled already."""
        is_open = (approvals.c.approval_id == approval_id) & IS_WAITING
        return self._database.change(approvals, is_open, {"state": ApprovalState.CANCELLED, "ended_at": now})

    def note_mail(self, approval_id: str, approver: str, **changes: Any) -> bool:
        """Keep the link about to be mailed, or what became of the mail: columns of `ApproverRow`."""
        is_one = (approvers.c.approval_id == approval_id) & (approvers.c.approver == approver)
        return self._database.change(approvers, is_one, changes)

    def wait(self, row: ApprovalWaitRow) -> None:
        """Another action waits for it; once, however often it is said."""
        self._database.put(approval_waits, row)

    def waits_of(self, approval_id: str) -> Sequence[ApprovalWaitRow]:
        return self._database.every(
            select_row(approval_waits, ApprovalWaitRow).where(approval_waits.c.approval_id == approval_id),
            ApprovalWaitRow,
        )

    def all_waits(self) -> Sequence[ApprovalWaitRow]:
        """Of every approval, for what is made good after a restart."""
        return self._database.every(select_row(approval_waits, ApprovalWaitRow), ApprovalWaitRow)

    def untold_waits(self) -> Sequence[ApprovalWaitRow]:
        """Of approvals that are decided or cancelled: whoever waits there was not told."""
        is_over = approval_waits.c.approval_id.in_(select(approvals.c.approval_id).where(~IS_WAITING))
        return self._database.every(select_row(approval_waits, ApprovalWaitRow).where(is_over), ApprovalWaitRow)

    def forget_wait(self, row: ApprovalWaitRow) -> None:
        """The action was told, or does not wait any more."""
        with self._database.writing() as connection:
            same = [column == columns_of(row)[column.name] for column in approval_waits.primary_key]
            connection.execute(delete(approval_waits).where(*same))


def _locked(connection: Connection, approval_id: str) -> ApprovalRow | None:
    """The approval, nobody else changing it until the transaction ends (SQLite lets one write at a time anyway)."""
    statement = select_row(approvals, ApprovalRow).where(approvals.c.approval_id == approval_id).with_for_update()
    found = connection.execute(statement).mappings().first()
    return None if found is None else ApprovalRow(**found)
