"""The sample's connectors and flows fit each other and the service."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from flowmend.sample import connector_folders, flow_files
from flowmend.sample.service.operations import SCOPES
from flowmend.sample.service.service import ROUTES
from flowmend.sample.service.settings import ServiceSettings

CONNECTORS = {folder.name: folder for folder in connector_folders()}
FLOWS = {file.name: json.loads(file.read_text(encoding="utf-8")) for file in flow_files()}


def definition_of(name: str) -> Any:
    return json.loads(CONNECTORS[name].joinpath("apiDefinition.swagger.json").read_text(encoding="utf-8"))


def properties_of(name: str) -> Any:
    return json.loads(CONNECTORS[name].joinpath("apiProperties.json").read_text(encoding="utf-8"))["properties"]


def steps_of(steps: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, step in steps.items():
        yield name, step
        yield from steps_of(step.get("actions", {}))
        yield from steps_of(step.get("else", {}).get("actions", {}))


def test_there_are_three_connectors_and_three_flows() -> None:
    assert list(CONNECTORS) == ["sample_customers", "sample_orders", "sample_shipping"]
    assert list(FLOWS) == ["nightly_customer_sync.json", "order_intake.json", "ship_order.json"]


@pytest.mark.parametrize("name", CONNECTORS)
def test_the_service_offers_every_operation_of_a_connector(name: str) -> None:
    definition = definition_of(name)
    for path, methods in definition["paths"].items():
        for method in methods:
            assert f"{method.upper()} {definition['basePath']}{path}" in ROUTES


@pytest.mark.parametrize("name", CONNECTORS)
def test_a_connector_is_tested_by_asking_who_is_signed_in(name: str) -> None:
    definition = definition_of(name)
    assert (
        definition["x-ms-capabilities"]["testConnection"]["operationId"]
        == definition["paths"]["/me"]["get"]["operationId"]
    )


@pytest.mark.parametrize("name", CONNECTORS)
def test_only_the_operation_that_honours_the_key_says_so(name: str) -> None:
    claims = {
        operation["operationId"]
        for methods in definition_of(name)["paths"].values()
        for operation in methods.values()
        if "x-flowmend-idempotent" in operation
    }
    assert claims <= {"CreateOrder"}


def test_the_oauth_connector_names_the_registered_application_and_known_scopes() -> None:
    settings = properties_of("sample_customers")["connectionParameters"]["token"]["oAuthSettings"]
    assert settings["clientId"] == ServiceSettings().application.client_id
    assert set(settings["scopes"]) <= set(SCOPES)


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_calls_operations_its_connector_has_with_parameters_they_take(name: str) -> None:
    properties = FLOWS[name]["properties"]
    for _, step in steps_of(properties["definition"]["actions"]):
        if step["type"] != "OpenApiConnection":
            continue
        host = step["inputs"]["host"]
        connector = properties["connectionReferences"][host["connectionName"]]["api"]["name"].removeprefix("shared_")
        assert host["apiId"].endswith(f"/shared_{connector}")
        definition = definition_of(connector)
        operations = {
            operation["operationId"]: operation
            for methods in definition["paths"].values()
            for operation in methods.values()
        }
        taken = set()
        for parameter in operations[host["operationId"]]["parameters"]:
            if parameter["in"] == "body":
                schema = definition["definitions"][parameter["schema"]["$ref"].rpartition("/")[2]]
                taken |= {f"{parameter['name']}/{key}" for key in schema["properties"]}
            else:
                taken.add(parameter["name"])
        assert set(step["inputs"]["parameters"]) <= taken


@pytest.mark.parametrize("name", FLOWS)
def test_step_names_hold_no_spaces_and_are_unique(name: str) -> None:
    names = [step for step, _ in steps_of(FLOWS[name]["properties"]["definition"]["actions"])]
    assert len(names) == len(set(names))
    assert not any(" " in step for step in names)
