"""Starting flows by their signed address."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.api.invoke import SignedEntrance, flow_answer
from flowmend.core.run.events import SendResponse
from running import Running, respond, turns_meanwhile

from .conftest import Flowmend, ended, imported

COMPOSE = {"Compose": {"type": "Compose", "runAfter": {}, "inputs": "@triggerBody()"}}


def test_a_response_action_answers_the_caller(flowmend: Flowmend, echo_url: str) -> None:
    answer = flowmend.ask("POST", echo_url + "&color=red", {"order": 4711}, headers={"X-Given": "yes"})

    assert answer.status == 201
    assert answer.json == {"got": {"order": 4711}, "queries": {"color": "red"}}
    assert answer.headers["x-seen"] == "yes"
    assert answer.headers["content-type"].startswith("application/json")
    assert int(answer.headers["content-length"]) == len(answer.content)


def test_what_a_flow_answers_cannot_touch_the_session(flowmend: Flowmend, echo_url: str) -> None:
    answer = flowmend.ask("POST", echo_url, {}, headers={"X-Given": "1"})

    assert "set-cookie" not in answer.headers
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_without_a_response_action_the_answer_is_202_with_the_run(flowmend: Flowmend) -> None:
    flow_id = imported(flowmend, "quiet", COMPOSE)
    url = flowmend.api("POST", f"/flows/{flow_id}/callback_url").json["value"]

    answer = flowmend.ask("POST", url, {"a": 1}, headers={"x-ms-client-tracking-id": "order-7"})

    run_name = answer.headers["x-ms-workflow-run-id"]
    assert (answer.status, answer.content) == (202, b"")
    assert answer.headers["x-ms-trigger-history-name"] == run_name
    assert answer.headers["x-ms-client-tracking-id"] == "order-7"
    assert answer.headers["x-ms-workflow-id"] == flow_id
    for name in (
        "x-ms-correlation-id",
        "x-ms-tracking-id",
        "x-ms-workflow-name",
        "x-ms-workflow-version",
        "x-ms-workflow-system-id",
        "x-ms-execution-location",
        "x-ms-request-id",
    ):
        assert answer.headers[name], name
    assert flowmend.api("GET", f"/runs/{run_name}").json["properties"]["correlation"] == {"clientTrackingId": "order-7"}


@pytest.mark.parametrize(
    ("content_type", "content", "seen"),
    [
        ("application/json", b'{"a": 1}', {"a": 1}),
        ("application/vnd.x+json", b"[1]", [1]),
        ("text/plain", "grüße".encode(), "grüße"),
        ("application/xml", b"<a/>", {"$content-type": "application/xml", "$content": "PGEvPg=="}),
    ],
)
def test_the_body_is_read_by_its_type(
    flowmend: Flowmend, echo_url: str, content_type: str, content: bytes, seen: Any
) -> None:
    headers = {"Content-Type": content_type, "X-Given": "1"}
    assert flowmend.ask("POST", echo_url, content=content, headers=headers).json["got"] == seen


def test_an_empty_body_is_null(flowmend: Flowmend, echo_url: str) -> None:
    assert flowmend.ask("POST", echo_url, headers={"X-Given": "1"}).json["got"] is None


def test_a_body_that_is_no_json_is_refused_by_name(flowmend: Flowmend, echo_url: str) -> None:
    answer = flowmend.ask("POST", echo_url, content=b"{nope", headers={"Content-Type": "application/json"})
    assert (answer.status, answer.error_code) == (400, "InvalidJSON")


def test_whoever_may_not_come_in_hears_nothing_of_the_body(flowmend: Flowmend, echo_url: str) -> None:
    answer = flowmend.ask(
        "POST", echo_url.replace("sig=", "sig=A"), content=b"{not json", headers={"Content-Type": "application/json"}
    )
    assert (answer.status, answer.error_code) == (401, "DirectApiAuthorizationRequired")


def test_a_wrong_method_is_refused(flowmend: Flowmend, echo_url: str) -> None:
    answer = flowmend.ask("GET", echo_url)
    assert (answer.status, answer.error_code) == (400, "TriggerRequestMethodNotValid")


def test_the_relative_path_is_part_of_the_trigger(flowmend: Flowmend) -> None:
    flow_id = imported(
        flowmend,
        "by-path",
        {
            "Response": {
                "type": "Response",
                "kind": "Http",
                "runAfter": {},
                "inputs": {"body": "@triggerOutputs()['relativePathParameters']"},
            }
        },
        relativePath="/orders/{id}",
        method="GET",
    )
    callback = flowmend.api("POST", f"/flows/{flow_id}/callback_url").json
    assert callback["relativePathParameters"] == ["id"]

    answer = flowmend.ask("GET", callback["value"].replace("{id}", "a%2Fb"))

    assert answer.json == {"id": "a/b"}


def test_a_flow_that_is_off_says_so(flowmend: Flowmend) -> None:
    flow_id = imported(flowmend, "off", COMPOSE)
    url = flowmend.api("POST", f"/flows/{flow_id}/callback_url").json["value"]
    flowmend.api("POST", f"/flows/{flow_id}/turn_off")

    answer = flowmend.ask("POST", url, {})

    assert (answer.status, answer.error_code) == (400, "WorkflowTriggerIsNotEnabled")


def test_the_body_limit_of_triggers_is_a_setting(flowmend: Flowmend, echo_url: str) -> None:
    answer = flowmend.ask("POST", echo_url, content=b" " * 100_001, headers={"Content-Type": "text/plain"})
    assert (answer.status, answer.error_code) == (413, "RequestEntityTooLarge")


def test_credentials_of_the_caller_are_kept_out_of_the_run(flowmend: Flowmend) -> None:
    flow_id = imported(
        flowmend,
        "headers",
        {
            "Response": {
                "type": "Response",
                "kind": "Http",
                "runAfter": {},
                "inputs": {"body": "@triggerOutputs()['headers']"},
            }
        },
    )
    url = flowmend.api("POST", f"/flows/{flow_id}/callback_url").json["value"]

    answer = flowmend.ask(
        "POST", url, headers={"Cookie": "flowmend_session=abc", "Authorization": "Bearer hush", "x-mine": "1"}
    )

    assert "Cookie" not in answer.json
    assert "Authorization" not in answer.json
    assert answer.json["x-mine"] == "1"


@pytest.mark.parametrize(
    ("what", "headers"),
    [
        ("a line break", {"X-A": "1\r\nSet-Cookie: a=b"}),
        ("a bare line feed", {"X-A": "1\nB: 2"}),
        ("a zero byte", {"X-A": "1\0"}),
        ("a break in the name", {"X-A\r\nB": "1"}),
        ("a blank in the name", {"X A": "1"}),
        ("no name", {"": "1"}),
        ("framing", {"Content-Length": "0", "Transfer-Encoding": "chunked", "Connection": "close"}),
        ("a cookie", {"Set-Cookie": "a=b"}),
    ],
)
def test_a_flow_cannot_break_out_of_its_headers(what: str, headers: dict[str, str]) -> None:
    _, given = flow_answer(SendResponse(status_code=200, headers=headers, body=None))
    assert given == [], what


@given(st.dictionaries(st.text(), st.text()))
def test_no_header_of_a_flow_holds_a_line_break(headers: dict[str, str]) -> None:
    _, given_headers = flow_answer(SendResponse(status_code=200, headers=headers, body=None))
    for name, value in given_headers:
        assert not set(name + value) & {0, 10, 13}


def test_the_content_type_a_flow_names_wins() -> None:
    _, headers = flow_answer(SendResponse(status_code=200, headers={"Content-Type": "text/html"}, body="<p>"))
    assert headers == [(b"content-type", b"text/html")]


def test_a_caller_whose_response_was_skipped_hears_of_it(flowmend: Flowmend) -> None:
    flow_id = imported(
        flowmend,
        "skips-its-response",
        {
            "Check": {"type": "Compose", "inputs": "@int(string(triggerBody()))", "runAfter": {}},
            "Response": {"type": "Response", "kind": "Http", "runAfter": {"Check": ["Succeeded"]}, "inputs": {}},
        },
    )
    url = flowmend.api("POST", f"/flows/{flow_id}/callback_url").json["value"]

    answer = flowmend.ask("POST", url, {})

    assert (answer.status, answer.error_code) == (502, "NoResponse")
    assert answer.headers["x-ms-workflow-run-id"]


@pytest.fixture
def impatient(flowmend: Flowmend) -> Iterator[None]:
    """Callers wait a tenth of a second; the server is everybody's, so this is undone."""
    settings = flowmend.application.services.settings
    waits = settings.caller_waits_seconds
    object.__setattr__(settings, "caller_waits_seconds", 0.1)
    yield
    object.__setattr__(settings, "caller_waits_seconds", waits)


