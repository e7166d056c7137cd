"""Everything a stranger may try against the whole server."""

import socket
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from starlette.routing import Mount, Route

from flowmend.api.health import health_routes
from flowmend.api.routes import OPERATIONS
from flowmend.api.security.entrances import OPEN_PATHS
from flowmend.portal.routes import portal_routes

from .conftest import Flowmend


def api_addresses() -> list[tuple[str, str]]:
    return [
        (operation.method, "/api/v1" + operation.path.replace("{", "").replace("}", "")) for operation in OPERATIONS
    ]


def portal_addresses(flowmend: Flowmend) -> Iterator[tuple[str, str]]:
    for route in [*portal_routes(flowmend.application.services), *health_routes(flowmend.application.services)]:
        assert isinstance(route, Route | Mount)
        for method in sorted(getattr(route, "methods", None) or {"GET"}):
            yield method, route.path.replace("{", "").replace("}", "")


def is_open(path: str) -> bool:
    return any(path.startswith(name) if name.endswith("/") else path == name for name, _ in OPEN_PATHS)


@pytest.mark.parametrize(("method", "address"), api_addresses())
def test_every_api_route_refuses_a_stranger(flowmend: Flowmend, method: str, address: str) -> None:
    # An origin of ours, so that it is the missing person that is refused and nothing else.
    answer = flowmend.ask(method, address, headers={"Origin": flowmend.origin})

    assert answer.status == 401
    if method != "HEAD":
        assert answer.error_code == "Unauthorized"


def test_every_page_refuses_a_stranger(flowmend: Flowmend) -> None:
    tried = 0
    for method, address in portal_addresses(flowmend):
        if is_open(address):
            continue
        tried += 1
        answer = flowmend.ask(method, address, headers={"Origin": flowmend.origin})
        assert answer.status == 401, (method, address)
    assert tried > 20


def test_a_browser_is_led_to_sign_in_and_back(flowmend: Flowmend) -> None:
    answer = flowmend.ask("GET", "/runs?status=Failed", headers={"Accept": "text/html"})

    assert answer.status == 303
    assert answer.headers["location"] == "/login?return_to=%2Fruns%3Fstatus%3DFailed"


@pytest.mark.parametrize(
    "path", ["/api/v1/nothing", "/nothing", "/api", "/api/v2/flows", "//api/v1/flows", "/%61pi/v1/flows"]
)
def test_paths_that_lead_nowhere_are_closed_too(flowmend: Flowmend, path: str) -> None:
    assert flowmend.ask("GET", path).status == 401


@pytest.mark.parametrize(
    "authorization",
    ["Bearer wrong", "Bearer ", "Bearer", "Basic YTpi", "bearer\tx", "Bearer fm_" + "a" * 43, "Bearer \u00e9"],
)
def test_a_wrong_token_is_refused(flowmend: Flowmend, authorization: str) -> None:
    answer = flowmend.ask("GET", "/api/v1/flows", headers={"Authorization": authorization})
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_good_token_opens_the_api_and_only_it(flowmend: Flowmend) -> None:
    assert flowmend.api("GET", "/flows").status == 200
    assert flowmend.ask("GET", "/flows", headers={"Authorization": f"Bearer {flowmend.token}"}).status == 401


@pytest.mark.parametrize("name", ["token", "access_token", "authorization", "sig"])
def test_a_token_in_the_query_is_ignored(flowmend: Flowmend, name: str) -> None:
    assert flowmend.ask("GET", f"/api/v1/flows?{name}={flowmend.token}").status == 401


def test_a_wrong_token_is_not_made_good_by_a_cookie(flowmend: Flowmend) -> None:
    headers = {"Authorization": "Bearer wrong", "Cookie": f"flowmend_session={flowmend.cookie}"}
    assert flowmend.ask("GET", "/api/v1/flows", headers=headers).status == 401


