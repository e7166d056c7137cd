"""Packages: whatever people export, opened into flows."""

import json
from typing import Any

import pytest

from core.definition.packing import (
    ASSET_ID,
    CUSTOMIZATIONS,
    FLOW_ID,
    SOLUTION_FLOW_ID,
    compose,
    definition,
    package,
    packed,
    solution,
    standard_app,
    tree,
)
from flowmend.core.definition.flow import Packaging
from flowmend.core.definition.opening import Package, PackagedFlow, open_package


def only(opened: Package) -> PackagedFlow:
    assert opened.problems == ()
    (flow,) = opened.flows
    assert flow.flow is not None
    return flow


def codes(opened: Package) -> list[tuple[str, str]]:
    return [(one.path, one.problem.code) for one in opened.problems]


def test_a_package_zip_gives_its_flow_with_the_connections_its_maps_name() -> None:
    flow = only(open_package(packed(package()), "Orders.zip"))

    assert (flow.identity.flow_id, flow.identity.name, flow.packaging) == (FLOW_ID, "Shop orders", Packaging.PACKAGE)
    assert flow.path == f"Microsoft.Flow/flows/{ASSET_ID}/definition.json"
    assert flow.flow is not None
    reference = flow.flow.connection_references["shared_office365"]
    assert (reference.connector, reference.display_name) == ("office365", "anna@contoso.test")


def test_a_solution_zip_names_its_flows_connections_and_variables() -> None:
    flow = only(open_package(packed(solution()), "shop_1_0_0_0_managed.zip"))

    assert (flow.identity.flow_id, flow.identity.name) == (SOLUTION_FLOW_ID, "Orders: take in")
    assert flow.flow is not None
    reference = flow.flow.connection_references["shared_office365"]
    assert (reference.logical_name, reference.display_name) == ("new_mail", "The shop's mail")
    (variable,) = flow.environment_variables
    assert (variable.schema_name, variable.display_name, variable.type) == ("new_Site", "Site", "string")
    assert flow.flow.parameter_values == {"Site (new_Site)": "https://contoso.test/shop"}


def test_an_unpacked_solution_is_the_same_solution() -> None:
    files = solution()
    files["Other/Customizations.xml"] = files.pop("customizations.xml")
    flow = only(open_package(tree({f"src/{path}": file for path, file in files.items()}), "repository"))
    assert flow.identity.name == "Orders: take in"
    assert len(flow.environment_variables) == 1


def test_an_environment_variable_without_a_solution_is_known_from_the_flow() -> None:
    path = f"Orderstakein-{SOLUTION_FLOW_ID}.json"
    flow = only(
        open_package(json.dumps(solution()[f"Workflows/Orderstakein-{SOLUTION_FLOW_ID.upper()}.json"]).encode(), path)
    )
    assert [(one.schema_name, one.display_name) for one in flow.environment_variables] == [("new_Site", "Site")]


def test_xml_that_would_explode_adds_nothing_and_hurts_nothing() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>' + CUSTOMIZATIONS.replace(
        "take in", "&b;"
    )
    flow = only(open_package(packed(solution() | {"customizations.xml": bomb}), "shop.zip"))
    assert flow.identity.name == "Orderstakein"


def test_a_standard_app_gives_each_workflow_what_it_uses_of_the_shared_files() -> None:
    opened = open_package(packed({f"app/{path}": file for path, file in standard_app().items()}), "app.zip")
    greet, idle = (flow.flow for flow in opened.flows)

    assert greet is not None
    assert idle is not None
    assert (greet.name, idle.name, idle.is_stateless) == ("Greet", "Idle", True)
    assert [one.connector for one in greet.connection_references.values()] == ["office365"]
    assert greet.parameter_values == {"greeting": "Hello", "REGION": "west"}
    assert {name: one.type for name, one in greet.definition.parameters.items()} == {
        "greeting": "string",
        "REGION": "string",
        "MAIL_KEY": "securestring",
    }
    said = "@{parameters('greeting')} from @{parameters('REGION')} by @{parameters('MAIL_KEY')}"
    assert greet.definition.actions["Say"].inputs == said
    assert (idle.connection_references, idle.parameter_values) == ({}, {})


def test_rows_of_dataverse_are_flows() -> None:
    clientdata = json.dumps({"properties": {"definition": definition({"A": compose(1)})}, "schemaVersion": "1.0.0.0"})
    rows = {"value": [{"workflowid": FLOW_ID, "name": "Orders", "clientdata": clientdata}, {"name": "classic"}]}
    flow = only(open_package(json.dumps(rows).encode(), "workflows.json"))
    assert (flow.identity.flow_id, flow.identity.name, flow.packaging) == (FLOW_ID, "Orders", Packaging.CLIENTDATA)


def template(**parts: Any) -> dict[str, Any]:
    schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
    return {"$schema": schema, "contentVersion": "1.0.0.0", **parts}


def workflow(name: str, actions: dict[str, Any], **properties: Any) -> dict[str, Any]:
    return {
        "type": "Microsoft.Logic/workflows",
        "name": name,
        "properties": {"definition": definition(actions), **properties},
    }


