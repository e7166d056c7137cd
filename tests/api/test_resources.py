"""Flows and runs over the API, on a whole server."""

import http.client
import json
from typing import Any

import pytest
from msgspec.structs import replace

from core.definition.packing import packed
from flowmend.cli.form_body import form_body
from flowmend.store.journal import HoldEvent
from flowmend.store.rows import TriggerEventRow
from flowmend.use_cases.access import issue_login_link, use_login_link

from .conftest import Flowmend, definition, ended, imported

ACTIONS: dict[str, Any] = {
    "Each": {
        "type": "Foreach",
        "foreach": "@triggerBody()['items']",
        "runAfter": {},
        "actions": {"Double/half": {"type": "Compose", "inputs": "@mul(item(), 2)", "runAfter": {}}},
    },
    "Total": {
        "type": "Compose",
        "inputs": {"count": "@length(triggerBody()['items'])"},
        "runAfter": {"Each": ["Succeeded"]},
    },
}


@pytest.fixture(scope="module")
def looped_flow(flowmend: Flowmend) -> str:
    return imported(flowmend, "looped", ACTIONS)


@pytest.fixture(scope="module")
def finished_run(flowmend: Flowmend, looped_flow: str) -> dict[str, Any]:
    started = flowmend.api("POST", f"/flows/{looped_flow}/run", {"items": [1, 2, 3]})
    assert started.status == 202
    return ended(flowmend, started.json["name"])


def test_a_run_has_the_envelope_and_links_of_the_surface(finished_run: dict[str, Any], looped_flow: str) -> None:
    properties = finished_run["properties"]
    assert finished_run["id"] == f"/workflows/{looped_flow}/runs/{finished_run['name']}"
    assert finished_run["type"] == "Microsoft.Logic/workflows/runs"
    assert properties["status"] == "Succeeded"
    assert properties["workflow"]["type"] == "Microsoft.Logic/workflows/versions"
    assert properties["trigger"]["name"] == "manual"
    assert properties["outputs"] == {}


def test_run_names_count_down(flowmend: Flowmend, looped_flow: str, finished_run: dict[str, Any]) -> None:
    later = flowmend.api("POST", f"/flows/{looped_flow}/run", {"items": []}).json["name"]
    assert later < finished_run["name"]
    listed = [run["name"] for run in flowmend.api("GET", f"/flows/{looped_flow}/runs").json["value"]]
    assert listed == sorted(listed)


def test_content_links_are_answered_without_a_token(flowmend: Flowmend, finished_run: dict[str, Any]) -> None:
    link = finished_run["properties"]["trigger"]["outputsLink"]

    answer = flowmend.ask("GET", link["uri"])

    assert answer.status == 200
    assert answer.json["body"] == {"items": [1, 2, 3]}
    assert len(answer.content) == link["contentSize"]
    assert answer.headers["content-length"] == str(link["contentSize"])
    assert answer.headers["content-md5"] == link["contentHash"]["value"]
    assert "//" not in link["uri"].partition("://")[2]


def test_a_content_link_reads_nothing_else(flowmend: Flowmend, finished_run: dict[str, Any]) -> None:
    uri = finished_run["properties"]["trigger"]["outputsLink"]["uri"]

    for changed in (
        uri.replace("contents/TriggerOutputs", "contents/TriggerInputs"),
        uri.replace("/contents/", "/actions/Total/contents/"),
        uri.replace("sig=", "sig=A"),
        uri.partition("?")[0],
    ):
        answer = flowmend.ask("GET", changed)
        assert (answer.status, answer.error_code) == (401, "DirectApiAuthorizationRequired")


def test_actions_inside_loops_keep_their_values_in_repetitions(
    flowmend: Flowmend, finished_run: dict[str, Any]
) -> None:
    base = f"/runs/{finished_run['name']}/actions"
    actions = {one["name"]: one["properties"] for one in flowmend.api("GET", base).json["value"]}

    assert set(actions) == {"Each", "Double/half", "Total"}
    assert actions["Each"]["repetitionCount"] == 3
    assert actions["Double/half"]["repetitionCount"] == 3
    assert "outputsLink" not in actions["Double/half"]

    repetitions = flowmend.api("GET", f"{base}/Double%2Fhalf/repetitions").json["value"]
    assert [one["name"] for one in repetitions] == ["000000", "000001", "000002"]
    assert repetitions[2]["properties"]["repetitionIndexes"] == [{"scopeName": "Each", "itemIndex": 2}]

    one = flowmend.api("GET", f"{base}/Double%2Fhalf/repetitions/000001").json
    assert flowmend.ask("GET", one["properties"]["outputsLink"]["uri"]).json == 4


