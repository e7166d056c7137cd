import pytest

from flowmend.core.definition.json_schema import JsonSchema
from flowmend.core.errors import InvalidDocument
from flowmend.core.json_value import Json

VIOLATIONS: list[tuple[str, Json, Json, list[tuple[str, str]]]] = [
    ("fits", {"type": "object", "properties": {"a": {"type": "integer"}}}, {"a": 1}, []),
    ("type", {"type": ["string", "null"]}, 5, [("", "Invalid type. Expected String, Null but got Integer.")]),
    (
        "deep",
        {"properties": {"a": {"items": {"type": "number"}}}},
        {"a": [1, "x"]},
        [("a[1]", "Invalid type. Expected Number but got String.")],
    ),
    (
        "required",
        {"required": ["a", "b"]},
        {},
        [("", "Required properties are missing from object: a, b.")],
    ),
    ("enum", {"enum": [1]}, 2, [("", "Value is not defined in enum.")]),
    ("pattern", {"pattern": "^a+$"}, "b", [("", "The value does not fit the schema's 'pattern'.")]),
    (
        "pattern of names",
        {"patternProperties": {"^n": {"type": "string"}}},
        {"n1": 1, "x": 1},
        [("n1", "Invalid type. Expected String but got Integer.")],
    ),
    (
        "local reference",
        {"$ref": "#/definitions/s", "definitions": {"s": {"type": "string"}}},
        1,
        [("", "Invalid type. Expected String but got Integer.")],
    ),
]


@pytest.mark.parametrize(
    ("schema", "value", "expected"), [row[1:] for row in VIOLATIONS], ids=[row[0] for row in VIOLATIONS]
)
def test_a_value_is_held_against_its_schema(schema: Json, value: Json, expected: list[tuple[str, str]]) -> None:
    assert [(one.path, one.message) for one in JsonSchema(schema).violations(value)] == expected


@pytest.mark.parametrize("schema", [{"type": "any"}, {"required": []}, {"required": True}, {"required": ["a", "a"]}])
def test_what_designers_write_is_taken_though_no_draft_allows_it(schema: Json) -> None:
    assert JsonSchema({"properties": {"x": schema}}).violations({"x": {"a": 1}}) == ()


def test_a_schema_that_is_no_object_is_refused() -> None:
    with pytest.raises(InvalidDocument) as refusal:
        JsonSchema(5)
    assert refusal.value.code == "InvalidSchema"


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://127.0.0.1:1/s"},
        {"$ref": "#/definitions/none"},
        {"$ref": "#"},
        {"pattern": "(?=a)"},
        {"minLength": "x"},
    ],
)
def test_a_schema_that_cannot_be_followed_is_refused_without_fetching(schema: Json) -> None:
    with pytest.raises(InvalidDocument):
        JsonSchema(schema).violations("x")


def test_a_pattern_made_to_take_for_ever_does_not() -> None:
    assert JsonSchema({"pattern": "^(a+)+$"}).violations("a" * 5000 + "!")
