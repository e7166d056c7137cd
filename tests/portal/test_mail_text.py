"""Notices as mails: what stands in them, in both languages, and that nothing gets out of its place."""

from datetime import UTC, datetime, timedelta
from email import policy
from email.parser import BytesParser
from pathlib import Path

import pytest
from lxml import html

from flowmend.core.outcome import Category, FixableBy
from flowmend.portal.language import LANGUAGES
from flowmend.portal.mail_text import written
from flowmend.portal.remedies import REMEDIES
from flowmend.settings import Settings
from flowmend.store.notice_rows import NoticeKind
from flowmend.transport.mail_message import outgoing_mail
from flowmend.use_cases.message_channels import Message
from flowmend.use_cases.notice_facts import DigestFacts, Facts, FlowFailures, as_json, short
from flowmend.worker.system_clock import SystemClock
from portal.sample_messages import every_kind, incident, notice

NOW = datetime(2026, 11, 22, 22, 30, tzinfo=UTC)
HOME = Settings(data=Path("data"))
PUBLIC = Settings(data=Path("data"), public_url="https://flows.contoso.com")


def mail(kind: NoticeKind, facts: Facts, *, settings: Settings = PUBLIC, language: str = "en") -> Message:
    return written(notice(kind, as_json(facts), NOW), language, settings, SystemClock())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", NoticeKind)
def test_each_has_a_subject_a_text_and_one_button_that_leads_somewhere(kind: NoticeKind, language: str) -> None:
    made = mail(kind, every_kind(NOW)[kind], language=language)
    assert made.subject == " ".join(made.subject.split())
    page = html.document_fromstring(made.html)
    (button,) = page.xpath("//a")
    assert button.get("href") == made.link
    assert made.link.startswith("https://flows.contoso.com/")
    assert made.link in made.plain
    assert page.get("lang") == language
    assert not page.xpath("//script | //img | //link | //form")


@pytest.mark.parametrize("kind", NoticeKind)
def test_without_a_public_address_there_is_no_link_that_would_lead_nowhere(kind: NoticeKind) -> None:
    made = mail(kind, every_kind(NOW)[kind], settings=HOME)
    assert (made.link, html.document_fromstring(made.html).xpath("//a")) == ("", [])
    assert "Open the portal of Flowmend in your browser" in made.plain


def test_a_break_says_time_what_how_numbers_and_who() -> None:
    text = mail(NoticeKind.BROKEN, incident(NOW)).plain
    headings = [line for line in text.splitlines() if line and not line.startswith((" ", "Repair:", "--", "You"))]
    assert headings == [
        "Contoso Orders needs repair",
        "Time",
        "What happened",
        "How to fix it",
        "In numbers",
        "Flows",
        "Who can fix it",
        "Also",
    ]
    assert "5 flows affected · 12 connections · 1000 runs failed · 300 events held · 2 runs wait" in text
    assert "<Invoices> to archive · 2 more" in text


@pytest.mark.parametrize(
    ("sign_in", "how"),
    [
        ("basic", "entering the current password"),
        ("api_key", "entering the key that is valid now"),
        ("client_certificate", "giving the certificate that is valid now"),
        ("oauth2", "signing in again"),
        ("client_credentials", "verifying the connection"),
    ],
)
def test_how_its_owner_ends_it_depends_on_how_it_signs_in(sign_in: str, how: str) -> None:
    for person in ("Mei Chen", ""):
        made = mail(NoticeKind.BROKEN, incident(NOW, sign_in=sign_in, fixable_by="reverify", person=person))
        assert f"{person or 'The owner of the connection'} can end it by {how}." in made.plain


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("remedy", ["", *REMEDIES])
def test_every_diagnosis_can_be_told(remedy: str, language: str) -> None:
    for category in Category:
        for fixable_by in FixableBy:
            facts = incident(
                NOW, category=category.value, fixable_by=fixable_by.value, remedy=remedy, person="", account=""
            )
            made = mail(NoticeKind.BROKEN, facts, language=language)
            assert "%(" not in made.plain + made.subject


def test_what_people_called_things_stays_text() -> None:
    evil = '<img src=x onerror=alert(1)>\r\nBcc: all@example.com "\u2028'
    made = mail(NoticeKind.BROKEN, incident(NOW, name=short(evil), flows=(short(evil),)))
    page = html.document_fromstring(made.html)
    assert not page.xpath("//img")
    assert "\n" not in made.subject
    assert "\u2028" not in made.subject
    assert len(short("x" * 10_000)) == 120


def test_a_name_that_reads_as_an_encoded_word_is_told_as_it_is_written() -> None:
    name = "=?utf-8?q?a=0ABcc:_b?="
    made = mail(NoticeKind.BROKEN, incident(NOW, name=short(name)))
    asked = {"To": "a@example.com", "From": "b@example.com", "Subject": made.subject, "Body": made.html}
    sent = BytesParser(policy=policy.default).parsebytes(outgoing_mail(asked, user="", key="k").data)
    assert sent["Subject"].startswith("= ?utf-8?q?a=0ABcc:_b?= (Contoso Orders) needs repair")
    assert sent["Bcc"] is None


@pytest.mark.parametrize(
    ("minutes", "waited"), [(1, "one minute"), (90, "90 minutes"), (60, "one hour"), (1440, "24 hours")]
)
def test_how_long_nobody_repaired_it_is_said_in_hours_where_they_are_whole(minutes: int, waited: str) -> None:
    assert f"within {waited}." in mail(NoticeKind.ESCALATED, incident(NOW, after_minutes=minutes)).plain


def test_a_sum_of_many_flows_says_how_many_it_does_not_name() -> None:
    flows = tuple(FlowFailures(flow_id=name, name=name, count=2, code="") for name in "ab")
    facts = DigestFacts(since=NOW, until=NOW, failed_runs=9, flow_count=5, flows=flows)
    assert "  b: 2\n  3 more\n" in mail(NoticeKind.DIGEST, facts).plain


def test_the_end_answers_the_break_under_the_same_subject() -> None:
    broken, mended = mail(NoticeKind.BROKEN, incident(NOW)), mail(NoticeKind.MENDED, incident(NOW, closed_at=NOW))
    assert mended.subject == f"Re: {broken.subject}"
    assert mended.plain.startswith("Contoso Orders works again")


def test_held_events_that_a_plan_keeps_back_are_not_said_to_go_on() -> None:
    at = NOW + timedelta(minutes=15)
    assert "Held events go on by themselves" in mail(NoticeKind.MENDED, incident(NOW, closed_at=NOW)).plain
    made = mail(NoticeKind.MENDED, incident(NOW, closed_at=NOW, kept_until=at))
    assert "Held events wait for the repair plan until" in made.plain
    assert "Held events go on by themselves" not in made.plain


def test_an_incident_that_ended_with_its_connection_is_not_called_mended() -> None:
    made = mail(NoticeKind.MENDED, incident(NOW, closed_at=NOW, is_proven=False))
    assert made.plain.startswith("Contoso Orders is deleted")
    assert "works again" not in made.plain


def test_facts_of_another_version_are_told_as_that() -> None:
    made = written(notice(NoticeKind.BROKEN, {"what": "else"}, NOW - timedelta(days=1)), "en", PUBLIC, SystemClock())
    assert made.subject == "A message of another version of Flowmend"