def test_one_action_and_its_contents(flowmend: Flowmend, finished_run: dict[str, Any]) -> None:
    action = flowmend.api("GET", f"/runs/{finished_run['name']}/actions/Total").json

    assert action["type"] == "Microsoft.Logic/workflows/runs/actions"
    assert flowmend.ask("GET", action["properties"]["outputsLink"]["uri"]).json == {"count": 3}


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/runs/none", "WorkflowRunNotFound"),
        ("/runs/none/actions", "WorkflowRunNotFound"),
        ("/flows/none", "FlowNotFound"),
        ("/flows/none/runs", "FlowNotFound"),
        ("/flows/none/trigger_histories", "FlowNotFound"),
        ("/connections/none", "ConnectionNotFound"),
        ("/nothing", "NotFound"),
    ],
)
def test_what_is_not_there_is_named(flowmend: Flowmend, path: str, code: str) -> None:
    answer = flowmend.api("GET", path)
    assert (answer.status, answer.error_code) == (404, code)


def test_unknown_actions_and_repetitions_are_named(flowmend: Flowmend, finished_run: dict[str, Any]) -> None:
    base = f"/runs/{finished_run['name']}/actions"
    assert flowmend.api("GET", f"{base}/None").error_code == "WorkflowRunActionNotFound"
    assert flowmend.api("GET", f"{base}/Total/repetitions/000009").error_code == "WorkflowRunActionRepetitionNotFound"


def test_pages_follow_each_other(flowmend: Flowmend, looped_flow: str) -> None:
    for _ in range(3):
        flowmend.api("POST", f"/flows/{looped_flow}/run", {"items": []})
    everything = [run["name"] for run in flowmend.api("GET", f"/flows/{looped_flow}/runs").json["value"]]

    found: list[str] = []
    answer = flowmend.api("GET", f"/flows/{looped_flow}/runs?limit=2&status=Succeeded").json
    while True:
        found += [run["name"] for run in answer["value"]]
        if "nextLink" not in answer:
            break
        assert answer["nextLink"].startswith(f"{flowmend.origin}/api/v1/flows/{looped_flow}/runs?")
        headers = {"Authorization": f"Bearer {flowmend.token}"}
        answer = flowmend.ask("GET", answer["nextLink"], headers=headers).json

    assert found == everything
    assert len(found) >= 4


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=999", "limit=x", "started_from=yesterday", "tracked=nothing", "limit=-1", "limit=%F0%9F%98%80"],
)
def test_a_bad_query_value_is_named(flowmend: Flowmend, query: str) -> None:
    answer = flowmend.api("GET", f"/runs?{query}")
    assert (answer.status, answer.error_code) == (400, "InvalidQuery")
    assert answer.json["error"]["target"] == query.partition("=")[0]


def test_resubmit_makes_one_new_run_for_one_request_id(flowmend: Flowmend, finished_run: dict[str, Any]) -> None:
    headers = {"x-ms-client-request-id": "11111111-2222-4333-8444-555555555555"}
    path = f"/runs/{finished_run['name']}/resubmit"

    first = flowmend.api("POST", path, headers=headers)
    again = flowmend.api("POST", path, headers=headers)

    assert (first.status, again.status) == (202, 202)
    assert first.json["name"] == again.json["name"] == first.headers["x-ms-workflow-run-id"]
    made = ended(flowmend, first.json["name"])
    assert made["properties"]["originRun"] == finished_run["name"]
    assert made["properties"]["status"] == "Succeeded"


def test_trigger_histories_name_their_runs(flowmend: Flowmend, looped_flow: str, finished_run: dict[str, Any]) -> None:
    histories = flowmend.api("GET", f"/flows/{looped_flow}/trigger_histories").json["value"]
    found = next(one for one in histories if one["name"] == finished_run["name"])
    assert found["properties"]["fired"] is True
    assert found["properties"]["run"]["name"] == finished_run["name"]