@pytest.mark.parametrize(
    ("what", "headers"),
    [
        ("no statement of origin", {}),
        ("a foreign page", {"Origin": "https://evil.example"}),
        ("a sandboxed page", {"Origin": "null"}),
        ("another port of this machine", {"Origin": "http://127.0.0.1:1"}),
        ("a form elsewhere", {"Sec-Fetch-Site": "cross-site"}),
        ("a sibling host", {"Sec-Fetch-Site": "same-site"}),
    ],
)
def test_a_session_changes_nothing_from_elsewhere(flowmend: Flowmend, what: str, headers: dict[str, str]) -> None:
    cookie = {"Cookie": f"flowmend_session={flowmend.cookie}"}

    for path in ("/api/v1/connectors", "/flows/x/on", "/logout"):
        answer = flowmend.ask("POST", path, {}, headers={**cookie, **headers})
        assert (answer.status, answer.error_code) == (403, "ForeignOrigin"), (what, path)


def test_a_session_may_read_from_anywhere_and_change_from_home(flowmend: Flowmend) -> None:
    cookie = {"Cookie": f"other=1; flowmend_session={flowmend.cookie}"}

    assert flowmend.ask("GET", "/api/v1/flows", headers=cookie).status == 200
    answer = flowmend.ask("POST", "/api/v1/runs/none/cancel", {}, headers={**cookie, "Origin": flowmend.origin})
    assert answer.status == 404


@pytest.mark.parametrize("cookie", ["wrong", "", '"', "a" * 4000, "%00", "x; flowmend_session=y"])
def test_a_wrong_cookie_is_nobody(flowmend: Flowmend, cookie: str) -> None:
    assert flowmend.ask("GET", "/api/v1/flows", headers={"Cookie": f"flowmend_session={cookie}"}).status == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost@evil.example"]
)
@pytest.mark.parametrize("path", ["/health", "/login", "/api/v1/flows", "/workflows/x/triggers/y/paths/invoke"])
def test_a_foreign_host_name_is_not_answered(flowmend: Flowmend, host: str, path: str) -> None:
    answer = flowmend.ask("GET", path, headers={"Host": host, "Authorization": f"Bearer {flowmend.token}"})
    assert (answer.status, answer.error_code) == (421, "MisdirectedRequest")


def test_forwarded_headers_of_strangers_count_for_nothing(flowmend: Flowmend) -> None:
    headers = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "1.2.3.4"}
    assert flowmend.ask("GET", "/health", headers=headers).status == 200


MEGABYTE = 1024 * 1024


@pytest.mark.parametrize(
    "path", ["/api/v1/runs/x/resubmit", "/api/v1/connections/x/verify", "/workflows/a/triggers/b/paths/invoke"]
)
def test_a_declared_huge_body_is_refused_unread(flowmend: Flowmend, path: str) -> None:
    with socket.create_connection(("127.0.0.1", flowmend.port), timeout=60) as connection:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{flowmend.port}\r\nAuthorization: Bearer {flowmend.token}\r\n"
            f"Content-Length: {50 * MEGABYTE}\r\n\r\n"
        )
        connection.sendall(head.encode())
        received = connection.makefile("rb").read()  # the server closes: it will not read the rest
    assert received.startswith(b"HTTP/1.1 413 ")
    assert b"RequestEntityTooLarge" in received


@pytest.mark.parametrize("path", ["/api/v1/runs/x/resubmit", "/workflows/a/triggers/b/paths/invoke"])
def test_a_huge_body_without_a_length_is_refused_while_it_arrives(flowmend: Flowmend, path: str) -> None:
    sent = 0
    received = b""
    with socket.create_connection(("127.0.0.1", flowmend.port), timeout=60) as connection:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{flowmend.port}\r\nAuthorization: Bearer {flowmend.token}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n"
        )
        connection.sendall(head.encode())
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        connection.settimeout(0.01)
        try:
            while sent < 50 * MEGABYTE:
                connection.settimeout(60)
                connection.sendall(chunk)
                sent += 0x10000
                connection.settimeout(0.001)
                try:
                    received = connection.recv(65536)
                    break
                except TimeoutError:
                    continue
        except (BrokenPipeError, ConnectionResetError):
            received = b"HTTP/1.1 413 (closed)"
    assert received.startswith(b"HTTP/1.1 413 ")
    assert sent < 10 * MEGABYTE


