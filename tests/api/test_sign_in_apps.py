"""Sign-in apps over the API: made, read, changed, deleted; no answer holds what proves them."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from authorization_server import connector_documents

from .conftest import Flowmend

SECRET = "a-planted-client-secret-19c3"


@pytest.fixture(scope="module")
def connector(flowmend: Flowmend) -> str:
    # Nothing listens there: what these tests do asks no provider.
    definition, properties = connector_documents("http://127.0.0.1:9")
    made = flowmend.api("POST", "/connectors", {"name": "idp", "definition": definition, "properties": properties})
    assert made.status == 201, made.content
    return "idp"


@pytest.fixture
def app(flowmend: Flowmend, connector: str) -> Iterator[dict[str, Any]]:
    body = {"connector": connector, "client_id": "our-app", "client_secret": SECRET, "display_name": "Ours"}
    made = flowmend.api("POST", "/sign_in_apps", body)
    assert made.status == 201, made.content
    yield made.json
    flowmend.api("DELETE", f"/sign_in_apps/{made.json['id']}")


def test_an_app_is_shown_without_its_secret(flowmend: Flowmend, app: dict[str, Any]) -> None:
    listed = flowmend.api("GET", "/sign_in_apps?connector=idp")
    one = flowmend.api("GET", f"/sign_in_apps/{app['id']}")
    assert one.json in listed.json["value"]
    assert (one.json["has_proof"], one.json["proof"]) == (True, "secret")
    assert one.json["redirect_url"].endswith("/oauth/callback")
    assert SECRET.encode() not in listed.content + one.content


def test_what_is_left_out_stays_and_null_forgets_the_date(flowmend: Flowmend, app: dict[str, Any]) -> None:
    path = f"/sign_in_apps/{app['id']}"
    changed = flowmend.api("PATCH", path, {"secret_expires_at": "2031-01-01T00:00:00Z"})
    assert changed.json["secret_expires_at"].startswith("2031-01-01")
    assert flowmend.api("PATCH", path, {"display_name": "New"}).json["secret_expires_at"] is not None
    assert flowmend.api("PATCH", path, {"secret_expires_at": None}).json["secret_expires_at"] is None


def test_a_secret_nothing_can_prove_is_kept_and_says_so(flowmend: Flowmend, app: dict[str, Any]) -> None:
    answer = flowmend.api("POST", f"/sign_in_apps/{app['id']}/secret", {"client_secret": SECRET + "2"})
    assert (answer.json["result"], answer.json["is_kept"]) == ("untested", True)
    assert SECRET.encode() not in answer.content


@pytest.mark.parametrize(
    ("case", "body", "code"),
    [
        ("nothing", {}, "MissingParameter"),
        ("two proofs", {"client_secret": "a", "certificate": "b"}, "TwoProofs"),
        ("no certificate", {"certificate": "hello"}, "InvalidCertificate"),
    ],
)
def test_a_wrong_secret_form_changes_nothing(
    case: str, body: dict[str, str], code: str, flowmend: Flowmend, app: dict[str, Any]
) -> None:
    answer = flowmend.api("POST", f"/sign_in_apps/{app['id']}/secret", body)
    assert (answer.status, answer.error_code) == (400, code), case


def test_a_connection_acts_as_the_chosen_app_which_then_stays(flowmend: Flowmend, app: dict[str, Any]) -> None:
    body = {"connector": "idp", "display_name": "By app", "parameter_set": "person", "sign_in_app": app["id"]}
    made = flowmend.api("POST", "/connections", body)
    assert made.status == 201, made.content
    assert flowmend.api("DELETE", f"/sign_in_apps/{app['id']}").error_code == "SignInAppInUse"
    assert flowmend.api("DELETE", f"/connections/{made.json['id']}").status == 200


@pytest.mark.parametrize("path", ["/sign_in_apps/none", "/sign_in_apps/none/secret"])
def test_an_app_that_is_not_there(flowmend: Flowmend, path: str) -> None:
    method = "POST" if path.endswith("secret") else "GET"
    answer = flowmend.api(method, path, {"client_secret": "x"} if method == "POST" else None)
    assert (answer.status, answer.error_code) == (404, "SignInAppNotFound")


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/sign_in_apps"), ("PATCH", "/sign_in_apps/x"), ("DELETE", "/sign_in_apps/x"),
     ("POST", "/sign_in_apps/x/secret"), ("POST", "/connections/x/device_sign_in"),
     ("POST", "/connections/x/device_sign_in/check")],
)  # fmt: skip
def test_another_site_can_do_nothing_with_the_owners_cookie(flowmend: Flowmend, method: str, path: str) -> None:
    headers = {"Cookie": f"flowmend_session={flowmend.cookie}", "Origin": "http://evil.example"}
    assert flowmend.ask(method, f"/api/v1{path}", {}, headers=headers).status in {401, 403}


def test_a_date_without_a_zone_is_refused(flowmend: Flowmend, app: dict[str, Any]) -> None:
    path = f"/sign_in_apps/{app['id']}"
    changed = flowmend.api("PATCH", path, {"secret_expires_at": "2031-01-01T00:00:00"})
    assert (changed.status, changed.error_code) == (400, "InvalidRequestContent")


@pytest.mark.parametrize(
    ("site", "leads_to"), [("cross-site", "/verify"), ("same-site", "/verify"), ("same-origin", "/authorize")]
)
def test_no_other_site_begins_a_sign_in(
    flowmend: Flowmend, app: dict[str, Any], connector: str, site: str, leads_to: str
) -> None:
    body = {"connector": connector, "display_name": "Person", "parameter_set": "person", "sign_in_app": app["id"]}
    made = flowmend.api("POST", "/connections", body)
    address = f"/connections/{made.json['id']}/consent?confirmed=true"
    headers = {"Accept": "text/html", "Cookie": f"flowmend_session={flowmend.cookie}", "Sec-Fetch-Site": site}
    answer = flowmend.ask("GET", address, headers=headers)
    flowmend.api("DELETE", f"/connections/{made.json['id']}")
    assert answer.status == 303
    assert leads_to in answer.headers["location"].partition("?")[0]


def test_a_cursor_no_store_can_hold_is_refused(flowmend: Flowmend, app: dict[str, Any], connector: str) -> None:
    body = {"connector": connector, "display_name": "Uses", "parameter_set": "person", "sign_in_app": app["id"]}
    connection_id = flowmend.api("POST", "/connections", body).json["id"]
    for cursor in ("9" * 30, "\N{ARABIC-INDIC DIGIT ONE}", "-1"):
        answer = flowmend.api("GET", f"/connections/{connection_id}/uses?{urlencode({'cursor': cursor})}")
        assert (answer.status, answer.error_code) == (400, "InvalidCursor")
    flowmend.api("DELETE", f"/connections/{connection_id}")
