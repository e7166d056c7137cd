"""The three kinds of sign-in are really checked, and refused as a serious service refuses."""

from base64 import b64encode
from typing import Any

import pytest

ADA = {"Authorization": f"Basic {b64encode(b'ada:sunny-harbour').decode()}"}


def basic(credentials: bytes) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(credentials).decode()}"}


def test_the_right_password_says_who_is_signed_in(caller: Any) -> None:
    reply = caller.get("/basic/me", headers=ADA)
    assert reply.status == 200
    assert reply.json == {"user": "ada", "displayName": "Ada Lund", "email": "ada@orders.example"}


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        pytest.param(basic(b"ada:wrong"), "Invalid user name or password.", id="wrong password"),
        pytest.param(basic(b"nobody:sunny-harbour"), "Invalid user name or password.", id="unknown user"),
        pytest.param({"Authorization": "Basic ????"}, "Invalid user name or password.", id="no base64"),
        pytest.param(basic(b"\xff\xfe"), "Invalid user name or password.", id="no UTF-8"),
        pytest.param({"Authorization": "Bearer x"}, "Sign in with a user name and password.", id="other scheme"),
        pytest.param({}, "Sign in with a user name and password.", id="nothing"),
    ],
)
def test_a_bad_basic_sign_in_is_challenged(caller: Any, headers: dict[str, str], message: str) -> None:
    reply = caller.get("/basic/orders", headers=headers)
    assert reply.status == 401
    assert reply.headers["WWW-Authenticate"].startswith('Basic realm="Sample order service"')
    assert reply.json == {"error": {"code": "Unauthorized", "message": message}}
    assert caller.counts()["refused_sign_ins"]["basic"] == 1


def test_a_changed_password_replaces_the_old_one(caller: Any) -> None:
    assert caller.post("/admin/password", {"user": "ada", "password": "grün 中"}).status == 200
    assert caller.get("/basic/me", headers=ADA).status == 401
    assert caller.get("/basic/me", headers=basic("ada:grün 中".encode())).status == 200


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        pytest.param("/key/me", {"X-Api-Key": "ada-key-1001"}, 200, None, id="header"),
        pytest.param("/key/me?api_key=ben-key-2002", {}, 200, None, id="query"),
        pytest.param("/key/me", {"X-Api-Key": "old"}, 401, "InvalidApiKey", id="wrong key"),
        pytest.param("/key/me?api_key=old", {}, 401, "InvalidApiKey", id="wrong key in query"),
        pytest.param("/key/me", {}, 401, "Unauthorized", id="no key"),
        pytest.param("/key/me", ADA, 401, "Unauthorized", id="password instead"),
    ],
)
def test_a_key_is_taken_from_header_or_query(
    caller: Any, path: str, headers: dict[str, str], status: int, code: str | None
) -> None:
    reply = caller.get(path, headers=headers)
    assert reply.status == status
    assert reply.json.get("error", {}).get("code") == code
    assert (reply.headers["WWW-Authenticate"] is None) == (status == 200)


def test_a_replaced_key_is_refused(caller: Any) -> None:
    caller.post("/admin/key", {"user": "ada", "key": "ada-key-new"})
    assert caller.get("/key/me", headers={"X-Api-Key": "ada-key-1001"}).status == 401
    assert caller.get("/key/me", headers={"X-Api-Key": "ada-key-new"}).json["user"] == "ada"


def test_a_forbidden_route_answers_403_to_the_right_password_and_401_to_a_wrong_one(caller: Any) -> None:
    caller.post("/admin/permissions", {"route": "GET /basic/orders", "allowed": False})
    refused = caller.get("/basic/orders", headers=ADA)
    assert refused.status == 403
    assert refused.json["error"]["code"] == "Forbidden"
    assert "no permission for 'GET /basic/orders'" in refused.json["error"]["message"]
    assert caller.get("/basic/orders", headers=basic(b"ada:wrong")).status == 401
    assert caller.get("/basic/me", headers=ADA).status == 200
    caller.post("/admin/permissions", {"route": "GET /basic/orders", "allowed": True})
    assert caller.get("/basic/orders", headers=ADA).status == 200
    assert caller.counts()["refused_sign_ins"]["basic"] == 1
