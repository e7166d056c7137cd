"""A flow run once in memory: mocked, and with calls that someone performs."""

import asyncio
from typing import Any

import pytest

from flowmend.core.definition import read_flow
from flowmend.core.definition.flow import Flow, Packaging
from flowmend.core.errors import AskedWrongly, InvalidDocument
from flowmend.core.outcome import Outcome, Status
from flowmend.core.run import CallOperation, Entry
from flowmend.use_cases.run_once import run_once

Actions = dict[str, Any]
REQUEST: Actions = {"manual": {"type": "Request", "kind": "Http", "inputs": {}}}


def flow_of(actions: Actions, triggers: Actions | None = None, **definition: Any) -> Flow:
    document = {"definition": {"triggers": triggers or REQUEST, "actions": actions} | definition}
    reading = read_flow(document, packaging=Packaging.PLAIN, name="test")
    assert reading.flow is not None
    return reading.flow


def http(after: str = "", **inputs: Any) -> Actions:
    run_after = {after: ["Succeeded"]} if after else {}
    return {"type": "Http", "inputs": {"method": "GET", "uri": "http://service/"} | inputs, "runAfter": run_after}


def mocked(flow: Flow, **given: Any) -> dict[str, Any]:
    properties: dict[str, Any] = asyncio.run(run_once(flow, mock=True, **given)).run["properties"]
    return properties


def test_every_outward_call_is_answered_with_an_empty_success() -> None:
    actions = {
        "Http": http(),
        "Child": {"type": "Workflow", "inputs": {"host": {"workflow": {"id": "/x"}}}},
        "Hook": {"type": "HttpWebhook", "inputs": {"subscribe": {"uri": "http://x", "body": "@listCallbackUrl()"}}},
        "Provider": {"type": "ServiceProvider", "inputs": {"parameters": {}}},
        "Mail": {"type": "OpenApiConnection", "inputs": {"host": {"connectionName": "m", "operationId": "Send"}}},
    }
    properties = mocked(flow_of(actions))
    assert properties["status"] == "Succeeded"
    for action in properties["actions"].values():
        assert action["outputs"] == {"statusCode": 200, "headers": {}, "body": {}}


@pytest.mark.parametrize("option", ["Enabled", "Disabled"])
def test_a_static_result_is_the_mocks_answer(option: str) -> None:
    action = http() | {"runtimeConfiguration": {"staticResult": {"name": "s", "staticResultOptions": option}}}
    static = {"s": {"status": "Failed", "outputs": {"statusCode": 404}}}
    properties = mocked(flow_of({"A": action}, staticResults=static))
    assert (properties["actions"]["A"]["code"], properties["status"]) == ("NotFound", "Failed")


def test_days_of_waiting_pass_at_once() -> None:
    wait = {"type": "Wait", "inputs": {"interval": {"count": 3, "unit": "Day"}}}
    properties = mocked(flow_of({"W": wait}))
    assert properties["startTime"][:10] != properties["endTime"][:10]
    assert properties["status"] == "Succeeded"


@pytest.mark.parametrize(
    ("word", "trigger", "given", "outputs"),
    [
        ("given", {}, {"body": 1}, {"body": 1}),
        (
            "from_the_schema",
            {"schema": {"type": "object", "properties": {"n": {"type": "integer"}}}},
            None,
            {"headers": {}, "body": {"n": 0}},
        ),
        ("nothing", {}, None, {}),
    ],
)
def test_trigger_outputs_are_given_or_made(word: str, trigger: Actions, given: Any, outputs: Any) -> None:
    triggers = {"t": {"type": "Request", "inputs": trigger}}
    actions = {"A": {"type": "Compose", "inputs": "@triggerOutputs()"}}
    assert mocked(flow_of(actions, triggers), trigger_outputs=given)["actions"]["A"]["outputs"] == outputs


def test_any_trigger_starts_a_mock_and_its_conditions_are_ignored() -> None:
    triggers = {
        "t": {
            "type": "ApiConnection",
            "inputs": {"host": {"connection": {"name": "x"}}, "method": "get", "path": "/"},
            "recurrence": {"frequency": "Day", "interval": 1},
            "conditions": [{"expression": "@false"}],
            "splitOn": "@triggerBody()?['value']",
        }
    }
    assert mocked(flow_of({"A": {"type": "Compose", "inputs": 1}}, triggers))["status"] == "Succeeded"


