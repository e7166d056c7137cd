"""Literal secrets: out of the document, into parameters, and nothing else changed."""

import json
from typing import Any

import pytest

from flowmend.core.checking import check_flow, lift_secrets
from flowmend.core.checking.lifting_secrets import Lifted
from flowmend.core.definition import Packaging, read_flow

SECRET = "hunter2-hunter2"


def http(**inputs: Any) -> dict[str, Any]:
    return {"type": "Http", "inputs": {"method": "GET", "uri": "https://x.test", **inputs}, "runAfter": {}}


def lifted(document: dict[str, Any]) -> Lifted:
    before = json.dumps(document)
    read = read_flow(document, packaging=Packaging.PLAIN, name="f").flow
    assert read is not None
    found = lift_secrets(document, read)
    assert json.dumps(document) == before
    assert SECRET not in json.dumps(found.document)
    again = read_flow(found.document, packaging=Packaging.PLAIN, name="f").flow
    assert again is not None
    assert not [one for one in check_flow(again) if one.code in {"LiteralSecret", "UnknownParameter"}]
    return found


def document(actions: dict[str, Any], **parts: Any) -> dict[str, Any]:
    triggers = {"manual": {"type": "Request", "kind": "Http"}}
    return {"definition": {"triggers": triggers, "actions": actions, **parts}}


@pytest.mark.parametrize(
    ("inputs", "place", "read"),
    [
        (
            {"authentication": {"type": "Basic", "username": "a", "password": SECRET}},
            "authentication/password",
            "@parameters('Call_password')",
        ),
        ({"headers": {"X-Api-Key": SECRET}}, "headers/X-Api-Key", "@parameters('Call_X_Api_Key')"),
        (
            {"uri": f"https://x.test/f?a=1&sig={SECRET}&b=2"},
            "uri",
            "https://x.test/f?a=1&sig=@{parameters('Call_signature')}&b=2",
        ),
        (
            {"uri": f"@{{triggerBody()}}/f?sig={SECRET}"},
            "uri",
            "@{triggerBody()}/f?sig=@{parameters('Call_signature')}",
        ),
        (
            {"uri": f"@concat(triggerBody(), '/it''s?sig={SECRET}&b=', 2)"},
            "uri",
            "@concat(triggerBody(), concat('/it''s?sig=', parameters('Call_signature'), '&b='), 2)",
        ),
        (
            {"uri": f"https://x.test/@{{toLower('f?code={SECRET}')}}"},
            "uri",
            "https://x.test/@{toLower(concat('f?code=', parameters('Call_signature'), ''))}",
        ),
    ],
)
def test_a_secret_of_a_call_is_read_from_a_secure_parameter(inputs: dict[str, Any], place: str, read: str) -> None:
    found = lifted(document({"Call": http(**inputs)}))

    assert found.places == (f"/definition/actions/Call/inputs/{place}",)
    (name,) = found.values
    assert found.values == {name: SECRET}
    assert found.document["definition"]["parameters"] == {name: {"type": "SecureString"}}
    written = found.document["definition"]["actions"]["Call"]["inputs"]
    for token in place.split("/"):
        written = written[token]
    assert written == read


def test_equal_secrets_are_one_parameter_and_names_never_collide() -> None:
    found = lifted(
        document(
            {
                "Call": http(headers={"X-Api-Key": SECRET}),
                "Again": http(headers={"X-Api-Key": SECRET}),
                "Loop": {
                    "type": "Foreach",
                    "foreach": [1],
                    "actions": {"Inner": http(headers={"Authorization": "other " + SECRET})},
                },
            },
            parameters={"call_x_api_key": {"type": "String", "defaultValue": "taken"}},
        )
    )
    assert found.values == {"Call_X_Api_Key_2": SECRET, "Inner_Authorization": "other " + SECRET}
    assert len(found.places) == 3


def test_defaults_and_values_of_secure_parameters_leave_the_file_the_value_counting_first() -> None:
    parameters = {
        "both": {"type": "SecureString", "defaultValue": "default " + SECRET},
        "plain": {"type": "securestring", "defaultValue": SECRET},
        "object": {"type": "SecureObject", "defaultValue": {"deep": SECRET}},
        "$authentication": {"type": "SecureObject", "defaultValue": {}},
    }
    found = lifted(document({}, parameters=parameters) | {"parameters": {"both": {"value": SECRET}}})

    assert found.values == {"both": SECRET, "plain": SECRET, "object": {"deep": SECRET}}
    assert found.document["parameters"] == {}
    assert found.document["definition"]["parameters"]["$authentication"] == parameters["$authentication"]


def test_a_connection_string_of_a_connections_file_is_lifted_too() -> None:
    entry = {
        "serviceProvider": {"id": "/serviceProviders/sql"},
        "parameterValues": {"connectionString": SECRET, "other": "@appsetting('x')"},
    }
    references = {"serviceProviderConnections": {"sql": entry}}
    found = lifted(document({}) | {"connectionReferences": references})
    assert list(found.values.values()) == [SECRET]


def test_a_document_without_secrets_stays_the_very_same() -> None:
    written = document({"Call": http(headers={"Authorization": "@variables('token')"})})
    assert lifted(written).document is written
    assert lifted(written).places == ()
