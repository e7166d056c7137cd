"""The form made from a trigger's schema, and the body its answers make."""

import pytest

from flowmend.core.json_value import Json
from flowmend.portal.schema_form import form_of, read_form

SCHEMA = {
    "type": "object",
    "required": ["order"],
    "properties": {
        "order": {"type": "string"},
        "quantity": {"type": "integer"},
        "price": {"type": ["number", "null"]},
        "urgent": {"type": "boolean"},
        "day": {"type": "string", "format": "date"},
        "size": {"type": "string", "enum": ["S", "M"]},
        "lines": {"type": "array"},
    },
}


def test_each_property_becomes_the_control_of_its_type() -> None:
    controls = {field.name: field.control for field in form_of(SCHEMA).fields}
    assert controls == {
        "order": "text", "quantity": "number", "price": "number", "urgent": "check", "day": "date", "size": "choice",
        "lines": "json",
    }  # fmt: skip


def test_answers_become_values_of_their_types_and_empty_ones_are_left_out() -> None:
    answers = {"order": "4711", "quantity": "12", "price": "9.5", "urgent": "true", "lines": "[1]", "size": ""}
    form, body = read_form(form_of(SCHEMA), answers)
    assert not form.has_errors
    assert body == {"order": "4711", "quantity": 12, "price": 9.5, "urgent": True, "lines": [1]}


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("order", "  ", "This field is required."),
        ("quantity", "many", "This is not a number."),
        ("price", "nan", "This is not a number."),
        ("lines", "[1", "This is not valid JSON."),
    ],
)
def test_a_wrong_answer_is_named_at_its_field_and_kept(name: str, text: str, error: str) -> None:
    form, _ = read_form(form_of(SCHEMA), {"order": "4711", name: text})
    assert {field.name: field.error for field in form.fields if field.error} == {name: error}
    assert next(field.value for field in form.fields if field.name == name) == text


@pytest.mark.parametrize("schema", [None, {}, {"type": "array"}, "nonsense", {"properties": []}])
def test_a_trigger_without_properties_takes_its_whole_body_as_json(schema: Json) -> None:
    form, body = read_form(form_of(schema), {"body": '{"order": 1}'})
    assert form.is_whole_body
    assert body == {"order": 1}
    assert read_form(form_of(schema), {})[1] is None
