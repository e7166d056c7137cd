from flowmend.core.checking import Needs, check_flow, needs
from flowmend.core.definition import Flow, Packaging, read_flow
from flowmend.core.json_value import Json

SECRET = "hunter2-hunter2"


def flow(definition: Json, packaging: Packaging = Packaging.PLAIN, **beside: Json) -> Flow:
    document = {"definition": {"triggers": {}, "actions": {}, **definition}, **beside}
    read = read_flow(document, packaging=packaging, name="orders")
    assert read.flow
    return read.flow


def http(**inputs: Json) -> Json:
    return {"type": "Http", "inputs": {"method": "GET", "uri": "https://example.org", **inputs}}


def test_a_flow_names_its_connectors_connections_and_parameters() -> None:
    found = needs(
        flow(
            {
                "parameters": {
                    "url": {"type": "string"},
                    "least": {"type": "int", "defaultValue": 0},
                    "given": {"type": "int"},
                }
            },
            connectionReferences={
                "mail": {"id": "/providers/Microsoft.PowerApps/apis/shared_office365"},
                "mail_1": {"id": "/providers/Microsoft.PowerApps/apis/shared_office365"},
            },
            parameters={"given": {"value": 1}},
        )
    )
    assert found == Needs(connectors=("office365",), connections=("mail", "mail_1"), parameters=("url",))


def test_a_standard_flow_needs_the_parameters_it_reads() -> None:
    actions = {"A": {"type": "Compose", "inputs": "@{parameters('Url')}/@{parameters('url')}"}}
    assert needs(flow({"actions": actions}, Packaging.STANDARD)).parameters == ("Url",)


def test_secrets_written_out_are_named_by_their_place_and_never_shown() -> None:
    secretive = flow(
        {
            "parameters": {
                "key": {"type": "securestring", "defaultValue": SECRET},
                "pair": {"type": "SecureObject", "defaultValue": {"user": "@x", "password": SECRET}},
                "later": {"type": "securestring"},
            },
            "actions": {
                "Basic": http(authentication={"type": "Basic", "username": "u", "password": SECRET}),
                "Certificate": http(
                    authentication={"type": "ClientCertificate", "pfx": SECRET, "password": "@parameters('key')"}
                ),
                "Raw": http(authentication={"type": "Raw", "value": SECRET}),
                "Signed": http(uri=f"https://example.org/invoke?sv=1.0&sig={SECRET}"),
                "Header": http(headers={"authorization": f"Bearer {SECRET}", "Accept": "text/plain"}),
            },
        },
        parameters={"later": {"value": SECRET}},
    )
    assert needs(secretive).secrets == (
        "/definition/parameters/key/defaultValue",
        "/definition/parameters/pair/defaultValue",
        "/parameters/later/value",
        "/definition/actions/Basic/inputs/authentication/password",
        "/definition/actions/Certificate/inputs/authentication/pfx",
        "/definition/actions/Raw/inputs/authentication/value",
        "/definition/actions/Signed/inputs/uri",
        "/definition/actions/Header/inputs/headers/authorization",
    )
    problems = check_flow(secretive)
    assert [one.pointer for one in problems if one.code == "LiteralSecret"] == list(needs(secretive).secrets)
    assert SECRET not in repr(problems)
    assert SECRET not in repr(secretive)


def test_what_is_no_secret_is_not_called_one() -> None:
    harmless = flow(
        {
            "parameters": {
                "$authentication": {"type": "SecureObject", "defaultValue": {}},
                "empty": {"type": "securestring", "defaultValue": ""},
                "template": {"type": "securestring", "defaultValue": "[parameters('key')]"},
            },
            "actions": {
                "Expression": http(
                    authentication={"type": "Raw", "value": "@{body('x')}"}, headers={"Authorization": "Bearer @{1}"}
                ),
                "Identity": http(authentication={"type": "ManagedServiceIdentity", "audience": "https://example.org"}),
                "Computed": http(uri="https://example.org/?sig=@{parameters('empty')}&code="),
                "Whole": http(authentication="@parameters('$authentication')"),
            },
        }
    )
    assert needs(harmless).secrets == ()
