"""Copy loops of deployment templates: of workflows, of properties, of variables."""

import json
import time
from typing import Any

import pytest

from flowmend.core.definition.opening import open_package
from flowmend.core.definition.templates import TemplateWorkflow, workflows_of
from flowmend.core.errors import FlowmendError

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"


def workflow(
    name: str = "[concat('flow-', copyIndex())]", *, actions: Any = None, copy: Any = None, **parts: Any
) -> Any:
    definition = {"triggers": {"manual": {"type": "Request", "inputs": {}}}, "actions": actions or {}}
    resource = {"type": "Microsoft.Logic/workflows", "name": name, "properties": {"definition": definition}}
    return {**resource, **({"copy": copy} if copy is not None else {}), **parts}


def compose(value: Any) -> Any:
    return {"A": {"type": "Compose", "inputs": value, "runAfter": {}}}


def template(*resources: Any, **parts: Any) -> dict[str, Any]:
    return {"$schema": SCHEMA, "contentVersion": "1.0.0.0", "resources": list(resources), **parts}


def deployed(document: dict[str, Any], **values: Any) -> list[TemplateWorkflow]:
    return list(workflows_of(document, values))


def inputs(workflow: TemplateWorkflow) -> Any:
    return workflow.document["properties"]["definition"]["actions"]["A"]["inputs"]


# -- resources ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("[copyIndex()]", [0, 1, 2]),
        ("[copyIndex(5)]", [5, 6, 7]),
        ("[copyIndex('Flows')]", [0, 1, 2]),
        ("[copyIndex('flows', 1)]", [1, 2, 3]),
        ("[COPYINDEX('flows')]", [0, 1, 2]),
        ("[parameters('names')[copyIndex()]]", ["a", "b", "c"]),
        ("[variables('about')]", ["all", "all", "all"]),
    ],
)
def test_a_resource_is_deployed_once_for_each_pass(expression: str, values: list[Any]) -> None:
    document = template(
        workflow(actions=compose(expression), copy={"name": "flows", "count": "[length(parameters('names'))]", "mode": "serial"}),
        parameters={"names": {"type": "array", "defaultValue": ["a", "b", "c"]}},
        variables={"about": "all"},
    )  # fmt: skip
    found = deployed(document)
    assert [one.name for one in found] == ["flow-0", "flow-1", "flow-2"]
    assert [inputs(one) for one in found] == values
    assert all(not one.missing for one in found)


def test_a_resource_may_be_deployed_not_at_all_or_only_in_some_passes() -> None:
    assert deployed(template(workflow(copy={"name": "x", "count": 0}))) == []
    some = workflow(copy={"name": "x", "count": 4}, condition="[not(equals(mod(copyIndex(), 2), 0))]")
    assert [one.name for one in deployed(template(some))] == ["flow-1", "flow-3"]


def test_nested_templates_are_copied_too() -> None:
    inner = template(
        workflow("[format('{0}-{1}-{2}', parameters('n'), copyIndex('inner'), copyIndex())]", copy={"name": "inner", "count": 2}),
        parameters={"n": {"type": "int"}},
    )  # fmt: skip
    nested = {
        "type": "Microsoft.Resources/deployments",
        "copy": {"name": "outer", "count": 2},
        "properties": {
            "expressionEvaluationOptions": {"scope": "inner"},
            "template": inner,
            "parameters": {"n": {"value": "[copyIndex('outer', 10)]"}},
        },
    }
    assert [one.name for one in deployed(template(nested))] == ["10-0-0", "10-1-1", "11-0-0", "11-1-1"]


def test_an_outer_deployment_lends_its_pass() -> None:
    nested = {
        "type": "Microsoft.Resources/deployments",
        "copy": {"name": "outer", "count": 2},
        "properties": {"template": template(workflow("[concat('f', copyIndex('outer'))]"))},
    }
    assert [one.name for one in deployed(template(nested))] == ["f0", "f1"]


def test_how_often_is_asked_for_where_nobody_said_it() -> None:
    document = template(
        workflow(copy={"name": "x", "count": "[parameters('many')]"}),
        parameters={"many": {"type": "int", "metadata": {"description": "How many"}}},
    )
    (once,) = deployed(document)
    assert [(one.name, one.type, one.description) for one in once.missing] == [("many", "int", "How many")]
    assert len(deployed(document, many=7)) == 7


def test_copies_are_flows_of_their_own_even_under_one_name() -> None:
    document = template(workflow("same", copy={"name": "x", "count": 3}))
    package = open_package(json.dumps(document).encode(), "t.json")
    assert not package.problems
    assert [one.identity.name for one in package.flows] == ["same", "same-2", "same-3"]
    assert len({one.identity.flow_id for one in package.flows}) == 3


# -- properties and variables ---------------------------------------------------------------------------------------


def test_a_property_becomes_the_array_of_its_passes() -> None:
    value = {"before": 1, "copy": [{"name": "steps", "count": 3, "input": {"n": "[copyIndex('steps')]", "t": "x"}}]}
    (one,) = deployed(template(workflow("f", actions=compose(value))))
    assert inputs(one) == {"before": 1, "steps": [{"n": 0, "t": "x"}, {"n": 1, "t": "x"}, {"n": 2, "t": "x"}]}