def test_parameters_without_a_value_are_empty_and_connections_are_made() -> None:
    parameters = {"s": {"type": "String"}, "n": {"type": "Int"}, "d": {"type": "Array", "defaultValue": [1]}}
    inputs = "@createArray(parameters('s'), parameters('n'), parameters('d'), parameters('$connections'))"
    api = {
        "type": "ApiConnection",
        "runAfter": {"A": ["Succeeded"]},
        "inputs": {
            "host": {"connection": {"name": "@parameters('$connections')['sql']['connectionId']"}},
            "method": "get",
            "path": "/",
        },
    }
    flow = flow_of({"A": {"type": "Compose", "inputs": inputs}, "B": api}, parameters=parameters)
    properties = mocked(flow, parameters={"n": 7})
    text, number, default, connections = properties["actions"]["A"]["outputs"]
    assert (text, number, default) == ("", 7, [1])
    assert connections["sql"]["connectionId"]


def test_what_cannot_run_yet_is_named_with_its_pointer() -> None:
    properties = mocked(flow_of({"A": {"type": "Compose", "inputs": 1}, "X": {"type": "Xslt", "inputs": {}}}))
    assert (properties["status"], properties["code"], properties["actions"]) == ("Failed", "UnsupportedAction", {})
    assert "/actions/X" in properties["error"]["message"]


def test_a_trace_says_what_each_expression_came_to_but_no_secrets() -> None:
    actions = {
        "A": {"type": "Compose", "inputs": {"x": "@add(1, 2)"}},
        "B": http(authentication={"type": "Raw", "value": "@concat('s3', 'cret')"}),
    }
    result = asyncio.run(run_once(flow_of(actions), mock=True, trace=True))
    ((entry,), others) = (result.traces["A", ()], result.traces["B", ()])
    assert (entry["path"], entry["text"], entry["value"]) == ("x", "@add(1, 2)", 3)
    assert others == []


def test_each_entry_is_told_as_it_is_decided() -> None:
    heard: list[Entry] = []
    result = asyncio.run(run_once(flow_of({"A": http()}), mock=True, on_entry=heard.append))
    assert heard == result.entries


def test_a_flow_in_a_circle_could_not_start() -> None:
    actions = {
        name: {"type": "Compose", "inputs": 1, "runAfter": {other: ["Succeeded"]}} for name, other in ("AB", "BA")
    }
    with pytest.raises(InvalidDocument):
        asyncio.run(run_once(flow_of(actions), mock=True))


# -- with calls performed -------------------------------------------------------------------------------------


def live(flow: Flow, perform: Any, **given: Any) -> dict[str, Any]:
    properties: dict[str, Any] = asyncio.run(run_once(flow, perform=perform, **given)).run["properties"]
    return properties


def test_calls_are_performed_at_the_same_time() -> None:
    met = asyncio.Barrier(2)

    async def perform(call: CallOperation) -> Outcome:
        await asyncio.wait_for(met.wait(), 5)
        return Outcome(status=Status.SUCCEEDED, code="OK", outputs={"body": call.key[0]})

    actions = {"A": http(), "B": http(), "C": http(after="A")}
    actions["C"] = {"type": "Compose", "inputs": "@body('A')", "runAfter": {"A": ["Succeeded"], "B": ["Succeeded"]}}
    assert live(flow_of(actions), perform)["actions"]["C"]["outputs"] == "A"


def test_a_time_limit_cancels_the_call_under_way() -> None:
    cancelled = []

    async def perform(call: CallOperation) -> Outcome:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.append(call.key)
            raise
        return Outcome(status=Status.SUCCEEDED, code="OK")

    properties = live(flow_of({"A": http() | {"limit": {"timeout": "PT0.05S"}}}), perform)
    assert (properties["actions"]["A"]["status"], properties["status"]) == ("TimedOut", "Failed")
    assert cancelled == [("A", ())]


def test_waits_really_pass() -> None:
    async def perform(_call: CallOperation) -> Outcome:
        return Outcome(status=Status.SUCCEEDED, code="OK")

    wait = {"type": "Wait", "inputs": {"interval": {"count": "0.05", "unit": "Second"}}}
    assert live(flow_of({"W": wait, "A": http(after="W"), "B": http()}), perform)["status"] == "Succeeded"


def test_a_parameter_without_a_value_keeps_a_real_run_from_starting() -> None:
    async def perform(_call: CallOperation) -> Outcome:
        return Outcome(status=Status.SUCCEEDED, code="OK")

    with pytest.raises(AskedWrongly) as refused:
        live(flow_of({}, parameters={"secret": {"type": "SecureString"}}), perform)
    assert "secret" in refused.value.message


def test_what_performing_a_call_raises_ends_the_run_with_it() -> None:
    async def perform(_call: CallOperation) -> Outcome:
        raise AskedWrongly("no connection")

    with pytest.raises(AskedWrongly, match="no connection"):
        live(flow_of({"A": http(), "B": http()}), perform)
