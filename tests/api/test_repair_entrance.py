"""The public door of repair links, as a stranger finds it."""

from urllib.parse import urlencode

import pytest

from flowmend.core.connection.credentials import CertificateCredential
from flowmend.core.connection.diagnosis import diagnose
from flowmend.core.connection.health import HealthState
from flowmend.core.connection.received import ReceivedAnswer
from flowmend.core.connector import SignInKind
from flowmend.use_cases.incident_watch import note_break
from flowmend.use_cases.sealed_credentials import open_credential
from made_certificates import make

from .conftest import Answer, Flowmend

pytestmark = pytest.mark.usefixtures("open_door")

_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}


def knock(flowmend: Flowmend, code: str, path: str = "/repair", **headers: str) -> Answer:
    content = urlencode({"code": code}).encode()
    return flowmend.ask("POST", path, headers={**_FORM, **headers}, content=content)


@pytest.mark.parametrize("path", ["/repair", "/repair/connection"])
@pytest.mark.parametrize(
    "headers", [{}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_a_form_of_another_site_is_refused(flowmend: Flowmend, path: str, headers: dict[str, str]) -> None:
    answer = knock(flowmend, "x" * 43, path, **headers)
    assert (answer.status, answer.error_code) == (403, "ForeignOrigin")


def test_the_page_asks_for_the_link_is_not_kept_and_runs_nothing_foreign(flowmend: Flowmend) -> None:
    answer = flowmend.ask("GET", "/repair", headers={"Accept": "text/html"})
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-frame-options"] == "DENY"
    assert b"data-from-fragment" in answer.content
    assert "set-cookie" not in answer.headers


def test_a_session_shows_nothing_of_its_own_there(flowmend: Flowmend) -> None:
    headers = {"Accept": "text/html", "Cookie": f"flowmend_session={flowmend.cookie}"}
    answer = flowmend.ask("GET", "/repair", headers=headers)
    assert answer.status == 200
    assert b"/logout" not in answer.content
    assert b'href="/connections"' not in answer.content


_BY_CERTIFICATE = {
    "properties": {"connectionParameters": {"pfx": {"type": "clientCertificate"}, "word": {"type": "securestring"}}}
}
_SILENT = {
    "swagger": "2.0",
    "info": {"title": "Silent"},
    "host": "silent.example",
    "schemes": ["https"],
    "paths": {"/orders": {"post": {"operationId": "Create"}}},
}


def test_a_certificate_is_given_as_a_file(flowmend: Flowmend) -> None:
    body = {"name": "silent", "definition": _SILENT, "properties": _BY_CERTIFICATE}
    assert flowmend.api("POST", "/connectors", body).status == 201
    old, new = make("ada"), make("ada")
    values = {"pfx": old.pem, "word": "pw"}
    made = flowmend.api("POST", "/connections", {"connector": "silent", "display_name": "Silent", "parameters": values})
    assert made.status == 201, made.content
    connection_id, services = made.json["id"], flowmend.application.services
    row = services.store.connections.get(connection_id)
    assert row is not None
    expired = diagnose(
        ReceivedAnswer(status=401, body="certificate expired"), had_credential=True, kind=SignInKind.CLIENT_CERTIFICATE
    )
    services.store.connections.change(connection_id, health=HealthState.BROKEN)
    flowmend.run(note_break(services, row, expired, code="Unauthorized", message="certificate expired"))
    link = flowmend.api("POST", f"/connections/{connection_id}/repair_links", {"confirmed": True}).json["url"]

    own = {"Origin": flowmend.origin, "Accept": "text/html"}
    held = knock(flowmend, link, **own).headers["set-cookie"].partition(";")[0]
    asked = flowmend.ask("GET", "/repair/connection", headers={"Accept": "text/html", "Cookie": held})
    assert b'enctype="multipart/form-data"' in asked.content
    assert b'type="file"' in asked.content
    parts = [
        b'--cut\r\nContent-Disposition: form-data; name="p.pfx"; filename="ada.pem"\r\n\r\n' + new.pem.encode(),
        b'--cut\r\nContent-Disposition: form-data; name="p.word"\r\n\r\npw',
        b"--cut--\r\n",
    ]
    headers = {**own, "Cookie": held, "Content-Type": "multipart/form-data; boundary=cut"}
    given = flowmend.ask("POST", "/repair/connection", headers=headers, content=b"\r\n".join(parts))

    assert given.status == 200, given.content
    after = services.store.connections.get(connection_id)
    assert after is not None
    kept = open_credential(services.vault, after)
    assert isinstance(kept, CertificateCredential)
    assert kept.certificate_pem.strip() == new.certificate_pem.strip()
    assert knock(flowmend, link, **own).status == 400


def test_whatever_is_wrong_the_answer_is_the_same_until_it_is_too_often(flowmend: Flowmend) -> None:
    own = {"Origin": flowmend.origin}
    guesses = ["x" * 43, "", "a#b", "\N{SNOWMAN}", "x" * 5000, f"{flowmend.origin}/repair#guess"]
    answers = [knock(flowmend, guess, **own) for guess in guesses]
    answers.append(flowmend.ask("GET", "/repair/connection", headers={"Accept": "text/html"}))
    answers.append(flowmend.ask("GET", "/repair/sign_in", headers={"Cookie": "flowmend_repair=guess"}))

    assert {answer.status for answer in answers} == {400}
    assert all(b"Ask whoever sent it for a new one" in answer.content for answer in answers)
    assert not any("flowmend_repair" in answer.headers.get("set-cookie", "") for answer in answers)

    last = [knock(flowmend, f"guess {number}", **own) for number in range(20)][-1]
    assert last.status == 429
    assert int(last.headers["retry-after"]) > 0


def test_an_unknown_path_below_it_is_no_way_in(flowmend: Flowmend) -> None:
    for path in ("/repair/../connections", "/repair/x", "/repair//connections"):
        answer = flowmend.ask("GET", path, headers={"Accept": "text/html"})
        assert answer.status in {303, 401, 404}
        assert b"Sign out" not in answer.content


def test_a_provider_that_sends_a_stranger_back_leads_to_sign_in(flowmend: Flowmend) -> None:
    answer = flowmend.ask("GET", "/oauth/callback?state=made-up&code=c", headers={"Accept": "text/html"})
    assert answer.status == 303
    assert answer.headers["location"].startswith("/login?return_to=%2Foauth%2Fcallback")
