from typing import Any

import pytest

from flowmend.core.connector.policy_expressions import PolicyScope, fill, is_understood, path_of, value_of

SCOPE = PolicyScope(
    connection_parameters={"Site": "acme", "port": 8080},
    header={"test": "foo"}.get,
    query={"domain": "pqr"}.get,
    method="POST",
    body={"a": {"@odata.etag": "W/1"}, "list": [{"n": 1}], "null": None},
    item={"id": 5},
)

FILLED = {
    "https://@header('test').abc.xyz:@{connectionParameters('port')}": "https://foo.abc.xyz:8080",
    "https://@connectionParameters('site').abc.@queryParameters('domain')/x": "https://acme.abc.pqr/x",
    "https://@header('none', 'default').abc": "https://default.abc",
    "@connectionParameters('none')": "",
    "{@body().list[0].n}-@item().id": "1-5",
    "@Request.OriginalHTTPMethod": "POST",
    "somebody@item.example": "somebody@item.example",
    "a constant with mail@acme.example": "a constant with mail@acme.example",
}


@pytest.mark.parametrize(("template", "text"), FILLED.items())
def test_references_become_text(template: str, text: str) -> None:
    assert fill(template, SCOPE) == text


VALUES: dict[str, Any] = {
    "@connectionParameters('port')": 8080,
    "@{connectionParameters('port')}": "8080",
    "@body()['a']['@odata.etag']": "W/1",
    "@body().list": [{"n": 1}],
    "{@body().null}": None,
    "@triggerBody().list[3].n": None,
    "v1": "v1",
}


@pytest.mark.parametrize(("template", "value"), VALUES.items())
def test_a_single_reference_keeps_its_type(template: str, value: Any) -> None:
    assert value_of(template, SCOPE) == value


PATHS = {
    "@body()": ("body", ()),
    "@body().people[0]['a.b']": ("body", ("people", 0, "a.b")),
    "@body.peopleObject.XYZ": ("body", ("peopleObject", "XYZ")),
    "@item().link": ("item", ("link",)),
    "['@odata.type']": ("", ("@odata.type",)),
    "field_entries": ("", ("field_entries",)),
    "null": ("", ()),
    "": ("", ()),
}


@pytest.mark.parametrize(("text", "path"), PATHS.items())
def test_a_path_is_a_root_and_steps(text: str, path: Any) -> None:
    assert path_of(text) == path


@pytest.mark.parametrize("template", ["@body('a')", "x @toLower(body())", "@{concat('a')}", {"after": "@max(1)"}])
def test_another_language_is_not_understood(template: Any) -> None:
    assert not is_understood(template)
    assert all(is_understood(known) for known in (*FILLED, *VALUES, 5, None))
