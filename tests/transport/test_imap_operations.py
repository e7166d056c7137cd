"""The operations of IMAP at a real mailbox: what is read, moved and deleted, and mails that are never missed or doubled."""

import base64
import imaplib
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest

from certificates import Authority
from flowmend.core.connector import ProtocolRefusal, UnbuildableRequest
from flowmend.transport.mail_reading import read_mail
from mail_servers import ImapServer
from performing import Performer

pytestmark = pytest.mark.anyio


class Mailbox:
    """The mailbox as its owner's own program sees it."""

    def __init__(self, server: ImapServer, authority: Authority) -> None:
        context = ssl.create_default_context(cafile=str(authority.root))
        self.client = imaplib.IMAP4_SSL("localhost", server.tls_port, ssl_context=context)
        self.client.login("ada", "right-password")

    def empty(self) -> None:
        for folder in ("INBOX", "Done", '"R&AOk-sum&AOk-"'):
            self.client.create(folder)
            _, (count,) = self.client.select(folder)
            if count != b"0":
                self.client.store("1:*", "+FLAGS", r"(\Deleted)")
            self.client.close()  # which expunges

    def put(self, mail: EmailMessage | bytes, folder: str = "INBOX", flags: str = "") -> None:
        data = mail if isinstance(mail, bytes) else mail.as_bytes()
        kind, told = self.client.append(folder, flags, "", data)  # type: ignore[arg-type]
        assert kind == "OK", told

    def subjects(self, folder: str) -> int:
        self.client.select(folder, readonly=True)
        _, found = self.client.search(None, "ALL")
        return len(found[0].split())


def mail(subject: str = "Hello", sender: str = "Bob <bob@shop.example>", text: str = "The text.\n") -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, "ada@home.example, Eve <eve@home.example>", subject
    made["Message-ID"], made["Date"] = f"<{abs(hash(subject))}@shop.example>", "Mon, 2 Mar 2026 09:00:00 +0100"
    made.set_content(text)
    return made


@pytest.fixture
def mailbox(imap_server: ImapServer, trusted_authority: Authority) -> Iterator[Mailbox]:
    imap_server.set_account("ada", "right-password")
    opened = Mailbox(imap_server, trusted_authority)
    try:
        opened.empty()
        yield opened
    finally:
        opened.client.logout()


@pytest.fixture
async def imap(imap_server: ImapServer, mailbox: Mailbox, anyio_backend: str) -> AsyncIterator[Performer]:
    performer = Performer("imap", {"host": "localhost", "port": str(imap_server.tls_port)})
    yield performer
    await performer.close()


async def test_new_mails_come_with_their_body_and_old_ones_do_not(imap: Performer, mailbox: Mailbox) -> None:
    mailbox.put(mail("Old"))
    started = await imap("OnNewEmail")
    assert started.body == {"value": []}
    new = mail("Räksmörgås", text="Plain.\n")
    new.add_alternative("<p>Rich</p>", subtype="html")
    new.add_attachment(b"\x00\x01", maintype="application", subtype="pdf", filename="é.pdf")
    mailbox.put(new)
    answer = await imap("OnNewEmail", cursor=started.cursor, includeAttachments=True)
    (found,) = answer.body["value"]
    assert (found["subject"], found["from"]) == ("Räksmörgås", "bob@shop.example")
    assert found["to"] == "ada@home.example; eve@home.example"
    assert (found["body"].strip(), found["isHtml"], found["isRead"]) == ("<p>Rich</p>", True, False)
    assert found["sentDateTime"] == "2026-03-02T08:00:00Z"
    (attachment,) = found["attachments"]
    assert (attachment["name"], attachment["size"]) == ("é.pdf", 2)
    assert attachment["contentBytes"] == {
        "$content-type": "application/pdf",
        "$content": base64.b64encode(b"\0\1").decode(),
    }
    again = await imap("OnNewEmail", cursor=answer.cursor)
    assert (again.body["value"], again.has_more) == ([], False)
    mailbox.client.select("INBOX", readonly=True)
    assert rb"\Seen" not in mailbox.client.fetch("2", "(FLAGS)")[1][0]  # type: ignore[operator]


async def test_only_the_mails_that_are_asked_for_fire(imap: Performer, mailbox: Mailbox) -> None:
    cursor = (await imap("OnNewEmail")).cursor
    mailbox.put(mail("Order 1"), flags=r"\Seen")
    mailbox.put(mail("Order 2", sender="eve@elsewhere.example"))
    mailbox.put(mail("Order 3"))
    mailbox.put(mail("Other"))
    given = {"unreadOnly": True, "subject": "ORDER", "from": "shop.example"}
    answer = await imap("OnNewEmail", cursor=cursor, **given)
    assert [one["subject"] for one in answer.body["value"]] == ["Order 3"]


async def test_many_mails_come_once_each(imap: Performer, mailbox: Mailbox) -> None:
    cursor, seen = (await imap("OnNewEmail")).cursor, []
    for number in range(150):
        mailbox.put(mail(f"Mail {number}"))
    polls = 0
    while True:
        answer = await imap("OnNewEmail", cursor=cursor)
        cursor, polls = answer.cursor, polls + 1
        seen += [one["subject"] for one in answer.body["value"]]
        if not answer.has_more:
            break
    assert seen == [f"Mail {number}" for number in range(150)]
    assert polls <= 7