def test_loops_of_properties_nest_and_know_the_resources_pass() -> None:
    inner = [
        {"name": "in", "count": 2, "input": "[format('{0}{1}{2}', copyIndex(), copyIndex('out'), copyIndex('in'))]"}
    ]
    value = {"copy": [{"name": "out", "count": 2, "input": {"copy": inner}}]}
    first, second = deployed(template(workflow(actions=compose(value), copy={"name": "r", "count": 2})))
    assert inputs(first) == {"out": [{"in": ["000", "001"]}, {"in": ["010", "011"]}]}
    assert inputs(second) == {"out": [{"in": ["100", "101"]}, {"in": ["110", "111"]}]}


@pytest.mark.parametrize(
    "value",
    [{"copy": "this"}, {"copy": []}, {"copy": [1]}, {"copy": {"name": "x", "count": 2}}, {"copy": [{"name": "x", "count": 2}]}],
)  # fmt: skip
def test_a_property_that_only_has_the_name_stays(value: Any) -> None:
    (one,) = deployed(template(workflow("f", actions=compose(value))))
    assert inputs(one) == value


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("[variables('names')]", ["n0", "n1"]),
        ("[variables('NAMES')[1]]", "n1"),
        ("[variables('disk').sizes]", [10, 20]),
        ("[length(concat(variables('names'), variables('disk').sizes))]", 4),
    ],
)
def test_variables_are_made_by_loops(expression: str, expected: Any) -> None:
    variables = {
        "copy": [{"name": "names", "count": "[parameters('two')]", "input": "[concat('n', copyIndex('names'))]"}],
        "disk": {"copy": [{"name": "sizes", "count": 2, "input": "[mul(10, copyIndex('sizes', 1))]"}]},
    }
    document = template(
        workflow("f", actions=compose(expression)),
        variables=variables,
        parameters={"two": {"type": "int", "defaultValue": 2}},
        outputs={"all": {"type": "array", "copy": {"count": 9999, "input": "[copyIndex()]"}}},
    )
    (one,) = deployed(document)
    assert inputs(one) == expected


def test_a_property_whose_count_nobody_said_waits_for_it() -> None:
    value = {"copy": [{"name": "steps", "count": "[parameters('many')]", "input": "[copyIndex('steps')]"}]}
    document = template(workflow("f", actions=compose(value)), parameters={"many": {"type": "int"}})
    (one,) = deployed(document)
    assert (inputs(one), [missing.name for missing in one.missing]) == (value, ["many"])
    (one,) = deployed(document, many=2)
    assert inputs(one) == {"steps": [0, 1]}


# -- bounds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "code"),
    [
        (801, "TemplateCopyLimitExceeded"),
        ("[mul(1000, 1000)]", "TemplateCopyLimitExceeded"),
        (-1, "InvalidTemplateCopy"),
        ("[concat('3')]", "InvalidTemplateCopy"),
        (True, "InvalidTemplateCopy"),
        (None, "InvalidTemplateCopy"),
    ],
)
@pytest.mark.parametrize("place", ["resource", "property", "variable"])
def test_no_deployment_goes_through_a_loop_that_often(count: Any, code: str, place: str) -> None:
    entry = {"name": "x", "count": count, "input": 1}
    document = {
        "resource": template(workflow(copy=entry)),
        "property": template(workflow("f", actions=compose({"copy": [entry]}))),
        "variable": template(workflow("f", actions=compose("[variables('x')]")), variables={"copy": [entry]}),
    }[place]
    with pytest.raises(FlowmendError) as refusal:
        deployed(document)
    assert refusal.value.code == code
    package = open_package(json.dumps(document).encode(), "t.json")
    assert [one.problem.code for one in package.problems] == [code]


def test_as_many_as_a_deployment_allows_are_made() -> None:
    assert len(deployed(template(workflow(copy={"name": "x", "count": 800})))) == 800


@pytest.mark.parametrize(
    ("inner", "code"), [(workflow(), "TemplateCopyLimitExceeded"), ({"type": "Other/things"}, "TemplateTooLarge")]
)
def test_deployments_within_deployments_end_soon(inner: Any, code: str) -> None:
    for depth in range(4):
        properties = {"template": template(inner)}
        copy = {"name": f"l{depth}", "count": 800}
        inner = {"type": "Microsoft.Resources/deployments", "copy": copy, "properties": properties}
    began = time.process_time()
    with pytest.raises(FlowmendError) as refusal:
        deployed(template(inner))
    assert refusal.value.code == code
    assert time.process_time() - began < 10


def test_loops_within_loops_end_soon() -> None:
    value: Any = "x" * 100
    for depth in range(6):
        value = {"copy": [{"name": f"l{depth}", "count": 800, "input": value}]}
    began = time.process_time()
    with pytest.raises(FlowmendError) as refusal:
        deployed(template(workflow("f", actions=compose(value))))
    assert refusal.value.code == "TemplateTooLarge"
    assert time.process_time() - began < 10
