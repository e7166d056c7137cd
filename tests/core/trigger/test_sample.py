import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.json_value import Json
from flowmend.core.trigger import generate_from_schema

SAMPLES: list[tuple[str, Json, Json]] = [
    (
        "every property of its type",
        {
            "type": "object",
            "properties": {
                "s": {"type": "string"},
                "i": {"type": "integer"},
                "n": {"type": ["null", "number"]},
                "b": {"type": "boolean"},
                "a": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "string"}}}},
            },
        },
        {"s": "", "i": 0, "n": 0, "b": False, "a": [{"x": ""}]},
    ),
    ("no schema", {}, {}),
    ("nonsense", 5, {}),
    ("default first", {"type": "string", "default": "d", "enum": ["e"]}, "d"),
    ("first of an enumeration", {"type": "string", "enum": ["e", "f"]}, "e"),
    ("a format", {"type": "string", "format": "date"}, "2000-01-01"),
    ("a least length", {"type": "string", "minLength": 3}, "xxx"),
    ("a least value", {"type": "integer", "minimum": 7}, 7),
    ("object by its properties", {"properties": {"a": {}}}, {"a": None}),
    ("the first alternative", {"oneOf": [{"type": "boolean"}, {"type": "string"}]}, False),
    (
        "all parts",
        {"allOf": [{"properties": {"a": {"type": "string"}}}], "properties": {"b": {"type": "integer"}}},
        {"a": "", "b": 0},
    ),
    ("a local reference", {"$ref": "#/definitions/o", "definitions": {"o": {"type": "array"}}}, []),
    ("a foreign reference", {"$ref": "https://example.org/s"}, {}),
]


@pytest.mark.parametrize(("schema", "expected"), [row[1:] for row in SAMPLES], ids=[row[0] for row in SAMPLES])
def test_a_sample_has_what_the_schema_says(schema: Json, expected: Json) -> None:
    assert generate_from_schema(schema) == expected


def test_a_schema_that_holds_itself_comes_to_an_end() -> None:
    schema = {"type": "object", "properties": {"child": {"$ref": "#"}}}
    assert isinstance(generate_from_schema(schema), dict)


keys = st.sampled_from(
    ["type", "properties", "items", "enum", "allOf", "anyOf", "$ref", "format", "minLength", "minimum", "default"]
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["object", "array", "string", "#", "#/a", "date"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=10,
)


@given(anything)
def test_no_schema_raises(schema: Json) -> None:
    generate_from_schema(schema)
