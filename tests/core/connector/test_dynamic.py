from typing import Any

import pytest

from flowmend.core.connector import Location
from flowmend.core.connector.dynamic import DynamicKind, arguments_of, choices_of, read_dynamic, schema_of
from flowmend.core.connector.operation_form import Visibility, operation_form

OLD = {"operationId": "List", "value-path": "id", "value-title": "info/name", "value-collection": "data/rows"}
NEW = {"operationId": "List", "itemValuePath": "id", "itemTitlePath": "info/name", "itemsPath": "data/rows"}
ANSWER = {"data": {"rows": [{"id": 7, "info": {"name": "Seven"}}, {"id": None}, {"id": 8}]}}


@pytest.mark.parametrize("node", [{"x-ms-dynamic-values": OLD}, {"x-ms-dynamic-list": NEW, "x-ms-dynamic-values": {}}])
def test_choices_are_read_off_an_answer_in_either_spelling(node: Any) -> None:
    call = read_dynamic(node)
    assert call is not None
    assert call.kind is DynamicKind.CHOICES
    assert [(one.value, one.title) for one in choices_of(call, ANSWER)] == [(7, "Seven"), (8, "8")]


@pytest.mark.parametrize("body", [["a", "b"], {"value": ["a", "b"]}, {"some": ["a", "b"]}])
def test_choices_without_paths_are_found_where_lists_usually_are(body: Any) -> None:
    call = read_dynamic({"x-ms-dynamic-values": {"operationId": "List"}})
    assert call is not None
    assert [one.value for one in choices_of(call, body)] == ["a", "b"]


def test_arguments_come_from_the_form_and_wait_for_what_they_need() -> None:
    parameters = {
        "fixed": "v1",
        "site": {"parameterReference": "body/site"},
        "list": {"parameter": "list"},
        "more": {"parameterReference": "more", "required": False},
    }
    call = read_dynamic({"x-ms-dynamic-list": {"operationId": "L", "parameters": parameters}})
    assert call is not None
    assert arguments_of(call, {"body/site": "s"}) is None
    assert arguments_of(call, {"body/site": "s", "body/list": "l"}) == {"fixed": "v1", "site": "s", "list": "l"}


def test_a_tree_opens_its_branches_by_what_was_chosen() -> None:
    tree = {
        "open": {"operationId": "Root", "itemValuePath": "Id", "itemTitlePath": "Name", "itemIsParent": "IsFolder"},
        "browse": {"operationId": "Below", "parameters": {"id": {"selectedItemValuePath": "Id"}, "top": {"value": 5}}},
    }
    call = read_dynamic({"x-ms-dynamic-tree": tree})
    assert call is not None
    assert call.below is not None
    (branch,) = choices_of(call, [{"Id": "/a", "Name": "A", "IsFolder": True}])
    assert (branch.title, branch.is_branch) == ("A", True)
    assert arguments_of(call.below, {}, branch.item) == {"id": "/a", "top": 5}


def test_a_schema_is_read_off_an_answer() -> None:
    call = read_dynamic({"x-ms-dynamic-schema": {"operationId": "S", "value-path": "schema/items"}})
    assert call is not None
    assert call.kind is DynamicKind.SCHEMA
    assert schema_of(call, {"schema": {"items": {"type": "object"}}}) == {"type": "object"}
    assert schema_of(call, None) == {}


DEFINITION: dict[str, Any] = {
    "swagger": "2.0",
    "definitions": {
        "Order": {
            "type": "object",
            "required": ["who"],
            "properties": {
                "who": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
                "kind": {"type": "string", "enum": ["a", "b"], "default": "a", "x-ms-summary": "Kind of order"},
                "callback": {"type": "string", "x-ms-notification-url": True},
                "fields": {"x-ms-dynamic-schema": {"operationId": "S"}},
                "parent": {"$ref": "#/definitions/Order"},
            },
        }
    },
    "paths": {
        "/hooks/{site}": {
            "parameters": [{"name": "site", "in": "path", "required": True, "type": "string"}],
            "x-ms-notification-content": {"schema": {"$ref": "#/definitions/Order"}},
            "post": {
                "operationId": "Subscribe",
                "summary": "When something happens",
                "x-ms-trigger": "single",
                "parameters": [
                    {"name": "body", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Order"}},
                    {"name": "v", "in": "query", "type": "string", "x-ms-visibility": "internal", "default": "1"},
                ],
                "responses": {"201": {"schema": {"type": "object"}}, "default": {}},
            },
        }
    },
}


def test_an_operation_is_a_form_of_flattened_fields() -> None:
    form = operation_form(DEFINITION, "subscribe")
    assert form is not None
    fields = {one.name: one for one in form.fields}
    assert list(fields)[:4] == ["site", "body/who/name", "body/kind", "body/fields"]
    assert [name for name, one in fields.items() if one.is_required] == ["site", "body/who/name"]
    assert (fields["body/kind"].title, fields["body/kind"].allowed_values) == ("Kind of order", ("a", "b"))
    assert fields["body/fields"].dynamic is not None
    assert (fields["v"].location, fields["v"].visibility) == (Location.QUERY, Visibility.INTERNAL)
    assert (form.is_trigger, form.is_batch, form.is_webhook) == (True, False, True)
    assert form.answer == {"type": "object"}
    assert form.notification["properties"]["kind"]["type"] == "string"
    assert operation_form(DEFINITION, "Other") is None


def test_a_schema_that_holds_itself_ends() -> None:
    form = operation_form(DEFINITION, "Subscribe")
    assert form is not None
    assert max(one.name.count("/") for one in form.fields) < 10
