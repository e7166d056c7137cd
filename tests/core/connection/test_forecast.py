from datetime import UTC, datetime, timedelta

import pytest

from flowmend.core.connection.forecast import (
    IDLE_LIMITS,
    End,
    EndKind,
    SignInFacts,
    Urgency,
    days_left,
    ends_of,
    idle_limit,
    is_idle,
    urgency,
)
from flowmend.core.connection.probe_schedule import KEEP_ALIVE

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MICROSOFT = "https://login.microsoftonline.com/common/oauth2/v2.0/token"


def test_an_access_token_that_renews_itself_ends_nothing() -> None:
    assert ends_of(SignInFacts(expires_at=NOW + HOUR, renews=True)) == ()


def test_an_access_token_alone_ends_the_sign_in() -> None:
    assert ends_of(SignInFacts(expires_at=NOW + HOUR)) == (End(kind=EndKind.ACCESS_TOKEN, at=NOW + HOUR),)


def test_what_ends_first_comes_first() -> None:
    facts = SignInFacts(
        expires_at=NOW + HOUR,
        renews=True,
        refreshed_at=NOW,
        token_url=MICROSOFT,
        lasts_until=NOW + 9 * DAY,
        lasts_until_kind="certificate",
        app_secret_ends_at=NOW + 30 * DAY,
    )
    assert [(end.kind, (end.at - NOW).days) for end in ends_of(facts)] == [
        (EndKind.CERTIFICATE, 9),
        (EndKind.APP_SECRET, 30),
        (EndKind.IDLE, 90),
    ]


def test_a_provider_that_names_no_idle_limit_has_none() -> None:
    assert ends_of(SignInFacts(renews=True, refreshed_at=NOW, token_url="https://example.com/token")) == ()
    assert idle_limit("https://[broken/token") is None


@pytest.mark.parametrize(
    ("left", "word"),
    [
        (-DAY, Urgency.OVER),
        (timedelta(0), Urgency.OVER),
        (HOUR, Urgency.DAY),
        (DAY, Urgency.DAY),
        (DAY + HOUR, Urgency.WEEK),
        (30 * DAY, Urgency.MONTH),
        (30 * DAY + HOUR, Urgency.LATER),
    ],
)
def test_the_lead_times_are_those_people_plan_with(left: timedelta, word: Urgency) -> None:
    assert urgency(NOW + left, NOW) is word


@pytest.mark.parametrize(("left", "days"), [(-HOUR, 0), (HOUR, 1), (DAY, 1), (DAY + HOUR, 2)])
def test_a_begun_day_counts(left: timedelta, days: int) -> None:
    assert days_left(NOW + left, NOW) == days


def test_tokens_are_kept_alive_well_before_any_known_limit() -> None:
    assert min(IDLE_LIMITS.values()) / 2 > KEEP_ALIVE
    assert not is_idle(MICROSOFT, NOW - 6 * DAY, NOW, KEEP_ALIVE)
    assert is_idle(MICROSOFT, NOW - 7 * DAY, NOW, KEEP_ALIVE)
    assert is_idle("https://example.com", NOW - 7 * DAY, NOW, KEEP_ALIVE)
    assert is_idle("https://account.docusign.com/oauth/token", NOW - 15 * DAY, NOW, 60 * DAY)


def test_a_kind_nobody_knows_is_a_note() -> None:
    assert ends_of(SignInFacts(lasts_until=NOW, lasts_until_kind="?"))[0].kind is EndKind.NOTED
