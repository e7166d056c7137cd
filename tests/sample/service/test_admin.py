"""The page and endpoints for breaking things, and who may not use them."""

import time
from typing import Any

import pytest


def test_the_page_says_it_is_not_flowmend_and_shows_what_came_in(caller: Any) -> None:
    caller.get("/key/me", headers={"X-Api-Key": "ada-key-1001"})
    shown = caller.get("/")
    assert shown.status == 200
    assert "Not part of Flowmend" in shown.text
    assert "GET /key/me" in shown.text
    assert "script" not in shown.text
    assert shown.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
    assert caller.get("/style.css").headers["Content-Type"].startswith("text/css")
    assert caller.get("/health").json == {"status": "ok"}


def test_a_form_leads_back_to_the_page_with_what_was_done(caller: Any) -> None:
    reply = caller.post("/admin/password", form={"user": "ada", "password": "new <b>"})
    assert reply.status == 303
    shown = caller.get(reply.headers["Location"].partition(f":{caller.port}")[2])
    assert "The password of ada was changed." in shown.text
    assert "new &lt;b&gt;" in shown.text


@pytest.mark.parametrize(
    ("what", "fields", "status"),
    [
        pytest.param("password", {"user": "eve", "password": "x"}, 400, id="unknown user"),
        pytest.param("password", {"password": ""}, 400, id="empty password"),
        pytest.param("key", {"key": "two\nlines"}, 400, id="key with line break"),
        pytest.param("permissions", {"route": "GET /nowhere"}, 400, id="unknown route"),
        pytest.param("latency", {"ms": -1}, 400, id="negative wait"),
        pytest.param("latency", {"ms": "nan"}, 400, id="no number"),
        pytest.param("everything", {}, 404, id="unknown change"),
    ],
)
def test_a_bad_change_is_refused_and_changes_nothing(
    caller: Any, what: str, fields: dict[str, Any], status: int
) -> None:
    assert caller.post(f"/admin/{what}", fields).status == status
    assert caller.get("/key/me", headers={"X-Api-Key": "ada-key-1001"}).status == 200


def test_an_answer_waits_as_long_as_set(caller: Any) -> None:
    caller.post("/admin/latency", {"ms": 75})
    began = time.monotonic()
    assert caller.get("/key/me", headers={"X-Api-Key": "ada-key-1001"}).status == 200
    assert time.monotonic() - began >= 0.07  # the loop counts in whole milliseconds


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 200, id="no browser"),
        pytest.param({"Origin": "http://127.0.0.1:8080"}, 403, id="Flowmend's page"),
        pytest.param({"Origin": "http://localhost:8080"}, 403, id="another port"),
        pytest.param({"Origin": "null"}, 403, id="sandboxed page"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, 403, id="cross-site by fetch metadata"),
        pytest.param({"Host": "orders.example"}, 421, id="foreign name"),
        pytest.param({"Host": "localhost.evil.example:80"}, 421, id="name that begins well"),
        pytest.param({"Host": "[::1]:80"}, 200, id="IPv6"),
    ],
)
def test_another_page_in_the_browser_may_not_post(caller: Any, headers: dict[str, str], status: int) -> None:
    assert caller.post("/admin/expire", headers=headers).status == status


def test_its_own_page_may_post(caller: Any) -> None:
    origin = {"Origin": f"http://localhost:{caller.port}", "Sec-Fetch-Site": "same-origin"}
    assert caller.post("/admin/expire", headers=origin).status == 200