@pytest.mark.usefixtures("impatient")
def test_a_caller_waits_only_so_long(flowmend: Flowmend) -> None:
    flow_id = imported(
        flowmend,
        "slow",
        {
            "Wait": {"type": "Wait", "inputs": {"interval": {"count": 1, "unit": "Second"}}, "runAfter": {}},
            "Response": {"type": "Response", "kind": "Http", "runAfter": {"Wait": ["Succeeded"]}, "inputs": {}},
        },
    )
    url = flowmend.api("POST", f"/flows/{flow_id}/callback_url").json["value"]

    answer = flowmend.ask("POST", url, {})
    run = ended(flowmend, answer.headers["x-ms-workflow-run-id"])

    assert (answer.status, answer.error_code) == (504, "ActionResponseTimedOut")
    assert run["properties"]["status"] == "Succeeded"
    response = flowmend.api("GET", f"/runs/{run['name']}/actions/Response").json["properties"]
    assert (response["status"], response["code"]) == ("Skipped", "ActionResponseSkipped")


@pytest.mark.anyio
async def test_others_go_on_while_a_big_body_is_read(running: Running) -> None:
    flow_id = await running.add_flow({"Answer": respond("@length(triggerBody()['$formdata'])")})
    _, signature = running.signed(flow_id)
    content = b"n=1&" * 200_000
    scope = {
        "type": "http",
        "method": "POST",
        "path": f"/workflows/{flow_id}/triggers/manual/paths/invoke",
        "query_string": urlencode(signature).encode(),
        "headers": [(b"content-type", b"application/x-www-form-urlencoded")],
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content}

    async def send(message: Any) -> None:
        sent.append(message)

    assert await turns_meanwhile(SignedEntrance(running.services)(scope, receive, send)) > 5
    assert [message.get("body", message.get("status")) for message in sent] == [200, b"200000"]
