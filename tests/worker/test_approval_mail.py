"""Approvals by mail: a link for one person's one answer, and what becomes of it."""

from collections.abc import Iterator

import pytest

from flowmend.core.errors import AskedWrongly, NotAllowed, TooManyAttempts
from flowmend.use_cases.approval_links import answer_by_link, open_approval_link
from flowmend.use_cases.approval_mail import mail_approvers
from flowmend.use_cases.cancel_run import cancel_run
from flowmend.use_cases.create_connection import create_connection
from kept_mail import Mailbox
from running import Open, Running, after, until
from worker.test_approvals import READ, answer, ask, asked, asking

pytestmark = pytest.mark.anyio
HERE = "192.0.2.1"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox()
    box.start()
    yield box
    box.stop()


async def opened(open_flowmend: Open, mailbox: Mailbox) -> Running:
    """A Flowmend whose approvals go by mail."""
    running = await open_flowmend(allowed_private_hosts=frozenset({f"127.0.0.1:{mailbox.port}"}))
    if not running.services.store.connections.list(connector_id="approvals"):
        smtp = await create_connection(running.services, "smtp", "Mail", mailbox.parameters, running.owner)
        values = {"mail": smtp.row.connection_id, "sender": "orders@example.com"}
        await create_connection(running.services, "approvals", "Approvals", values, running.owner)
    return running


async def mailed(mailbox: Mailbox, count: int = 2) -> None:
    await until(lambda: len(mailbox.mails) >= count, lambda: f"{len(mailbox.mails)} mails came")


def secret_of(link: str) -> str:
    return link.partition("#")[2]


async def test_each_approver_gets_a_mail_and_answers_by_its_link(open_flowmend: Open, mailbox: Mailbox) -> None:
    running = await opened(open_flowmend, mailbox)
    flow = await asking(running, {"Ask": ask(details="<b>5 < 6</b>"), "Read": after(READ, "Ask")})
    run = (await running.call(flow)).run_name
    await mailed(mailbox)
    assert {(mail["To"], mail["From"], mail["Subject"]) for mail in mailbox.mails} == {
        ("ann@example.com", "orders@example.com", "Order 4711"),
        ("bob@example.com", "orders@example.com", "Order 4711"),
    }
    assert "&lt;b&gt;5 &lt; 6&lt;/b&gt;" in str(mailbox.mails[0].get_content())
    (link,) = mailbox.links_to("bob@example.com")
    assert link.startswith(f"{running.services.settings.base_url}/approve#")
    question = await open_approval_link(running.services, secret_of(link), HERE)
    assert (question.approver, question.title, question.options) == (
        "bob@example.com",
        "Order 4711",
        ("Approve", "Reject"),
    )
    await answer_by_link(running.services, secret_of(link), "Reject", "too dear", HERE)
    assert (await running.ended(run)).status == "Succeeded"
    assert (await running.records(run))["Read"].outputs == "Reject: bob@example.com"
    for secret in (secret_of(link), secret_of(mailbox.links_to("ann@example.com")[0])):
        with pytest.raises(NotAllowed):
            await open_approval_link(running.services, secret, HERE)


async def test_no_link_stands_in_the_history_or_the_store(open_flowmend: Open, mailbox: Mailbox) -> None:
    running = await opened(open_flowmend, mailbox)
    run = (await running.call(await asking(running, {"Ask": ask()}))).run_name
    await mailed(mailbox)
    await running.at_rest()
    secret = secret_of(mailbox.links_to("ann@example.com")[0])
    (row,) = await asked(running)
    people = running.services.store.approvals.people_of([row.approval_id])[row.approval_id]
    assert secret not in repr([await running.records(run), row, people])


async def test_a_wrong_answer_uses_nothing_up(open_flowmend: Open, mailbox: Mailbox) -> None:
    running = await opened(open_flowmend, mailbox)
    await running.call(await asking(running, {"Ask": ask()}))
    await mailed(mailbox)
    secret = secret_of(mailbox.links_to("ann@example.com")[0])
    with pytest.raises(AskedWrongly, match="Approve, Reject"):
        await answer_by_link(running.services, secret, "Perhaps", "", HERE)
    await answer_by_link(running.services, secret, "Approve", "", HERE)


async def test_a_link_ends_with_the_run_the_time_and_a_newer_mail(open_flowmend: Open, mailbox: Mailbox) -> None:
    running = await opened(open_flowmend, mailbox)
    run = (await running.call(await asking(running, {"Ask": ask()}))).run_name
    await mailed(mailbox)
    (row,) = await asked(running)
    await mail_approvers(running.services, row, again=True)
    old, new = mailbox.links_to("ann@example.com")
    with pytest.raises(NotAllowed):
        await open_approval_link(running.services, secret_of(old), HERE)
    await open_approval_link(running.services, secret_of(new), HERE)
    await running.at_rest()
    await cancel_run(running.services, run, running.owner)
    await asked(running, 0)
    with pytest.raises(NotAllowed):
        await open_approval_link(running.services, secret_of(new), HERE)
    running.clock.move(days=61)
    with pytest.raises(NotAllowed):
        await open_approval_link(running.services, secret_of(new), HERE)


async def test_guessing_links_is_stopped_by_address(open_flowmend: Open, mailbox: Mailbox) -> None:
    running = await opened(open_flowmend, mailbox)
    for number in range(20):
        with pytest.raises(NotAllowed):
            await open_approval_link(running.services, f"guess-{number}", HERE)
    with pytest.raises(TooManyAttempts):
        await open_approval_link(running.services, "one more", HERE)
    with pytest.raises(NotAllowed):
        await open_approval_link(running.services, "\ud800" * 9, "192.0.2.2")


async def test_a_mail_server_that_is_gone_keeps_nobody_from_answering(open_flowmend: Open, mailbox: Mailbox) -> None:
    running = await opened(open_flowmend, mailbox)
    mailbox.stop()
    flow = await asking(running, {"Ask": ask(), "Read": after(READ, "Ask")})
    run = (await running.call(flow)).run_name
    (row,) = await asked(running)
    await answer(running, row)
    assert (await running.ended(run)).status == "Succeeded"
    people = running.services.store.approvals.people_of([row.approval_id])[row.approval_id]
    assert all(one.mailed_at is None for one in people)


async def test_who_has_no_address_and_who_wants_no_mail_get_none(open_flowmend: Open, mailbox: Mailbox) -> None:
    running = await opened(open_flowmend, mailbox)
    await running.call(await asking(running, {"Ask": ask(assignedTo="ann")}))
    (row,) = await asked(running)
    await running.at_rest()
    (one,) = running.services.store.approvals.people_of([row.approval_id])[row.approval_id]
    assert one.mail_problem == "NoMailAddress"
    await running.call(await asking(running, {"Ask": ask(enableNotifications=False)}))
    await asked(running, 2)
    await running.at_rest()
    assert mailbox.mails == []