def test_a_finished_run_cannot_be_cancelled(flowmend: Flowmend, finished_run: dict[str, Any]) -> None:
    answer = flowmend.api("POST", f"/runs/{finished_run['name']}/cancel")
    assert (answer.status, answer.error_code) == (409, "WorkflowRunFinished")
    assert "retry-after" not in answer.headers


def test_importing_first_shows_then_takes(flowmend: Flowmend) -> None:
    content = json.dumps(definition({"A": {"type": "Compose", "inputs": 1, "runAfter": {}}})).encode()

    (finding,) = flowmend.api("POST", "/flows/inspect?file_name=shown.json", content=content).json["value"]
    assert flowmend.api("GET", f"/flows/{finding['id']}").status == 404
    (first,) = flowmend.api("POST", "/flows?file_name=shown.json", content=content).json["value"]
    (second,) = flowmend.api("POST", "/flows?file_name=shown.json", content=content).json["value"]
    (fresh,) = flowmend.api("POST", "/flows?file_name=shown.json&as_new=true", content=content).json["value"]

    assert finding["id"] == first["id"] == second["id"] != fresh["id"]
    assert (first["created"], second["created"], fresh["created"]) == (True, False, True)
    flow = flowmend.api("GET", f"/flows/{first['id']}").json
    assert flow["state"] == "Off"
    assert flow["version"] == second["version"]


def test_an_unreadable_import_names_line_and_column(flowmend: Flowmend) -> None:
    answer = flowmend.api("POST", "/flows?file_name=bad.json", content=b'{\n "a" 1}')
    assert (answer.status, answer.error_code) == (400, "InvalidJSON")
    assert "line 2" in answer.json["error"]["message"]


def test_settings_change_and_bad_ones_are_named(flowmend: Flowmend, looped_flow: str) -> None:
    changed = flowmend.api("PATCH", f"/flows/{looped_flow}", {"onBrokenConnection": "fail"})
    assert changed.json["settings"] == {"onBrokenConnection": "fail"}
    refused = flowmend.api("PATCH", f"/flows/{looped_flow}", {"colour": "red"})
    assert (refused.status, refused.error_code) == (400, "InvalidSetting")


@pytest.mark.parametrize("content", [b"{", b"[]", b'"x"', b'{"original_definition": "maybe"}'])
def test_a_body_that_does_not_fit_is_refused(flowmend: Flowmend, finished_run: dict[str, Any], content: bytes) -> None:
    answer = flowmend.api("POST", f"/runs/{finished_run['name']}/resubmit", content=content)
    assert (answer.status, answer.error_code) == (400, "InvalidRequestContent")


def test_a_known_path_with_another_method_says_what_it_takes(flowmend: Flowmend) -> None:
    answer = flowmend.api("DELETE", "/flows")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")


def test_a_flow_is_deleted_once_it_is_off(flowmend: Flowmend) -> None:
    flow_id = imported(flowmend, "short-lived", {"A": {"type": "Compose", "inputs": 1, "runAfter": {}}})
    assert flowmend.api("DELETE", f"/flows/{flow_id}").status == 409
    flowmend.api("POST", f"/flows/{flow_id}/turn_off")
    assert flowmend.api("DELETE", f"/flows/{flow_id}").status == 200
    assert flowmend.api("GET", f"/flows/{flow_id}").status == 404


def test_a_form_of_files_is_one_package_with_what_is_said_about_it(flowmend: Flowmend) -> None:
    parameters = {"limit": {"type": "Int"}}
    content = json.dumps({**definition({"A": {"type": "Compose", "inputs": 1}}), "parameters": parameters}).encode()
    body, content_type = form_body({"shop/form-a.json": content, "shop/form-b.json": content, "c.json": b"{"}, {})
    headers = {"Content-Type": content_type}

    plan = flowmend.api("POST", "/flows/inspect", content=body, headers=headers).json

    assert [one["file"] for one in plan["value"]] == ["shop/form-a.json", "shop/form-b.json"]
    assert [(one["name"], one["flows"]) for one in plan["parameters"]] == [("limit", ["form-a", "form-b"])]
    assert [(one["file"], one["code"]) for one in plan["problems"]] == [("c.json", "InvalidJSON")]

    choices = {"flows": [plan["value"][0]["id"]], "values": {"limit": 5}}
    body, content_type = form_body({"form-a.json": content, "form-b.json": content}, {"choices": json.dumps(choices)})
    report = flowmend.api("POST", "/flows", content=body, headers={"Content-Type": content_type}).json
    assert [(one["name"], one["moved_secrets"]) for one in report["value"]] == [("form-a", [])]
    assert flowmend.api("POST", f"/flows/{report['value'][0]['id']}/turn_on").status == 200


