"""Export: what leaves reads back as the same flow, without its secrets."""

import json
from typing import Any

from core.definition.packing import call, compose, definition, packed, solution, standard_app
from flowmend.core.definition import Flow, Packaging, open_package, read_flow, write_definition
from flowmend.core.definition.exporting import packed_folder, plain_document, standard_folder


def classic(key: str) -> dict[str, Any]:
    name = f"@parameters('$connections')['{key}']['connectionId']"
    inputs = {"host": {"connection": {"name": name}}, "method": "get", "path": "/v2/Mail"}
    return {"type": "ApiConnection", "inputs": inputs, "runAfter": {}}


def flow_of(actions: dict[str, Any], *, name: str = "Orders: take in", **parts: Any) -> Flow:
    declared = {
        "$connections": {"type": "Object", "defaultValue": {}},
        "limit": {"type": "Int"},
        "pin": {"type": "SecureString"},
    }
    document = {"definition": definition(actions, parameters=declared), **parts}
    found = read_flow(document, packaging=Packaging.PLAIN, name=name).flow
    assert found is not None
    return found


VALUES = {"limit": {"value": 5}, "pin": {"value": "hunter2"}}


def test_a_plain_export_reads_back_as_the_same_flow_but_for_its_secrets() -> None:
    flow = flow_of({"Get": call("shared_office365")}, parameters=VALUES)
    content = json.dumps(plain_document(flow)).encode()
    assert b"hunter2" not in content
    (again,) = open_package(content, "orders.json").flows
    assert again.flow is not None
    assert write_definition(again.flow.definition) == write_definition(flow.definition)
    assert [one.connector for one in again.flow.connection_references.values()] == ["office365"]
    assert again.flow.parameter_values == {"limit": 5}


def test_a_standard_export_is_an_app_whose_actions_name_their_connections() -> None:
    flow = flow_of({"Get": classic("office365"), "Say": compose("@parameters('limit')")}, parameters=VALUES)

    files = standard_folder(flow)

    assert sorted(files) == ["Orders-take-in/workflow.json", "connections.json", "host.json", "parameters.json"]
    workflow = json.loads(files["Orders-take-in/workflow.json"])
    assert workflow["kind"] == "Stateful"
    assert workflow["definition"]["actions"]["Get"]["inputs"]["host"] == {"connection": {"referenceName": "office365"}}
    assert "$connections" not in workflow["definition"]["parameters"]
    assert json.loads(files["parameters.json"]) == {"limit": {"type": "int", "value": 5}}
    (again,) = open_package(packed_folder(files), "app.zip").flows
    assert again.flow is not None
    assert again.packaging is Packaging.STANDARD
    assert [one.connector for one in again.flow.connection_references.values()] == ["office365"]
    assert again.flow.parameter_values == {"limit": 5}


def test_a_standard_app_goes_through_unchanged_but_for_its_settings() -> None:
    greet = open_package(packed(standard_app()), "app.zip").flows[0]
    assert greet.flow is not None
    (again,) = open_package(packed_folder(standard_folder(greet.flow)), "app.zip").flows
    assert again.flow is not None
    assert write_definition(again.flow.definition) == write_definition(greet.flow.definition)
    assert again.flow.connection_references.keys() == greet.flow.connection_references.keys()


def test_a_service_provider_keeps_its_section() -> None:
    provider = {"connectionName": "sql", "operationId": "q", "serviceProviderId": "/serviceProviders/sql"}
    action = {"type": "ServiceProvider", "inputs": {"parameters": {}, "serviceProviderConfiguration": provider}}
    connections = json.loads(standard_folder(flow_of({"Query": action}))["connections.json"])
    assert connections == {"serviceProviderConnections": {"sql": {"serviceProvider": {"id": "/serviceProviders/sql"}}}}


def test_the_same_flow_gives_the_same_bytes() -> None:
    (flow,) = open_package(packed(solution()), "shop.zip").flows
    assert flow.flow is not None
    assert packed_folder(standard_folder(flow.flow)) == packed_folder(standard_folder(flow.flow))


def test_a_name_of_signs_only_still_names_a_folder() -> None:
    assert "workflow/workflow.json" in standard_folder(flow_of({}, name="../ …"))
