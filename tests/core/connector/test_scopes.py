import pytest

from flowmend.core.connector import read_connector
from flowmend.core.connector.operation import Operation
from flowmend.core.connector.scopes import missing_scopes, scopes_lacking

GRAPH = "https://graph.microsoft.com/"


@pytest.mark.parametrize(
    ("what", "asked", "granted", "missing"),
    [
        ("all of it", ["a", "b"], ["b", "a"], ()),
        ("one less", ["a", "b"], ["a"], ("b",)),
        ("the grant names none", ["a"], [], ()),
        ("names with and without their address", ["Mail.Send"], [GRAPH + "mail.send"], ()),
        ("and the other way round", [GRAPH + "Mail.Send"], ["Mail.Send"], ()),
        ("what only shapes the sign-in", ["openid", "offline_access", "profile", "a"], ["a"], ()),
        ("a default", [GRAPH + ".default"], ["Mail.Read"], ()),
        ("writing covers reading", ["Mail.Read"], ["Mail.ReadWrite"], ()),
        ("reading does not cover writing", ["Mail.ReadWrite"], ["Mail.Read"], ("Mail.ReadWrite",)),
        ("all covers some", ["Files.Read"], ["Files.ReadWrite.All"], ()),
        ("asked twice", ["a", "a", "b"], ["b"], ("a",)),
    ],
)
def test_what_a_grant_lacks(what: str, asked: list[str], granted: list[str], missing: tuple[str, ...]) -> None:
    assert missing_scopes(asked, granted) == missing, what


def test_one_of_several_ways_is_enough() -> None:
    operation = Operation(operation_id="x", method="GET", path="/", scopes=(("a", "b"), ("c",)))
    assert scopes_lacking(operation, ["c"]) == ()
    assert scopes_lacking(operation, ["a"]) == ("b",)
    assert scopes_lacking(operation, ["z"]) == ("c",)
    assert scopes_lacking(Operation(operation_id="x", method="GET", path="/"), ["z"]) == ()


def test_scopes_are_read_of_an_operation_else_of_the_whole() -> None:
    definition = {
        "swagger": "2.0",
        "host": "x.example",
        "securityDefinitions": {"o": {"type": "oauth2"}, "k": {"type": "apiKey", "in": "header", "name": "X"}},
        "security": [{"o": ["all"]}],
        "paths": {
            "/a": {"get": {"operationId": "Whole"}},
            "/b": {"get": {"operationId": "Own", "security": [{"o": ["read", "list"]}, {"o": ["write"]}]}},
            "/c": {"get": {"operationId": "Public", "security": []}},
            "/d": {"get": {"operationId": "KeyToo", "security": [{"o": ["read"]}, {"k": []}]}},
            "/e": {"get": {"operationId": "Odd", "security": {"o": 1}}},
        },
    }
    connector = read_connector(definition, None, connector_id="x").connector
    assert connector is not None
    assert {name: operation.scopes for name, operation in connector.operations.items()} == {
        "Whole": (("all",),),
        "Own": (("read", "list"), ("write",)),
        "Public": (),
        "KeyToo": (),
        "Odd": (),
    }
