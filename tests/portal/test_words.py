"""Times, languages, statuses and remedies in words."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from flowmend.core.outcome import Category, Status
from flowmend.portal.frame import local_path
from flowmend.portal.incident_words import QUESTIONS
from flowmend.portal.language import chosen_language, translations
from flowmend.portal.remedies import REMEDIES, cause_of, connection_remedy, remedy_of
from flowmend.portal.times import Times, zone_named
from flowmend.portal.words import HEALTH_LOOKS, connector_tile, flow_look, status_look
from flowmend.store.rows import HealthState
from flowmend.use_cases.incident_question import ENGLISH

NOW = datetime(2026, 11, 17, 1, 12, tzinfo=UTC)


def times(language: str = "en", zone: str = "Asia/Taipei") -> Times:
    return Times(now=NOW, zone=ZoneInfo(zone), gettext=translations(language).gettext)


@pytest.mark.parametrize(
    ("at", "english", "chinese"),
    [
        (NOW - timedelta(hours=2), "today 07:12:00", "今天 07:12:00"),
        (NOW - timedelta(hours=10), "yesterday 23:12:00", "昨天 23:12:00"),
        (NOW - timedelta(days=40), "8 Oct 09:12:00", "10 月 8 日 09:12:00"),
        (NOW - timedelta(days=400), "13 Oct 2025 09:12:00", "2025 年 10 月 13 日 09:12:00"),
    ],
)
def test_a_moment_is_told_in_the_readers_zone_and_language(at: datetime, english: str, chinese: str) -> None:
    assert f">{english}</time>" in times().moment(at)
    assert f">{chinese}</time>" in times("zh-Hant").moment(at)
    assert 'datetime="' in times().moment(at)
    assert "+08:00" in times().moment(at)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "0 ms"), (0.013, "13 ms"), (4.34, "4.3 s"), (125, "2 min 5 s"), (12_000, "3 h 20 min"), (187_200, "2 d 4 h")],
)
def test_a_duration_is_told_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert times().duration(timedelta(seconds=seconds)) == words


def test_a_zone_that_does_not_exist_is_none() -> None:
    assert zone_named("Nowhere/Nothing") is None
    assert zone_named("../../etc/passwd") is None
    assert zone_named("Asia/Taipei") == ZoneInfo("Asia/Taipei")


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("zh-TW,zh;q=0.9,en;q=0.8", "zh-Hant"),
        ("en-GB,zh-TW;q=0.9", "en"),
        ("fr-FR,zh-Hant;q=0.5,en;q=0.3", "zh-Hant"),
        ("zh-TW;q=0,en", "en"),
        ("*, ;;q=nonsense", "en"),
    ],
)
def test_the_browsers_best_language_is_taken(accepted: str, language: str) -> None:
    assert chosen_language("", "", accept_language=accepted) == language


def test_a_chosen_language_goes_before_the_browsers() -> None:
    assert chosen_language("zh-Hant", "en", accept_language="en") == "zh-Hant"
    assert chosen_language("klingon", "zh-Hant", accept_language="en") == "zh-Hant"


def test_every_status_and_health_has_its_own_shape_and_word() -> None:
    for status in Status:
        assert status_look(status).word
    assert {state for state in HealthState if state not in HEALTH_LOOKS} == set()
    assert len({(look.icon, look.tone) for look in HEALTH_LOOKS.values()}) == len(HEALTH_LOOKS)


def test_a_wait_is_told_by_its_code() -> None:
    assert status_look("Waiting", "ConnectionNeedsRepair").word == "Held"
    assert status_look("Waiting", "ActionInDoubt").word == "Needs your answer"
    assert status_look("Waiting").word == "Waiting"
    assert status_look("Succeeded", was_retried=True).word == "Succeeded with retries"
    assert flow_look("On", 3).word == "On, holding events"
    assert flow_look("Off", 3).word == "Off"


def test_a_connector_keeps_its_tile() -> None:
    assert connector_tile("shared_office365") == connector_tile("office365")
    assert connector_tile("whatever") == connector_tile("whatever")


@pytest.mark.parametrize(
    ("key", "code", "remedy"),
    [
        ("verify_password", "Unauthorized", "verify_password"),
        ("ask_for_permission", "Forbidden", "ask_for_permission"),
        ("", "BadRequest", "edit_flow"),
        ("", "NotFound", "edit_flow"),
        ("", "BadGateway", "resubmit"),
        ("", "InternalServerError", "resubmit"),
        ("unheard_of", "NotFound", "edit_flow"),
    ],
)
def test_a_failure_gets_its_remedy(key: str, code: str, remedy: str) -> None:
    assert remedy_of(key, code) is REMEDIES[remedy]


def test_missing_permission_opens_no_sign_in() -> None:
    assert REMEDIES["ask_for_permission"].opens == ""
    assert REMEDIES["ask_admin"].opens == ""


def test_each_way_of_signing_in_has_its_own_command() -> None:
    titles = [connection_remedy(kind).title for kind in ("basic", "oauth2", "api_key")]
    assert titles == ["Verify password", "Sign in again", "Replace key"]
    assert {cause_of(category) for category in Category} >= {"Permission is missing", "The sign-in has expired"}


@pytest.mark.parametrize(
    "address", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:x", "", "x"]
)
def test_a_way_back_never_leaves_the_server(address: str) -> None:
    assert local_path(address) == "/"


def test_a_way_back_keeps_its_query() -> None:
    assert local_path("/runs?status=Failed") == "/runs?status=Failed"


def test_what_to_ask_is_the_same_on_the_page_and_elsewhere() -> None:
    assert QUESTIONS == ENGLISH