def test_every_workflow_of_a_template_is_a_flow_with_its_expressions_evaluated() -> None:
    document = template(
        parameters={"prefix": {"type": "string", "defaultValue": "shop"}, "mail": {"type": "string"}},
        resources=[
            workflow("[concat(parameters('prefix'), '-a')]", {"A": compose("[parameters('prefix')]")}),
            workflow("b", {"A": compose("[parameters('mail')]")}),
            workflow("c", {}, state="Enabled") | {"condition": "[equals(1, 2)]"},
            {
                "type": "Microsoft.Resources/deployments",
                "name": "nested",
                "properties": {
                    "expressionEvaluationOptions": {"scope": "inner"},
                    "parameters": {"to": {"value": "[parameters('prefix')]"}},
                    "template": template(
                        parameters={"to": {"type": "string"}},
                        resources=[workflow("d", {"A": compose("[parameters('to')]")})],
                    ),
                },
            },
        ],
    )
    content = json.dumps(document).encode()

    opened = open_package(content, "azuredeploy.json")

    assert [(one.identity.name, one.pointer) for one in opened.flows] == [
        ("shop-a", "/resources/0"),
        ("b", "/resources/1"),
        ("d", "/resources/3/properties/template/resources/0"),
    ]
    inputs = [one.flow.definition.actions["A"].inputs for one in opened.flows if one.flow]
    assert inputs == ["shop", "[parameters('mail')]", "shop"]
    assert [[one.name for one in flow.missing] for flow in opened.flows] == [[], ["mail"], []]
    given = open_package(content, "azuredeploy.json", {"mail": "a@b.test"})
    assert given.flows[1].flow is not None
    assert given.flows[1].flow.definition.actions["A"].inputs == "a@b.test"
    assert given.flows[1].missing == ()


def test_a_parameters_file_beside_a_template_gives_its_values() -> None:
    document = template(
        parameters={"mail": {"type": "string"}}, resources=[workflow("a", {"A": compose("[parameters('mail')]")})]
    )
    values = {"parameters": {"mail": {"value": "a@b.test"}}}
    flow = only(open_package(tree({"a.json": document, "a.parameters.json": values}), "folder"))
    assert flow.flow is not None
    assert flow.flow.definition.actions["A"].inputs == "a@b.test"


def test_a_secret_of_a_template_becomes_a_secure_parameter_of_the_flow() -> None:
    document = template(
        parameters={"key": {"type": "securestring", "defaultValue": "hunter2"}},
        resources=[
            workflow(
                "a",
                {"A": compose("[concat('Bearer ', parameters('key'))]")},
                parameters={"other": {"value": "[parameters('key')]"}},
            )
        ],
    )
    document["resources"][0]["properties"]["definition"]["parameters"] = {"other": {"type": "String"}}
    flow = only(open_package(json.dumps(document).encode(), "a.json")).flow
    assert flow is not None
    assert "hunter2" not in json.dumps(flow.definition.raw)
    assert {name: one.is_secret for name, one in flow.definition.parameters.items()} == {"other": True, "key": True}
    assert flow.parameter_values == {"other": "hunter2", "key": "hunter2"}


def test_a_folder_of_everything_gives_every_flow_once() -> None:
    files = {
        "a/Orders.zip": packed(package()),
        "b/shop.zip": packed(solution() | {"inner.zip": packed(package())}),
        "c/plain.json": {"definition": definition({"A": compose(1)})},
        "d/plain.json": {"definition": definition({"A": compose(2)})},
        "package.json": {"name": "a project of something else"},
        "readme.md": "# Words",
        **{f"app/{path}": file for path, file in standard_app().items()},
    }
    opened = open_package(tree(files), "folder")

    names = [one.identity.name for one in opened.flows]
    assert sorted(names) == ["Greet", "Idle", "Orders: take in", "Shop orders", "plain", "plain"]
    assert len({one.identity.flow_id for one in opened.flows}) == len(names)
    assert {code for _, code in codes(opened)} == {"DuplicateFlow"}


def test_one_bad_file_does_not_stop_the_others() -> None:
    opened = open_package(
        tree({"a.json": {"definition": definition()}, "b.json": "{nope", "c.zip": b"PK\x03\x04 damaged"}), "folder"
    )
    assert [one.identity.name for one in opened.flows] == ["a"]
    assert sorted(codes(opened)) == [("b.json", "InvalidJSON"), ("c.zip", "InvalidArchive")]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"{nope", "InvalidJSON"),
        (b"", "InvalidJSON"),
        (b"[" * 300 + b"]" * 300, "InvalidJSON"),
        (b"{}", "MissingDefinition"),
        (b"[1]", "MissingDefinition"),
        (json.dumps(template(resources=[])).encode(), "MissingDefinition"),
        (packed({"readme.md": "# Words", "other.md": "# More"}), "MissingDefinition"),
        (packed({"../a.json": "{}"}), "InvalidArchive"),
    ],
)
def test_a_file_without_a_flow_says_so(content: bytes, code: str) -> None:
    opened = open_package(content, "file")
    assert opened.flows == ()
    assert [found for _, found in codes(opened)] == [code]


def test_a_flow_names_the_flows_it_calls() -> None:
    actions = {
        "Child": {"type": "Workflow", "inputs": {"host": {"workflowReferenceName": FLOW_ID}}},
        "Other": {"type": "Workflow", "inputs": {"host": {"workflow": {"id": "/subscriptions/s/workflows/pay"}}}},
    }
    flow = only(open_package(json.dumps({"definition": definition(actions)}).encode(), "a.json"))
    assert flow.children == (FLOW_ID, "pay")