@pytest.mark.parametrize(
    ("files", "fields"),
    [
        ({}, {"choices": "{}"}),
        ({"a.json": b"{}"}, {"choices": "{"}),
        ({"a.json": b"{}"}, {"choices": '{"colour": 1}'}),
        ({"a.json": b"{}"}, {f"field{number}": "" for number in range(20)}),
    ],
)
def test_a_form_that_does_not_fit_is_refused(
    flowmend: Flowmend, files: dict[str, bytes], fields: dict[str, str]
) -> None:
    body, content_type = form_body(files, fields)
    answer = flowmend.api("POST", "/flows", content=body, headers={"Content-Type": content_type})
    assert answer.status == 400


def test_a_bomb_is_refused_with_a_clear_error(flowmend: Flowmend) -> None:
    answer = flowmend.api("POST", "/flows?file_name=bomb.zip", content=packed({"zeros.json": b"0" * 20_000_000}))
    assert (answer.status, answer.error_code) == (400, "ArchiveTooLarge")
    assert "times its size" in answer.json["error"]["message"]


def test_a_flow_is_exported_without_its_secrets_and_imported_again(flowmend: Flowmend) -> None:
    secret = {"pin": {"type": "SecureString", "defaultValue": "hunter2-hunter2"}}
    content = json.dumps({**definition({"A": {"type": "Compose", "inputs": 1}}), "parameters": secret}).encode()
    (flow,) = flowmend.api("POST", "/flows?file_name=Goes%20out.json", content=content).json["value"]
    assert flow["moved_secrets"] == ["/definition/parameters/pin/defaultValue"]

    plain = flowmend.api("GET", f"/flows/{flow['id']}/export")
    folder = flowmend.api("GET", f"/flows/{flow['id']}/export?format=standard")
    page = flowmend.ask(
        "GET", f"/flows/{flow['id']}/export?format=standard", headers={"Cookie": f"flowmend_session={flowmend.cookie}"}
    )

    assert plain.headers["content-disposition"] == "attachment; filename*=UTF-8''Goes-out.json"
    assert folder.headers["content-type"] == "application/zip"
    assert page.content == folder.content
    assert b"hunter2" not in plain.content + folder.content
    (again,) = flowmend.api("POST", "/flows?file_name=again.zip", content=folder.content).json["value"]
    assert (again["name"], again["created"]) == ("Goes-out", True)


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [("nothing/export", 404, "FlowNotFound"), ("nothing/export?format=pdf", 400, "InvalidQuery")],
)
def test_an_export_of_nothing_says_so(flowmend: Flowmend, address: str, status: int, code: str) -> None:
    answer = flowmend.api("GET", f"/flows/{address}")
    assert (answer.status, answer.error_code) == (status, code)


def test_lists_of_runs_read_no_starts(flowmend: Flowmend, looped_flow: str, finished_run: dict[str, Any]) -> None:
    flowmend.api("POST", f"/flows/{looped_flow}/run", {"items": [1], "text": "x" * 50_000})

    answer = flowmend.api("GET", f"/flows/{looped_flow}/runs?status=Succeeded")

    listed = next(run for run in answer.json["value"] if run["name"] == finished_run["name"])
    whole, brief = finished_run["properties"]["trigger"], listed["properties"]["trigger"]
    assert {name: whole[name] for name in ("name", "status", "trackingId", "correlation", "originHistoryName")} == {
        name: brief[name] for name in ("name", "status", "trackingId", "correlation", "originHistoryName")
    }
    assert list(brief["outputsLink"]) == ["uri"]
    assert flowmend.ask("GET", brief["outputsLink"]["uri"]).json["body"] == {"items": [1, 2, 3]}


