"""Messages over the API and the pages, met by strangers, foreign pages and addresses that want to be something else."""

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from flowmend.portal.language import LANGUAGES
from flowmend.use_cases.message_routes import LANGUAGES as MESSAGE_LANGUAGES

from .conftest import Answer, Flowmend

FORM = "application/x-www-form-urlencoded"
PAGES = ("/notices", "/settings/messages")
FORMS: tuple[tuple[str, dict[str, str]], ...] = (
    ("/settings/messages", {"digest": "off"}),
    ("/settings/messages/owner", {"email": "thief@example.com"}),
    ("/settings/messages/routes", {"address": "thief@example.com"}),
    ("/settings/messages/routes/owner/test", {}),
    ("/settings/messages/routes/owner/switch", {"is_on": "false"}),
    ("/settings/messages/routes/owner/remove", {}),
    ("/settings/messages/deliveries/n/owner/again", {}),
    ("/notices/read", {}),
    ("/notices/n/open", {}),
)


@pytest.fixture
def hook(flowmend: Flowmend) -> Iterator[dict[str, Any]]:
    made = flowmend.api("POST", "/message_routes", {"address": "https://hooks.example.com/x", "kinds": ["broken"]})
    assert made.status == 201, made.content
    yield made.json
    flowmend.api("DELETE", f"/message_routes/{made.json['id']}")


def visit(flowmend: Flowmend, path: str, **headers: str) -> Answer:
    sent = {"Cookie": f"flowmend_session={flowmend.cookie}", "Accept": "text/html", **headers}
    return flowmend.ask("GET", path, headers=sent)


def submit(flowmend: Flowmend, path: str, fields: dict[str, str], **headers: str) -> Answer:
    sent = {"Cookie": f"flowmend_session={flowmend.cookie}", "Origin": flowmend.origin, "Content-Type": FORM, **headers}
    return flowmend.ask("POST", path, headers=sent, content=urlencode(fields))


def routes(flowmend: Flowmend) -> list[dict[str, Any]]:
    return list(flowmend.api("GET", "/message_routes").json["value"])


@pytest.mark.parametrize("path", PAGES)
def test_nobody_sees_messages_without_signing_in(flowmend: Flowmend, path: str) -> None:
    answer = flowmend.ask("GET", path, headers={"Accept": "text/html"})
    assert (answer.status, answer.headers["location"].partition("?")[0]) == (303, "/login")
    assert visit(flowmend, path).status == 200


@pytest.mark.parametrize(("path", "fields"), FORMS)
def test_no_stranger_and_no_foreign_page_changes_who_is_told(
    flowmend: Flowmend, path: str, fields: dict[str, str]
) -> None:
    before = (routes(flowmend), flowmend.api("GET", "/message_settings").json)
    stranger = flowmend.ask(
        "POST", path, headers={"Origin": flowmend.origin, "Content-Type": FORM}, content=urlencode(fields)
    )
    assert stranger.status in {303, 401, 403}
    assert submit(flowmend, path, fields, Origin="https://evil.example").status == 403
    assert (routes(flowmend), flowmend.api("GET", "/message_settings").json) == before


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_api_asks_for_a_token(flowmend: Flowmend, method: str) -> None:
    assert flowmend.ask(method, "/api/v1/message_routes", {} if method == "POST" else None).status in {401, 403}


ADDRESSES = {
    "nothing": "",
    "no address": "nobody",
    "two": "a@example.com, b@example.com",
    "two, parted by a semicolon": "a@example.com;b@example.com",
    "a name with it": "Boss <boss@example.com>",
    "a header in it": "a@example.com\r\nBcc: all@example.com",
    "a bare line break": "a@example.com\nBcc:all@example.com",
    "a line separator": "a@example.com\u2028Bcc: x@example.com",
    "an encoded line break": "=?utf-8?q?a=0ABcc:b?=@example.com\n",
    "a long local part": "a" * 65 + "@example.com",
    "a long one": "a@" + "b" * 260 + ".com",
    "an enormous one": "a" * 100_000 + "@example.com",
    "no web address": "ftp://example.com/x",
    "in the clear": "http://hooks.example.com/x",
    "in the clear, at home": "http://127.0.0.1/x",
    "a user name in it": "https://user:pass@hooks.example.com/x",
    "another host behind a user": "https://hooks.example.com@127.0.0.1/",
    "a fragment": "https://hooks.example.com/x#y",
    "no host": "https:///x",
    "a port that is none": "https://hooks.example.com:99999/x",
    "a header in the path": "https://hooks.example.com/x\r\nX: y",
    "a blank": "https://hooks.example.com/a b",
    "a backslash": "https://hooks.example.com\\@evil.example/",
    "a long web address": "https://hooks.example.com/" + "x" * 2000,
}


