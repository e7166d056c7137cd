"""The mail that tells an approver: what is asked, and a link that is theirs alone."""

import hashlib
import html
import logging
import secrets
from datetime import timedelta

from flowmend.core.errors import FlowmendError, StoreUnavailable
from flowmend.core.outcome import Status
from flowmend.core.run import ConnectorCall
from flowmend.store.approval_rows import ApprovalRow, ApprovalState, ApproverRow
from flowmend.use_cases.ports import Services

_log = logging.getLogger(__name__)

MAIL_CONNECTOR = "smtp"
#: Longer than people take to answer, shorter than for ever.
LINK_LASTS = timedelta(days=60)
#: Why nobody was written to.
NO_CONNECTION = "NoMailConnection"
NO_ADDRESS = "NoMailAddress"
_LONGEST_SHOWN = 20_000


async def mail_approvers(services: Services, row: ApprovalRow, *, again: bool = False) -> None:
    """Write to those who have not answered and were not written to yet. again: to the others too, whose links end then.

    A mail that cannot be sent is noted beside its approver and keeps nothing from going on: it can be answered in the portal.
    Errors: StoreUnavailable.
    """
    if not (row.is_notified or again) or row.state is not ApprovalState.WAITING:
        return
    connection = services.store.connections.get(row.connection_id)
    parameters = connection.parameters if connection is not None and isinstance(connection.parameters, dict) else {}
    mail_connection = str(parameters.get("mail") or "")
    for one in services.store.approvals.people_of([row.approval_id])[row.approval_id]:
        if one.answered_at is None and (again or one.mailed_at is None):
            problem = await _mail(services, row, one, mail_connection, str(parameters.get("sender") or ""))
            changes = {"mail_problem": problem} if problem else {"mail_problem": "", "mailed_at": services.clock.now}
            services.store.approvals.note_mail(row.approval_id, one.approver, **changes)
    services.changes.publish("approval", approval_id=row.approval_id, state=row.state.value)


def digest_of(secret: str) -> bytes:
    """What is kept of a link. Of 256 random bits a plain digest cannot be searched."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


async def _mail(services: Services, row: ApprovalRow, one: ApproverRow, mail_connection: str, sender: str) -> str:
    """The code of what went wrong, "" for nothing."""
    if not mail_connection:
        return NO_CONNECTION
    if "@" not in one.approver:
        return NO_ADDRESS
    connection = services.store.connections.get(mail_connection)
    if connection is None or connection.connector_id != MAIL_CONNECTOR:
        return NO_CONNECTION
    secret, now = secrets.token_urlsafe(32), services.clock.now
    services.store.approvals.note_mail(
        row.approval_id, one.approver, digest=digest_of(secret), link_expires_at=now + LINK_LASTS
    )
    link = f"{services.settings.base_url}/approve#{secret}"
    subject = " ".join(row.title.split())  # a title may have lines
    mail = {"To": one.approver, "Subject": subject, "Body": _body(row, link), "IsHtml": True}
    call = ConnectorCall(
        reference=MAIL_CONNECTOR,
        connector=MAIL_CONNECTOR,
        operation_id="SendEmail",
        parameters={"emailMessage": mail | ({"From": sender} if sender else {})},
    )
    try:
        outcome = await services.operations.call(
            call,
            flow_id=row.flow_id,
            mappings={MAIL_CONNECTOR: mail_connection},
            client_request_id=f"{row.approval_id}-{digest_of(secret).hex()[:16]}",
            trace_headers={},
            attempt=1,
        )
    except StoreUnavailable:
        raise
    except FlowmendError as error:
        return error.code
    if outcome.status is not Status.SUCCEEDED:
        _log.warning("No mail went to an approver of %s: %s", row.approval_id, outcome.code)
        return outcome.code or Status.FAILED.value
    return ""


def _body(row: ApprovalRow, link: str) -> str:
    """HTML of plain elements; whatever a flow wrote is text in it."""
    parts = [f"<h2>{html.escape(row.title)}</h2>"]
    if row.requestor:
        parts.append(f"<p>Asked by {html.escape(row.requestor)}</p>")
    if row.details:
        parts.append(f'<div style="white-space:pre-wrap">{html.escape(row.details[:_LONGEST_SHOWN])}</div>')
    if row.item_link:
        words = html.escape(row.item_link_description or row.item_link)
        parts.append(f'<p><a href="{html.escape(row.item_link)}">{words}</a></p>')
    parts.append(
        f'<p><a href="{html.escape(link)}"><b>Answer</b></a></p>'
        "<p>The link is yours alone and good for one answer. Do not pass this mail on.</p>"
    )
    return f"<html><body>{''.join(parts)}</body></html>"
