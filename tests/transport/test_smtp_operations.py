"""Sending mail through a real server: what arrives, who is refused, and what can never be sent."""

import asyncio
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from flowmend.core.connector import ProtocolRefusal, TransportFailure, UnbuildableRequest
from flowmend.core.connector.protocol_call import ProtocolAnswer
from performing import Performer

pytestmark = pytest.mark.anyio


class Postbox:
    """A mail server that keeps what it takes. refused: answers by recipient. after_data: its answer to a mail, "" keeps it."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], bytes]] = []
        self.refused: dict[str, str] = {}
        self.after_data = ""
        self.hangs_up = False
        self.is_utf8 = True
        self.port = 0
        self._sessions: list[SMTP] = []

    async def start(self) -> asyncio.Server:
        def session() -> SMTP:
            begun = SMTP(
                self,
                hostname="localhost",
                enable_SMTPUTF8=self.is_utf8,
                auth_require_tls=False,
                authenticator=lambda *_: AuthResult(success=True),
            )
            self._sessions.append(begun)
            return begun

        server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.hangs_up:
            server.transport.abort()
            return ""
        if self.after_data:
            return self.after_data
        self.mails.append((envelope.rcpt_tos, envelope.content))
        return "250 taken"


@pytest.fixture
async def postbox(anyio_backend: str) -> AsyncIterator[Postbox]:
    there = Postbox()
    server = await there.start()
    yield there
    server.close()
    for session in there._sessions:
        if session.transport is not None:
            session.transport.abort()
    await asyncio.sleep(0.01)


@pytest.fixture
async def smtp(postbox: Postbox) -> AsyncIterator[Performer]:
    place = {"host": "127.0.0.1", "port": str(postbox.port), "security": "none"}
    performer = Performer("smtp", place, user="ada@home.example")
    yield performer
    await performer.close()


async def send(smtp: Performer, *, key: str = "key-1", **mail: Any) -> Any:
    return await smtp("SendEmail", key=key, **{f"emailMessage/{name}": value for name, value in mail.items()})


async def test_a_mail_arrives_as_it_was_written(smtp: Performer, postbox: Postbox) -> None:
    answer = await send(
        smtp,
        To='"Bob, of Shop" <bob@shop.example>; eve@shop.example',
        CC="cy@shop.example",
        BCC="hidden@shop.example",
        ReplyTo="desk@home.example",
        Subject="Räksmörgås 請購單",
        Body="<p>Größe</p>\n.\n.dot",
        Importance="High",
        Attachments=[
            {"Name": "é 1.txt", "ContentBytes": {"$content-type": "text/plain", "$content": "aGk="}},
            {"FileName": "b.bin", "ContentData": "AAE="},
        ],
    )
    assert isinstance(answer, ProtocolAnswer), answer
    ((recipients, data),) = postbox.mails
    assert recipients == ["bob@shop.example", "eve@shop.example", "cy@shop.example", "hidden@shop.example"]
    mail = message_from_bytes(data, policy=policy.default)
    assert b"hidden" not in data
    assert str(mail["From"]) == "ada@home.example"
    assert str(mail["To"]) == '"Bob, of Shop" <bob@shop.example>, eve@shop.example'
    assert (str(mail["Subject"]), mail["Importance"], mail["Reply-To"]) == (
        "Räksmörgås 請購單",
        "High",
        "desk@home.example",
    )
    body, first, second = mail.iter_parts()  # type: ignore[attr-defined]
    assert (body.get_content_type(), body.get_content().replace("\r\n", "\n")) == (
        "text/html",
        "<p>Größe</p>\n.\n.dot\n",
    )
    assert (first.get_filename(), first.get_payload(decode=True)) == ("é 1.txt", b"hi")
    assert (second.get_filename(), second.get_payload(decode=True)) == ("b.bin", b"\0\1")
    assert answer.body["messageId"] == mail["Message-ID"]
    assert answer.body["refused"] == []


async def test_a_mail_that_is_sent_again_has_the_same_message_id(smtp: Performer, postbox: Postbox) -> None:
    for key in ("one", "one", "two"):
        await send(smtp, key=key, To="bob@shop.example", Subject="x", Body="y")
    first, again, other = (message_from_bytes(data)["Message-ID"] for _, data in postbox.mails)
    assert first == again != other


async def test_a_line_break_at_the_end_of_a_subject_is_left_out(smtp: Performer, postbox: Postbox) -> None:
    answer = await send(smtp, To="bob@shop.example", Subject="Hello\r\n", Body="y")
    assert isinstance(answer, ProtocolAnswer), answer
    assert b"Subject: Hello\r\nDate:" in postbox.mails[0][1]


async def test_recipients_are_refused_one_by_one(smtp: Performer, postbox: Postbox) -> None:
    postbox.refused["bob@shop.example"] = "550 5.1.1 no such user"
    answer = await send(smtp, To="bob@shop.example;eve@shop.example", Subject="x", Body="y")
    assert answer.body["accepted"] == ["eve@shop.example"]
    (refused,) = answer.body["refused"]
    assert (refused["address"], refused["code"]) == ("bob@shop.example", "550")
    nobody = await send(smtp, To="bob@shop.example", Subject="x", Body="y")
    assert isinstance(nobody, ProtocolRefusal)
    assert (nobody.status, nobody.code) == (400, "550")
    assert len(postbox.mails) == 1


async def test_a_server_that_is_busy_may_be_asked_again(smtp: Performer, postbox: Postbox) -> None:
    postbox.after_data = "452 4.3.1 full just now"
    answer = await send(smtp, To="bob@shop.example", Subject="x", Body="y")
    assert (answer.status, answer.code) == (503, "452")


async def test_a_mail_whose_answer_was_lost_is_not_sent_again_unasked(smtp: Performer, postbox: Postbox) -> None:
    postbox.hangs_up = True
    answer = await send(smtp, To="bob@shop.example", Subject="x", Body="y")
    assert isinstance(answer, TransportFailure)
    assert (answer.was_sent, answer.is_retryable) == (True, False)


async def test_addresses_beyond_ascii_go_as_the_server_takes_them(smtp: Performer, postbox: Postbox) -> None:
    answer = await send(smtp, To="jürgen@müller.example", Subject="x", Body="y")
    assert isinstance(answer, ProtocolAnswer), answer
    assert postbox.mails[0][0] == ["jürgen@xn--mller-kva.example"]
    assert "jürgen@xn--mller-kva.example".encode() in postbox.mails[0][1]
    postbox.is_utf8 = False
    answer = await send(smtp, To="jürgen@müller.example", Subject="x", Body="y")
    assert (answer.status, answer.code) == (400, "SmtpUtf8NotOffered")


UNSENDABLE: dict[str, dict[str, Any]] = {
    "a header in the subject": {"Subject": "x\r\nBcc: all@shop.example"},
    "a header in an encoded word": {"Subject": "=?utf-8?q?x=0ABcc:_all@shop.example?="},
    "a header in an encoded name": {"To": '"=?utf-8?q?x=0D=0ABcc:_all@shop.example?=" <bob@shop.example>'},
    "a header in a name that is encoded in part": {"To": '"é =?utf-8?q?x=0ABcc:_all@shop.example?=" <b@shop.example>'},
    "a header in an encoded name of a file": {"Attachments": [{"Name": "=?utf-8?q?x=0AX:_y?=", "ContentBytes": ""}]},
    "a line separator": {"Subject": "one\u2028two"},
    "half a character": {"Body": "\ud800"},
    "a header in a name": {"To": "Bob\r\nBcc: all@shop.example <bob@shop.example>"},
    "a command in an address": {"To": "bob@shop.example>\r\nRCPT TO:<all@shop.example"},
    "no address": {"To": "bob"},
    "a command in the sender": {"From": "ada@home.example> SIZE=1\r\nDATA"},
    "two senders": {"From": "a@b.example;c@d.example"},
    "a header in a file's name": {"Attachments": [{"Name": "a\r\nX: y", "ContentBytes": ""}]},
    "a header in a file's type": {"Attachments": [{"Name": "a", "ContentType": "a/b\r\nX: y", "ContentBytes": ""}]},
    "no base64": {"Attachments": [{"Name": "a", "ContentBytes": "?"}]},
    "no importance": {"Importance": "very"},
    "nobody": {"To": ""},
}


@pytest.mark.parametrize("case", UNSENDABLE)
async def test_what_cannot_be_sent_is_refused_before_anything_is(smtp: Performer, postbox: Postbox, case: str) -> None:
    answer = await send(smtp, **{"To": "bob@shop.example", "Subject": "x", "Body": "y"} | UNSENDABLE[case])
    assert isinstance(answer, UnbuildableRequest), answer
    assert not postbox.mails