def test_an_import_may_be_larger_than_other_bodies(flowmend: Flowmend) -> None:
    answer = flowmend.api("POST", "/flows?file_name=big.json", content=b" " * (2 * MEGABYTE))
    assert (answer.status, answer.error_code) == (400, "InvalidJSON")


def test_carriage_returns_in_paths_and_values_break_nothing(flowmend: Flowmend) -> None:
    for path in (
        "/api/v1/runs/x%0D%0ASet-Cookie:%20a=b",
        "/api/v1/flows/%0d%0aX-Evil:1/runs",
        "/workflows/a%0D%0Ab/triggers/c%0D%0Ad/paths/invoke",
    ):
        answer = (
            flowmend.api("GET", path.removeprefix("/api/v1")) if path.startswith("/api") else flowmend.ask("POST", path)
        )
        assert answer.status in {401, 404}
        assert "set-cookie" not in answer.headers
        assert "x-evil" not in answer.headers


def test_the_way_back_after_sign_in_cannot_smuggle_a_header(flowmend: Flowmend) -> None:
    answer = flowmend.ask("GET", "/runs%0d%0aX-Evil:1?a=%0d%0ab", headers={"Accept": "text/html"})
    assert answer.status == 303
    assert "x-evil" not in answer.headers


def test_pages_carry_the_headers_that_protect_them(flowmend: Flowmend) -> None:
    answer = flowmend.ask("GET", "/login", headers={"Accept": "text/html"})

    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe-inline" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"
    assert "server" not in answer.headers


def test_api_answers_carry_request_ids(flowmend: Flowmend) -> None:
    first, second = flowmend.api("GET", "/flows"), flowmend.api("GET", "/nothing")

    assert first.headers["x-ms-request-id"] != second.headers["x-ms-request-id"]
    assert second.headers["x-ms-correlation-request-id"]
    assert "date" in first.headers


def altered(url: str, **changes: str | None) -> str:
    parts = urlsplit(url)
    query = {**dict(parse_qsl(parts.query)), **changes}
    kept = {name: value for name, value in query.items() if value is not None}
    return parts._replace(query=urlencode(kept)).geturl()


@pytest.mark.parametrize(
    "changes",
    [
        {"sig": None},
        {"sig": ""},
        {"sig": "A" * 43},
        {"sig": "é"},
        {"sp": "/triggers/other/run"},
        {"sp": "//*"},
        {"sv": "2.0"},
        {"se": "2020-01-01T00:00:00Z"},
        {"se": "2999-01-01T00:00:00Z"},
    ],
)
def test_a_wrong_signature_starts_nothing(flowmend: Flowmend, echo_url: str, changes: dict[str, str | None]) -> None:
    answer = flowmend.ask("POST", altered(echo_url, **changes), {"a": 1})
    assert (answer.status, answer.error_code) == (401, "DirectApiAuthorizationRequired")


def test_an_unknown_flow_answers_like_a_wrong_signature(flowmend: Flowmend, echo_url: str) -> None:
    elsewhere = echo_url.replace(echo_url.split("/")[4], "00000000-0000-4000-8000-000000000000")
    answer = flowmend.ask("POST", elsewhere, {"a": 1})
    assert (answer.status, answer.error_code) == (401, "DirectApiAuthorizationRequired")


def test_an_error_of_ours_shows_no_traceback(flowmend: Flowmend, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode() -> None:
        raise RuntimeError("secret-detail-4711")

    monkeypatch.setattr(flowmend.application.services.store.flows, "list", explode)
    answer = flowmend.api("GET", "/flows")

    assert (answer.status, answer.error_code) == (500, "InternalServerError")
    assert b"secret-detail" not in answer.content
    assert b"Traceback" not in answer.content
    assert "reference" in answer.json["error"]["message"]
