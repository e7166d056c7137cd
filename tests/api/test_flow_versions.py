"""Editing a flow over the API."""

import json
from typing import Any

import pytest

from .conftest import Flowmend, definition, imported

MEGABYTE = 1024 * 1024
SECRET = "sesame-4711"
PARAMETERS = {"region": {"type": "String", "defaultValue": "north"}, "password": {"type": "SecureString"}}


def text(inputs: Any) -> bytes:
    actions = {"A": {"type": "Compose", "inputs": inputs, "runAfter": {}}}
    return json.dumps({"definition": definition(actions) | {"parameters": PARAMETERS}}, indent=2).encode()


@pytest.fixture
def flow_id(flowmend: Flowmend) -> str:
    (flow,) = flowmend.api("POST", "/flows?file_name=edited.json&as_new=true", content=text(1)).json["value"]
    return str(flow["id"])


def version(flowmend: Flowmend, flow_id: str) -> str:
    return str(flowmend.api("GET", f"/flows/{flow_id}").json["version"])


def save(flowmend: Flowmend, flow_id: str, content: bytes, base: str) -> Any:
    return flowmend.api("PUT", f"/flows/{flow_id}/definition?base_version={base}", content=content)


def test_a_text_is_checked_saved_compared_and_restored(flowmend: Flowmend, flow_id: str) -> None:
    first = version(flowmend, flow_id)
    checked = flowmend.api("POST", f"/flows/{flow_id}/check", content=text("@nope()")).json
    assert checked["can_save"]
    assert any(one["severity"] == "error" and one["first_line"] > 1 for one in checked["problems"])

    saved = save(flowmend, flow_id, text(2), first).json
    assert saved["is_new"]
    refused = save(flowmend, flow_id, text(3), first)
    assert (refused.status, refused.error_code) == (409, "FlowChanged")

    versions = flowmend.api("GET", f"/flows/{flow_id}/versions").json["value"]
    assert [one["made_by"] for one in versions] == ["edit", "import"]
    shown = flowmend.api("GET", f"/flows/{flow_id}/versions/{first}").json
    assert '"inputs": 1' in shown["text"]
    difference = flowmend.api("GET", f"/flows/{flow_id}/versions/{saved['version']}/differences?from={first}").json
    assert [line["text"].strip() for line in difference["lines"] if line["kind"] == "added"] == ['"inputs": 2,']

    assert flowmend.api("POST", f"/flows/{flow_id}/versions/{first}/restore").json["is_new"]
    assert '"inputs": 1' in flowmend.api("GET", f"/flows/{flow_id}/versions/{version(flowmend, flow_id)}").json["text"]


def test_a_secret_value_goes_in_and_never_comes_out(flowmend: Flowmend, flow_id: str) -> None:
    first = version(flowmend, flow_id)
    answer = flowmend.api("PATCH", f"/flows/{flow_id}/parameters", {"password": SECRET, "region": "south"})
    assert answer.status == 200
    made = answer.json["version"]
    for path in ("", "/parameters", "/versions", f"/versions/{made}", f"/versions/{made}/differences?from={first}"):
        found = flowmend.api("GET", f"/flows/{flow_id}{path}")
        assert found.status == 200
        assert SECRET.encode() not in found.content
    views = {one["name"]: one for one in flowmend.api("GET", f"/flows/{flow_id}/parameters").json["value"]}
    assert (views["password"]["source"], views["password"]["value"]) == ("given", None)
    assert views["region"]["value"] == "south"
    flowmend.api("PATCH", f"/flows/{flow_id}/parameters", {"region": None})
    views = {one["name"]: one for one in flowmend.api("GET", f"/flows/{flow_id}/parameters").json["value"]}
    assert (views["region"]["source"], views["region"]["value"]) == ("default", "north")


def test_a_flow_is_tried_without_a_trace_of_it(flowmend: Flowmend, flow_id: str) -> None:
    before = flowmend.api("GET", f"/flows/{flow_id}/runs").json["value"]
    tried = flowmend.api("POST", f"/flows/{flow_id}/try", {"trigger_outputs": {"body": {"a": 1}}})
    assert tried.json["properties"]["actions"]["A"]["outputs"] == 1
    assert flowmend.api("GET", f"/flows/{flow_id}/runs").json["value"] == before == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "versions/nope", None),
        ("POST", "versions/nope/restore", None),
        ("GET", "versions/nope/differences?from=nope", None),
        ("PATCH", "parameters", {"nope": 1}),
        ("POST", "try", {"run": "nope"}),
    ],
)
def test_what_there_is_not_is_not_found(flowmend: Flowmend, flow_id: str, method: str, path: str, body: Any) -> None:
    assert flowmend.api(method, f"/flows/{flow_id}/{path}", body).status == 404
    assert flowmend.api(method, f"/flows/nope/{path}", body).status == 404


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"definition": 1}'])
def test_a_text_that_holds_no_flow_is_refused(flowmend: Flowmend, flow_id: str, content: bytes) -> None:
    base = version(flowmend, flow_id)
    assert save(flowmend, flow_id, content, base).status == 400
    assert flowmend.api("POST", f"/flows/{flow_id}/check", content=content).status in {200, 400}
    assert version(flowmend, flow_id) == base


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "definition", b"{}"),
        ("GET", "versions/x/differences", b""),
        ("PATCH", "parameters", b"[]"),
        ("POST", "try", b'{"answers": 5}'),
        ("POST", "try", b'{"answers": {"Nope": {}}}'),
    ],
)
def test_a_request_that_says_too_little_is_refused(
    flowmend: Flowmend, flow_id: str, method: str, path: str, body: bytes
) -> None:
    assert flowmend.api(method, f"/flows/{flow_id}/{path}", content=body).status == 400


def test_a_definition_may_be_larger_than_other_bodies_but_not_endless(flowmend: Flowmend, flow_id: str) -> None:
    assert flowmend.api("POST", f"/flows/{flow_id}/check", content=b" " * (2 * MEGABYTE)).status == 200
    for path in ("check", "definition?base_version=x", "parameters", "try"):
        method = {"definition?base_version=x": "PUT", "parameters": "PATCH"}.get(path, "POST")
        headers = {"Content-Length": str(11 * MEGABYTE)}
        answer = flowmend.api(method, f"/flows/{flow_id}/{path}", content=b"", headers=headers)
        assert (answer.status, answer.error_code) == (413, "RequestEntityTooLarge"), path


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "check"),
        ("PUT", "definition?base_version=x"),
        ("PATCH", "parameters"),
        ("POST", "try"),
        ("POST", "versions/x/restore"),
    ],
)
def test_a_foreign_page_changes_nothing_with_somebodys_session(
    flowmend: Flowmend, flow_id: str, method: str, path: str
) -> None:
    headers = {"Cookie": f"flowmend_session={flowmend.cookie}", "Origin": "https://evil.example"}
    answer = flowmend.ask(method, f"/api/v1/flows/{flow_id}/{path}", {}, headers=headers)
    assert (answer.status, answer.error_code) == (403, "ForeignOrigin")


def test_a_flow_that_is_on_keeps_running_when_a_bad_text_is_saved(flowmend: Flowmend) -> None:
    flow_id = imported(flowmend, "on-and-edited", {"A": {"type": "Compose", "inputs": 1, "runAfter": {}}})
    refused = save(flowmend, flow_id, text("@nope()"), version(flowmend, flow_id))
    assert (refused.status, refused.error_code) == (409, "FlowHasProblems")
    assert flowmend.api("GET", f"/flows/{flow_id}").json["state"] == "On"
