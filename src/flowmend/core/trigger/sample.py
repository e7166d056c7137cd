"""A sample of what a schema describes: the least a Request trigger could be sent."""

from collections.abc import Mapping

from flowmend.core.json_value import Json

_DEEPEST = 12
_EMPTY: Mapping[str, Json] = {"string": "", "integer": 0, "number": 0, "boolean": False, "array": [], "object": {}}
_OF_FORMAT: Mapping[str, str] = {
    "date-time": "2000-01-01T00:00:00Z",
    "date": "2000-01-01",
    "time": "00:00:00Z",
    "email": "someone@example.org",
    "uri": "https://example.org/",
    "uuid": "00000000-0000-0000-0000-000000000000",
}


def generate_from_schema(schema: Json) -> Json:
    """A value that fits `schema` as far as its types, properties, defaults and enumerations go.

    Every declared property is there and each array has one item, so that a flow's loops run once.
    Errors: none; what the schema leaves open is {} at the root and null below.
    """
    value = _sample(schema, schema, 0)
    return {} if value is None else value


def _sample(schema: Json, root: Json, depth: int) -> Json:
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return None
    for key in ("default", "const", "example"):
        if key in schema:
            return schema[key]
    for key in ("enum", "examples"):
        if isinstance(schema.get(key), list) and schema[key]:
            return schema[key][0]
    if isinstance(reference := schema.get("$ref"), str):
        return _sample(_resolve(reference, root), root, depth + 1)
    for key in ("oneOf", "anyOf"):
        if isinstance(schema.get(key), list) and schema[key]:
            return _sample(schema[key][0], root, depth + 1)
    return _sample_of_type(_type_of(schema), schema, root, depth)


def _sample_of_type(kind: str, schema: Mapping[str, Json], root: Json, depth: int) -> Json:
    if kind == "object":
        properties = schema.get("properties")
        declared = properties if isinstance(properties, Mapping) else {}
        found = {name: _sample(inner, root, depth + 1) for name, inner in declared.items()}
        for part in schema["allOf"] if isinstance(schema.get("allOf"), list) else ():
            inherited = _sample(part, root, depth + 1)
            found |= inherited if isinstance(inherited, dict) else {}
        return found
    if kind == "array":
        item = _sample(schema.get("items"), root, depth + 1)
        return [] if item is None else [item]
    if kind == "string":
        return _sample_text(schema)
    if kind in {"integer", "number"}:
        least = schema.get("minimum")
        return least if isinstance(least, int | float) and least > 0 else 0
    return _EMPTY.get(kind)


def _sample_text(schema: Mapping[str, Json]) -> str:
    text = _OF_FORMAT.get(str(schema.get("format", "")).lower(), "")
    least = schema.get("minLength")
    return text.ljust(min(least, 1000), "x") if isinstance(least, int) else text


def _type_of(schema: Mapping[str, Json]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((name for name in kind if name != "null"), "null")
    if isinstance(kind, str):
        return kind.lower()
    if "properties" in schema or "allOf" in schema:
        return "object"
    return "array" if "items" in schema else ""


def _resolve(reference: str, root: Json) -> Json:
    """What a local `#/definitions/x` names, None for anything else."""
    if not reference.startswith("#"):
        return None
    found = root
    for token in reference[1:].split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
