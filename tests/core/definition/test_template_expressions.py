"""Deployment template expressions."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.definition.template_expressions import TemplateEvaluator, TemplateScope
from flowmend.core.definition.template_functions import GROUP_NAME, LOCATION, SUBSCRIPTION_ID
from flowmend.core.errors import TooLarge

PARAMETERS = {
    "name": {"type": "string", "defaultValue": "orders"},
    "region": {"type": "string"},
    "count": {"type": "int", "defaultValue": 3},
    "list": {"type": "array", "defaultValue": ["a", "b"]},
    "site": {"type": "object", "defaultValue": {"url": "https://x.test", "ports": [80, 443]}},
    "derived": {"type": "string", "defaultValue": "[concat(parameters('name'), '-2')]"},
    "password": {"type": "securestring", "defaultValue": "hunter2"},
}
VARIABLES = {
    "title": "[toUpper(parameters('name'))]",
    "where": "[resourceGroup().location]",
    "around": "[variables('about')]",
    "about": "[variables('around')]",
    "with": {"secret": "[concat('pw=', parameters('password'))]"},
}
PLACE = {SUBSCRIPTION_ID: "s-1", GROUP_NAME: "shop", LOCATION: "westeurope"}


def evaluator(values: dict[str, Any] | None = None, *, hides: bool = False) -> TemplateEvaluator:
    secrets = {"password": "password"} if hides else {}
    return TemplateEvaluator(
        TemplateScope(parameters=PARAMETERS, variables=VARIABLES, values=values or {}, secrets=secrets)
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("[[not('this')]", "[not('this')]"),
        ("[]", "[]"),
        ("[Internal]", "[Internal]"),
        ("[External] mail", "[External] mail"),
        ("[parameters('name')]", "orders"),
        ("[PARAMETERS('Name')]", "orders"),
        ("[parameters('count')]", 3),
        ("[parameters('derived')]", "orders-2"),
        ("[variables('title')]", "ORDERS"),
        ("[parameters('site').ports[1]]", 443),
        ("[parameters('site')['url']]", "https://x.test"),
        ("[concat(parameters('list'), createArray('c'))]", ["a", "b", "c"]),
        ("[concat('n', 1, true)]", "n1True"),
        ("[concat('it''s @{body(''A'')?[''x'']}')]", "it's @{body('A')?['x']}"),
        ("[format('{0}/{1}', 'a', 2)]", "a/2"),
        ("[if(greater(int('3'), 2), 'yes', parameters('region'))]", "yes"),
        ("[coalesce(null(), 'b')]", "b"),
        ("[createObject('a', 1, 'b', true())]", {"a": 1, "b": True}),
        ("[split('a/b', '/')[0]]", "a"),
        ("[uri('https://x.test/a/', 'b')]", "https://x.test/a/b"),
        ("[padLeft(5, 3, '0')]", "005"),
        ("[environment().resourceManager]", "https://management.azure.com/"),
        ("[tenantResourceId('Microsoft.Web/sites', 'a')]", "/providers/Microsoft.Web/sites/a"),
    ],
)
def test_what_is_known_is_evaluated(text: str, value: Any) -> None:
    under_test = evaluator()
    assert under_test.evaluate(text) == value
    assert not under_test.unresolved


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[resourceGroup().location]", "westeurope"),
        ("[resourceGroup().id]", "/subscriptions/s-1/resourceGroups/shop"),
        (
            "[resourceId('Microsoft.Web/connections', 'mail')]",
            "/subscriptions/s-1/resourceGroups/shop/providers/Microsoft.Web/connections/mail",
        ),
        (
            "[resourceId('other', 'Microsoft.Sql/servers/databases', 'a', 'b')]",
            "/subscriptions/s-1/resourceGroups/other/providers/Microsoft.Sql/servers/a/databases/b",
        ),
        (
            "[subscriptionResourceId('Microsoft.Web/locations/managedApis', 'west', 'sql')]",
            "/subscriptions/s-1/providers/Microsoft.Web/locations/west/managedApis/sql",
        ),
        ("[variables('where')]", "westeurope"),
    ],
)
def test_the_place_it_deploys_to_is_taken_from_what_was_given(text: str, value: str) -> None:
    assert evaluator(PLACE).evaluate(text) == value


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("[parameters('region')]", ["region"]),
        ("[concat('a', parameters('region'), resourceGroup().name)]", ["region", GROUP_NAME]),
        ("[resourceId('Microsoft.Web/connections', 'x')]", [SUBSCRIPTION_ID, GROUP_NAME]),
        ("[resourceId('g', 'Microsoft.Web/connections', 'x')]", [SUBSCRIPTION_ID]),
        ("[listKeys('id', '2019').keys[0].value]", ["listKeys('id', '2019')"]),
        ("[variables('nowhere')]", ["variables('nowhere')"]),
        ("[variables('around')]", ["around"]),
        ("[parameters('site').nothing]", ["nothing"]),
        ("[length(5)]", ["length(5)"]),
    ],
)
def test_what_needs_more_stays_as_written_and_says_what_it_needs(text: str, missing: list[str]) -> None:
    under_test = evaluator()
    assert under_test.evaluate({"deep": [text]}) == {"deep": [text]}
    assert list(under_test.unresolved) == missing


def test_what_asks_the_cloud_may_be_said_by_a_person() -> None:
    assert evaluator({"listKeys('id', '2019')": {"key": "k"}}).evaluate("[listKeys('id', '2019').key]") == "k"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[parameters('password')]", "@parameters('password')"),
        ("[concat('Bearer ', parameters('password'))]", "Bearer @{parameters('password')}"),
        ("[variables('with').secret]", "pw=@{parameters('password')}"),
        ("[base64(parameters('password'))]", "[base64(parameters('password'))]"),
    ],
)
def test_a_secret_is_read_at_run_time_and_never_written_into_a_definition(text: str, value: str) -> None:
    assert evaluator(hides=True).evaluate(text) == value


@pytest.mark.parametrize("function", ["concat", "createArray", "createObject"])
@pytest.mark.parametrize("first", ["x" * 1000, ["x"] * 1000])
def test_variables_that_double_each_other_are_refused(function: str, first: Any) -> None:
    key = "'a', " if function == "createObject" else ""
    other = "'b', " if function == "createObject" else ""
    variables = {"v0": first} | {
        f"v{n}": f"[{function}({key}variables('v{n - 1}'), {other}variables('v{n - 1}'))]" for n in range(1, 60)
    }
    with pytest.raises(TooLarge):
        TemplateEvaluator(TemplateScope(variables=variables)).evaluate("[variables('v59')]")


@given(st.text(alphabet="[]()'.,abc0 @{}", max_size=40))
def test_any_text_in_brackets_evaluates_or_stays(inside: str) -> None:
    evaluator(PLACE).evaluate(f"[{inside}]")
