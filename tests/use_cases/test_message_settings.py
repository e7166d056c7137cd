"""When digests end, which mail server a setting names, and what is chosen."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.errors import AskedWrongly, NotFound
from flowmend.settings import MailServer, read_settings
from flowmend.use_cases.message_settings import (
    NO_MAIL,
    DigestEvery,
    change_message_settings,
    last_digest_end,
    mail_way,
    message_settings,
    next_digest_end,
)

TAIPEI, NEW_YORK = ZoneInfo("Asia/Taipei"), ZoneInfo("America/New_York")


def test_a_day_ends_at_six_in_the_morning_where_the_server_is() -> None:
    before, after = datetime(2026, 3, 2, 21, 59, tzinfo=UTC), datetime(2026, 3, 2, 22, 0, tzinfo=UTC)
    assert last_digest_end(DigestEvery.DAY, before, TAIPEI) == datetime(2026, 3, 1, 22, tzinfo=UTC)
    assert last_digest_end(DigestEvery.DAY, after, TAIPEI) == after
    assert next_digest_end(DigestEvery.DAY, before, TAIPEI) == after


def test_a_day_of_a_change_of_clocks_is_an_hour_shorter() -> None:
    noon = datetime(2026, 3, 8, 16, tzinfo=UTC)
    end = last_digest_end(DigestEvery.DAY, noon, NEW_YORK)
    assert end == datetime(2026, 3, 8, 10, tzinfo=UTC)
    assert end - last_digest_end(DigestEvery.DAY, end - timedelta(minutes=1), NEW_YORK) == timedelta(hours=23)


@given(
    st.integers(0, 20 * 365 * 24 * 60),
    st.sampled_from([DigestEvery.HOUR, DigestEvery.DAY]),
    st.sampled_from([TAIPEI, NEW_YORK, UTC]),
)
def test_now_lies_between_the_last_end_and_the_next(minutes: int, every: DigestEvery, zone: Any) -> None:
    now = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    last, following = last_digest_end(every, now, zone), next_digest_end(every, now, zone)
    assert last <= now < following
    assert last_digest_end(every, following, zone) == following


SERVERS = {
    "smtps://me:p%40ss@mail.example": MailServer(
        host="mail.example", port=0, security="tls", user="me", password="p@ss"
    ),
    "smtp://mail.example:2525": MailServer(host="mail.example", port=2525, security="starttls"),
    "smtp://mail.example?security=none": MailServer(host="mail.example", port=0, security="none"),
    "smtp://me:p@[::1]:25?security=tls": MailServer(host="::1", port=25, security="tls", user="me", password="p"),
}


@pytest.mark.parametrize("text", SERVERS)
def test_a_mail_server_is_read_from_its_address(text: str) -> None:
    found = read_settings({"FLOWMEND_SMTP_URL": text})
    assert found.mail == SERVERS[text]
    assert "p@ss" not in repr(found) + repr(found.mail)


@pytest.mark.parametrize(
    "text",
    ["mail.example", "http://a:s3cret@mail.example", "smtps://a:s3cret@mail.example?security=none", "smtp://a:s3cret@", "smtp://a:s3cret@h:x", "smtp://a:s3cret@h/path", "smtp://a:s3cret@h?security=maybe"],
)  # fmt: skip
def test_what_names_no_mail_server_is_refused_without_repeating_its_password(text: str) -> None:
    with pytest.raises(AskedWrongly) as refused:
        read_settings({"FLOWMEND_SMTP_URL": text})
    assert refused.value.target == "FLOWMEND_SMTP_URL"
    assert "s3cret" not in refused.value.message


def test_what_was_chosen_is_kept_and_what_is_not_there_cannot_be(house: Any) -> None:
    assert message_settings(house.services).digest is DigestEvery.DAY
    assert mail_way(house.services).problem == NO_MAIL
    change_message_settings(house.services, digest="off", person_id="p1")
    assert message_settings(house.services).digest is DigestEvery.OFF
    with pytest.raises(NotFound):
        change_message_settings(house.services, mail_connection="none", person_id="p1")
    with pytest.raises(AskedWrongly):
        change_message_settings(house.services, digest="monthly", person_id="p1")
    house.services.store.preferences.put("messages", {"digest": "fortnight"})
    assert message_settings(house.services).digest is DigestEvery.DAY
