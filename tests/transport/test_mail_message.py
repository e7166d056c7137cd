"""Mails that answer another, that hold a text beside their HTML, and addresses that mail would read as others."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast

import pytest

from flowmend.transport.mail_message import is_mail_address, outgoing_mail
from flowmend.transport.operation_arguments import BadArgument

ASKED = {"To": "mei@example.com", "Subject": "Order 4711", "Body": "<p>hello</p>", "IsHtml": True}


def made(key: str = "k", **asked: Any) -> EmailMessage:
    mail = outgoing_mail({**ASKED, **asked}, user="flows@example.com", key=key)
    return cast("EmailMessage", message_from_bytes(mail.data, policy=default))


def test_an_answer_names_the_mail_it_answers_by_that_ones_key() -> None:
    first, second = made("first"), made("second", InReplyToKey="first")
    assert second["In-Reply-To"] == second["References"] == first["Message-ID"]
    assert first["In-Reply-To"] is None
    assert first["Message-ID"] != second["Message-ID"]


def test_the_same_key_is_the_same_mail() -> None:
    assert made("k")["Message-ID"] == made("k", Subject="Another")["Message-ID"]


def test_a_text_stands_beside_the_html_and_before_attachments() -> None:
    mail = made(PlainBody="hello", Attachments=[{"Name": "a.txt", "ContentBytes": "YQ=="}])
    plain, page = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert page is not None
    assert (plain.get_content().strip(), page.get_content().strip()) == ("hello", "<p>hello</p>")
    assert [one.get_filename() for one in mail.iter_attachments()] == ["a.txt"]


def test_an_automatic_mail_says_so() -> None:
    assert made(IsAutomatic=True)["Auto-Submitted"] == "auto-generated"
    assert made()["Auto-Submitted"] is None


@pytest.mark.parametrize("subject", ["a\r\nBcc: all@example.com", "a\u2028b", "=?utf-8?q?a=0ABcc:_b?="])
def test_no_subject_becomes_another_header(subject: str) -> None:
    with pytest.raises(BadArgument):
        made(Subject=subject)


@pytest.mark.parametrize("address", ["mei@example.com", "a.b+c@mail.example", "名@example.com", "mei@例.example"])
def test_an_address_is_one(address: str) -> None:
    assert is_mail_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "mei",
        "mei@",
        "@example.com",
        "Mei <mei@example.com>",
        "mei@example.com (work)",
        "team: mei@example.com;",
        "a@example.com, b@example.com",
        "a@example.com;b@example.com",
        "a@example.com\nBcc: b@example.com",
        "=?utf-8?q?a=0ABcc:b?=@example.com",
        "a b@example.com",
        "a" * 65 + "@example.com",
        "a@" + "b" * 300,
    ],
)
def test_what_mail_would_read_as_something_else_is_none(address: str) -> None:
    assert not is_mail_address(address)