def test_a_flow_that_no_longer_reads_keeps_no_list_from_being_read(flowmend: Flowmend) -> None:
    flow_id = imported(flowmend, "unreadable", {"A": {"type": "Compose", "inputs": 1, "runAfter": {}}})
    run = ended(flowmend, flowmend.api("POST", f"/flows/{flow_id}/run", {}).json["name"])
    store, flows = flowmend.application.services.store, flowmend.application.services.flows
    row, version = store.flows.get(flow_id), store.flows.version(flow_id)
    assert row is not None
    assert version is not None
    store.flows.add_version(replace(row, version="v2"), replace(version, version="v2", document={"definition": 5}))
    flows.forget(flow_id)

    (flow,) = [one for one in flowmend.api("GET", "/flows").json["value"] if one["id"] == flow_id]
    (listed,) = flowmend.api("GET", f"/flows/{flow_id}/runs").json["value"]
    everything = flowmend.api("GET", "/runs").json["value"]
    page = flowmend.ask("GET", "/flows", headers={"Cookie": f"flowmend_session={flowmend.cookie}"})

    assert "does not read" in flow["unreadable"]
    assert listed["name"] == run["name"]
    assert "outputsLink" not in listed["properties"]["trigger"]
    assert run["name"] in {one["name"] for one in everything}
    assert (page.status, b"Import its file again" in page.content) == (200, True)
    flowmend.api("POST", f"/flows/{flow_id}/turn_off")
    assert flowmend.api("DELETE", f"/flows/{flow_id}").status == 200


def test_held_events_are_listed_and_discarded_by_name(flowmend: Flowmend) -> None:
    flow_id = imported(flowmend, "holding", {"A": {"type": "Compose", "inputs": 1, "runAfter": {}}})
    services = flowmend.application.services
    names = ["08584900000000000002", "08584900000000000001"]
    for name in names:
        event = TriggerEventRow(
            event_name=name,
            flow_id=flow_id,
            trigger_name="manual",
            status="Waiting",
            fired=False,
            started_at=services.clock.now,
            tracking_id="t",
            client_tracking_id=name,
            outputs=b"x" * 100,
        )
        flowmend.run(services.store.journal.write([HoldEvent(event)]))
    flowmend.api("POST", f"/flows/{flow_id}/turn_off")
    cookie = {"Cookie": f"flowmend_session={flowmend.cookie}"}

    listed = flowmend.api("GET", f"/flows/{flow_id}/held_events").json["value"]
    page = flowmend.ask("GET", f"/flows/{flow_id}", headers=cookie)
    refused = flowmend.api("DELETE", f"/flows/{flow_id}")
    first = flowmend.api("POST", f"/flows/{flow_id}/held_events/{names[0]}/discard")
    again = flowmend.api("POST", f"/flows/{flow_id}/held_events/{names[0]}/discard")
    by_form = flowmend.ask(
        "POST", f"/flows/{flow_id}/held_events/{names[1]}/discard", headers={**cookie, "Origin": flowmend.origin}
    )

    assert [event["name"] for event in listed] == names
    assert all(f"/held_events/{name}/discard".encode() in page.content for name in names)
    assert (refused.status, refused.error_code) == (409, "FlowHoldsEvents")
    assert first.status == 200
    assert (again.status, again.error_code) == (409, "EventNotHeld")
    assert by_form.status == 303
    assert flowmend.api("GET", f"/flows/{flow_id}/held_events").json["value"] == []
    histories = flowmend.api("GET", f"/flows/{flow_id}/trigger_histories").json["value"]
    assert [one["properties"]["status"] for one in histories] == ["Cancelled", "Cancelled"]
    assert flowmend.api("DELETE", f"/flows/{flow_id}").status == 200


def test_signing_out_ends_the_event_streams_of_the_session(flowmend: Flowmend) -> None:
    link, _ = flowmend.run(issue_login_link(flowmend.application.services))
    secret, _ = flowmend.run(use_login_link(flowmend.application.services, link.partition("link=")[2]))
    cookie = {"Cookie": f"flowmend_session={secret}"}
    connection = http.client.HTTPConnection("127.0.0.1", flowmend.port, timeout=60)
    connection.request("GET", "/events", headers=cookie)
    stream = connection.getresponse()
    assert stream.readline().startswith(b"retry:")

    signed_out = flowmend.ask("POST", "/logout", headers={**cookie, "Origin": flowmend.origin})

    assert signed_out.status == 303
    stream.read()  # to its end
    assert stream.isclosed()
    connection.close()
