import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.connector import HttpRequest, UnbuildableRequest, build_http_action


def make(**changes: Any) -> HttpRequest | UnbuildableRequest:
    inputs: dict[str, Any] = {
        "method": "POST",
        "uri": "https://a.example/p",
        "headers": {},
        "queries": {},
        "body": None,
        "has_body": "body" in changes,
        "authentication": None,
    }
    return build_http_action(**(inputs | changes))


def made(**changes: Any) -> HttpRequest:
    request = make(**changes)
    assert isinstance(request, HttpRequest), request
    return request


URLS = {
    "as it stands": ("https://a.example/p?x=1&y=%20", {}, "https://a.example/p?x=1&y=%20"),
    "queries replace": (
        "https://a.example/p?x=1",
        {"q": "a b", "n": 2, "t": True},
        "https://a.example/p?q=a%20b&n=2&t=True",
    ),
    "spaces and signs": ("HTTPS://A.example/a b/ü", {}, "https://a.example/a%20b/%C3%BC"),
    "no path": ("http://a.example", {}, "http://a.example/"),
    "fragment": ("http://a.example/x#y", {}, "http://a.example/x"),
    "port": ("http://a.example:8080/x", {}, "http://a.example:8080/x"),
    "international": ("https://bücher.example/", {}, "https://xn--bcher-kva.example/"),
    "six": ("http://[::1]:5/x", {}, "http://[::1]:5/x"),
}


@pytest.mark.parametrize(("uri", "queries", "url"), URLS.values(), ids=URLS)
def test_the_address_is_sent_as_meant(uri: str, queries: dict[str, Any], url: str) -> None:
    assert made(uri=uri, queries=queries).url == url


_PARTS = st.lists(st.sampled_from([*"aZ09%/?:@!$&'()*+,;=._~-[] #ü\n", "//", "%2F", ":80", "é"]), max_size=20).map(
    "".join
)


@given(host=st.sampled_from(["a.example", "10.0.0.1", "a-b", "a.", "-a", "user@a", "[::1]", ""]), rest=_PARTS)
def test_an_address_sent_as_written_is_what_the_rules_make_of_it(host: str, rest: str) -> None:
    # A capital in the scheme takes the address through every rule.
    assert make(uri=f"http://{host}{rest}") == make(uri=f"Http://{host}{rest}")


@pytest.mark.parametrize(
    "uri", ["", "/x", "ftp://a.example", "http://", "a.example", "http://a\r\n.example", "http://[x"]
)
def test_what_is_no_address_is_refused(uri: str) -> None:
    refusal = make(uri=uri)
    assert isinstance(refusal, UnbuildableRequest)
    assert refusal.code == "InvalidUri"


def test_headers_the_service_drops_are_dropped() -> None:
    dropped = [
        "Accept-Language",
        "Allow",
        "Content-Length",
        "Content-MD5",
        "Cookie",
        "Expires",
        "Host",
        "Last-Modified",
    ]
    dropped += ["Origin", "Set-Cookie", "Transfer-Encoding"]
    kept = {"Accept": "a", "Content-Disposition": "b", "Content-Encoding": "c", "Content-Type": "d", "X-Y": "z"}
    assert made(headers=dict.fromkeys(dropped, "v") | kept | {"X-Null": None}).headers == kept


BODIES = {
    "text": ("hi", b"hi", "text/plain; charset=utf-8"),
    "object": ({"a": None}, b'{"a":null}', "application/json; charset=utf-8"),
    "false": (False, b"false", "application/json; charset=utf-8"),
    "envelope": ({"$content-type": "a/b", "$content": base64.b64encode(b"\0").decode()}, b"\0", "a/b"),
}


@pytest.mark.parametrize(("body", "sent", "content_type"), BODIES.values(), ids=BODIES)
def test_a_body_says_its_type(body: Any, sent: bytes, content_type: str) -> None:
    request = made(body=body)
    assert (request.body, request.headers["Content-Type"]) == (sent, content_type)


def test_a_content_type_of_the_flow_stands() -> None:
    request = made(body="a=b", headers={"content-type": "application/x-www-form-urlencoded"})
    assert request.headers == {"content-type": "application/x-www-form-urlencoded"}
    parts = {"$content-type": "multipart/form-data", "$multipart": [{"headers": {}, "body": "x"}]}
    assert "boundary" in made(body=parts, headers={"Content-Type": "multipart/form-data"}).headers["Content-Type"]


AUTHENTICATION = {
    "none": ({"type": "None"}, None),
    "absent": (None, None),
    "raw": ({"type": "Raw", "value": "Bearer x"}, "Bearer x"),
    "basic": (
        {"type": "basic", "username": "ü", "password": "p:w"},
        "Basic " + base64.b64encode("ü:p:w".encode()).decode(),
    ),
}


@pytest.mark.parametrize(("authentication", "header"), AUTHENTICATION.values(), ids=AUTHENTICATION)
def test_authentication_becomes_the_authorization_header(authentication: Any, header: str | None) -> None:
    request = made(authentication=authentication, headers={"authorization": "mine"} if header else {})
    assert request.headers == ({"Authorization": header} if header else {})


@pytest.mark.parametrize("kind", ["ManagedServiceIdentity", "ClientCertificate", "ActiveDirectoryOAuth", ""])
def test_other_kinds_of_authentication_say_that_they_are_not_supported(kind: str) -> None:
    refusal = make(authentication={"type": kind})
    assert isinstance(refusal, UnbuildableRequest)
    assert refusal.code == "MissingSignIn"


def test_line_breaks_are_refused_and_a_secret_is_not_told() -> None:
    refusal = make(authentication={"type": "Raw", "value": "s3cret\r\nX: y"})
    assert isinstance(refusal, UnbuildableRequest)
    assert refusal.code == "UnsafeHeader"
    assert "s3cret" not in refusal.message
    assert isinstance(make(headers={"X": "a\nb"}), UnbuildableRequest)