@pytest.mark.parametrize("case", ADDRESSES)
def test_what_is_no_address_is_refused_everywhere(flowmend: Flowmend, case: str) -> None:
    before = routes(flowmend)
    answer = flowmend.api("POST", "/message_routes", {"address": ADDRESSES[case]})
    assert (answer.status, answer.error_code) == (400, "InvalidAddress")
    assert submit(flowmend, "/settings/messages/routes", {"address": ADDRESSES[case]}).status in {400, 413}
    assert routes(flowmend) == before


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"kinds": ["everything"]}, "InvalidKind"),
        ({"after_minutes": -1}, "InvalidWait"),
        ({"after_minutes": 10**15}, "InvalidWait"),
        ({"language": "xx"}, "InvalidLanguage"),
        ({"after_minutes": 30, "kinds": ["digest"]}, "InvalidKind"),  # it would never be told anything
    ],
)
def test_what_a_route_cannot_be_is_refused(flowmend: Flowmend, body: dict[str, Any], code: str) -> None:
    answer = flowmend.api("POST", "/message_routes", {"address": "a@example.com", **body})
    assert (answer.status, answer.error_code) == (400, code)


def test_a_webhooks_secret_is_shown_once_and_then_never(flowmend: Flowmend, hook: dict[str, Any]) -> None:
    assert hook["secret"].startswith("whsec_")
    seen = b"".join(
        [
            flowmend.api("GET", "/message_routes").content,
            visit(flowmend, "/settings/messages").content,
            flowmend.api("PATCH", f"/message_routes/{hook['id']}", {"is_on": False}).content,
        ]
    )
    assert hook["secret"].encode() not in seen
    page = submit(flowmend, "/settings/messages/routes", {"address": "https://hooks.example.com/second"})
    assert (page.status, page.headers["cache-control"]) == (200, "no-store")
    assert b"whsec_" in page.content
    (second,) = (one for one in routes(flowmend) if one["address"].endswith("/second"))
    flowmend.api("DELETE", f"/message_routes/{second['id']}")


def test_a_webhook_to_a_private_address_is_taken_and_never_called(flowmend: Flowmend) -> None:
    made = flowmend.api("POST", "/message_routes", {"address": f"https://127.0.0.1:{flowmend.port}/x"}).json
    sent = flowmend.api("POST", f"/message_routes/{made['id']}/test", {})
    assert sent.status == 202

    def delivery() -> dict[str, Any]:
        listed = flowmend.api("GET", "/messages").json["value"]
        found: dict[str, Any] = next(one for one in listed if one["id"] == sent.json["id"])["deliveries"][0]
        return found

    for _ in range(100):
        if delivery()["state"] == "given_up":
            break
        flowmend.run(_a_moment())
    assert (delivery()["state"], delivery()["code"]) == ("given_up", "AddressNotAllowed")
    flowmend.api("DELETE", f"/message_routes/{made['id']}")


def test_tests_are_few_whichever_way_they_are_asked_for(flowmend: Flowmend, hook: dict[str, Any]) -> None:
    flowmend.api("PATCH", f"/message_routes/{hook['id']}", {"is_on": True})
    path = f"/message_routes/{hook['id']}/test"
    answers = [flowmend.api("POST", path, {}) for _ in range(6)]
    assert answers[-1].status == 429
    assert int(answers[-1].headers["retry-after"]) > 0
    page = submit(flowmend, f"/settings/messages/routes/{hook['id']}/test", {})
    assert page.status == 429


def test_the_owner_is_always_listed_and_can_be_turned_off(flowmend: Flowmend) -> None:
    refused = flowmend.api("DELETE", "/message_routes/owner")
    assert (refused.status, refused.error_code) == (409, "OwnerRoute")
    assert flowmend.api("PATCH", "/message_routes/owner", {"is_on": False}).json["is_on"] is False
    assert flowmend.api("PATCH", "/message_routes/owner", {"is_on": True}).json["is_on"] is True
    nowhere = flowmend.api("POST", "/message_routes/owner/test", {})
    assert (nowhere.status, nowhere.error_code) == (409, "NoAddress")


def test_the_owners_address_and_the_sums_are_settings(flowmend: Flowmend) -> None:
    wrong = flowmend.api("PATCH", "/message_settings", {"owner_email": "a@example.com\r\nBcc: b@example.com"})
    assert (wrong.status, wrong.error_code) == (400, "InvalidAddress")
    assert flowmend.api("PATCH", "/message_settings", {"digest": "monthly"}).error_code == "InvalidDigest"
    assert flowmend.api("PATCH", "/message_settings", {"mail_connection": "none"}).status == 404
    changed = flowmend.api("PATCH", "/message_settings", {"owner_email": "mei@example.com", "digest": "hour"}).json
    assert (changed["owner_email"], changed["digest"], changed["mail_problem"]) == (
        "mei@example.com",
        "hour",
        "NoMailServer",
    )
    flowmend.api("PATCH", "/message_settings", {"owner_email": "", "digest": "day"})


@pytest.mark.parametrize("path", ["/message_routes/nobody", "/message_routes/..%2Fowner"])
def test_what_is_not_there_is_said(flowmend: Flowmend, path: str) -> None:
    assert flowmend.api("DELETE", path).status == 404
    assert flowmend.api("POST", f"{path}/test", {}).status == 404


def test_the_same_address_is_told_once(flowmend: Flowmend, hook: dict[str, Any]) -> None:
    again = flowmend.api("POST", "/message_routes", {"address": hook["address"].upper().replace("HTTPS", "https")})
    assert (again.status, again.error_code) == (409, "RouteExists")


def test_messages_are_written_in_the_portals_languages() -> None:
    assert set(MESSAGE_LANGUAGES) == set(LANGUAGES)


async def _a_moment() -> None:
    await asyncio.sleep(0.05)