async def test_a_folder_made_anew_gives_the_mails_that_came_since(imap: Performer, mailbox: Mailbox) -> None:
    mailbox.put(mail("First"))
    cursor = (await imap("OnNewEmail", cursor={"validity": 1, "uid": 77, "latest": "2020-01-01T00:00:00Z"})).cursor
    assert cursor["uid"] > 0
    answer = await imap("OnNewEmail", cursor={**cursor, "validity": 1, "uid": 77})
    assert answer.body["value"] == []
    mailbox.put(mail("Second"))
    answer = await imap("OnNewEmail", cursor=answer.cursor)
    assert [one["subject"] for one in answer.body["value"]] == ["Second"]


async def test_what_came_before_the_first_look_is_new_where_it_is_younger_than_the_trigger(
    imap: Performer, mailbox: Mailbox
) -> None:
    mailbox.put(mail("First"))
    now = datetime.now(UTC)
    late, early = ((now + timedelta(seconds=after)).strftime("%Y-%m-%dT%H:%M:%SZ") for after in (60, -60))
    assert (await imap("OnNewEmail", start=late)).body["value"] == []
    fired = await imap("OnNewEmail", start=early)
    assert [one["subject"] for one in fired.body["value"]] == ["First"]
    assert (await imap("OnNewEmail", start=early, cursor=fired.cursor)).body["value"] == []


async def test_a_mail_is_found_read_marked_moved_and_deleted(imap: Performer, mailbox: Mailbox) -> None:
    mailbox.put(mail("Größe"))
    mailbox.put(mail('A "quoted" one'))
    (quoted,) = (await imap("SearchEmails", subject='"quoted"')).body["value"]
    assert quoted["subject"] == 'A "quoted" one'
    (found,) = (await imap("SearchEmails", subject="größe", since="2020-01-01T00:00:00Z")).body["value"]
    whole = (await imap("GetEmail", id=found["id"])).body
    assert whole["body"] == "The text.\n"
    assert (await imap("MarkEmail", id=found["id"])).body == {"id": found["id"]}
    assert (await imap("GetEmail", id=found["id"])).body["isRead"] is True
    await imap("MarkEmail", id=found["id"], isRead=False)
    assert (await imap("GetEmail", id=found["id"])).body["isRead"] is False
    await imap("MoveEmail", id=found["id"], toFolder="Résumé")
    assert (mailbox.subjects("INBOX"), mailbox.subjects('"R&AOk-sum&AOk-"')) == (1, 1)
    gone = await imap("GetEmail", id=found["id"])
    assert (gone.status, gone.code) == (404, "EmailNotFound")
    await imap("DeleteEmail", id=quoted["id"])
    assert mailbox.subjects("INBOX") == 0


async def test_what_the_mailbox_refuses_says_why(imap: Performer, mailbox: Mailbox) -> None:
    mailbox.put(mail())
    (found,) = (await imap("SearchEmails")).body["value"]
    missing = await imap("SearchEmails", folder="Nowhere")
    assert isinstance(missing, ProtocolRefusal)
    assert (missing.status, missing.code) == (404, "NONEXISTENT")
    unmoved = await imap("MoveEmail", id=found["id"], toFolder="Nowhere")
    assert (unmoved.status, unmoved.code) == (404, "TRYCREATE")
    assert mailbox.subjects("INBOX") == 1
    for given in ({"folder": 'INBOX"\r\nA1 LOGOUT'}, {"subject": "a\r\nA1 LOGOUT"}):
        refused = await imap("SearchEmails", **given)
        assert isinstance(refused, UnbuildableRequest)


ODD_MAILS = [
    b"",
    b"\r\n\r\n",
    b"Subject: =?nowhere?Q?x?=\r\nFrom: <<>>,;:\r\nDate: yesterday\r\nContent-Type: text/plain; charset=nowhere\r\n\r\n\xff\xfe",
    b"Content-Type: multipart/mixed\r\n\r\nno boundary",
    b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!\r\n--a--",
    b"Content-Type: text/html; charset=\r\nTo: \xff\xff@\x00\r\n\r\n<p>",
    b"Content-Disposition: attachment; filename*=utf-8''%ff%fe\r\n\r\nx",
    b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nbody",
    b"To: " + b"(" * 20_000 + b"\r\n\r\nx",
    b"Content-Type: message/rfc822\r\n\r\n" * 2_000,
    b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (at, at) for at in range(2_000)),
]


@pytest.mark.parametrize("data", ODD_MAILS, ids=range(len(ODD_MAILS)))
def test_a_mail_that_is_not_as_it_should_be_is_read_all_the_same(data: bytes) -> None:
    found: dict[str, Any] = read_mail(data, with_attachments=True)
    assert isinstance(found["subject"], str)


def test_a_header_made_to_be_read_slowly_costs_little() -> None:
    data = b"To: " + b"a@b.example, " * 20_000 + b"\r\nContent-Type: text/plain; " + b"a=b; " * 20_000 + b"\r\n\r\nx"
    began = time.process_time()
    found: dict[str, Any] = read_mail(data, with_attachments=True)
    assert time.process_time() - began < 5  # in full it is a quarter of a minute
    assert str(found["to"]).startswith("a@b.example; a@b.example")
