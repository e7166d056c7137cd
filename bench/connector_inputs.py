"""Inputs for operations, generated from the definition itself: what a form filled in with care would hold."""

import base64
from functools import cache
from typing import Any

from hypothesis import find, settings, strategies

from flowmend.core.connector import Location, Operation

_DEEPEST = 14
#: From here on only what is required.
_DEEP = 4
_BY_FORMAT = {
    "date-time": "2026-03-01T08:00:00Z",
    "date": "2026-03-01",
    "uuid": "0b8d8f0e-6f5e-4a7a-9a53-0f6c2f8f1f11",
    "email": "ada@example.com",
    "uri": "https://example.com/a",
    "byte": base64.b64encode(b"abc").decode(),
    "binary": "abc",
}
FILE = {"$content-type": "text/plain", "$content": base64.b64encode(b"a file").decode()}


class Inputs:
    def __init__(self, definition: Any) -> None:
        self._definition = definition
        self._nodes = 0

    def arguments(self, operation: Operation) -> dict[str, Any]:
        """A value for every parameter, flattened where a body has properties as flows have it."""
        node, item = self._node(operation)
        found: dict[str, Any] = {}
        for declared in [*(item.get("parameters") or ()), *(node.get("parameters") or ())]:
            parameter = self._followed(declared)
            if not isinstance(parameter, dict) or parameter.get("in") not in set(Location):
                continue
            name = str(parameter.get("name") or "body")
            if parameter["in"] == "body":
                self._nodes = 0
                value = self.value(parameter.get("schema") or {})
                if isinstance(value, dict) and value:
                    found.update({f"{name}/{key}": inner for key, inner in value.items() if "/" not in key})
                    if any("/" in key for key in value):
                        found[name] = value
                else:
                    found[name] = value
            elif parameter.get("type") == "file":
                found[name] = FILE
            elif name.lower() == "content-type":
                consumes = node.get("consumes") or self._definition.get("consumes") or ["application/json"]
                found[name] = parameter.get("default") or consumes[0]
            elif "url" in name.lower() and parameter["in"] != "body" and not parameter.get("enum"):
                found[name] = "acme.example.com"
            else:
                found[name] = self.value(parameter)
        return {name: value for name, value in found.items() if value is not None}

    def value(self, schema: Any, depth: int = 0) -> Any:
        node = self._followed(schema)
        self._nodes += 1
        if not isinstance(node, dict) or depth > _DEEPEST or self._nodes > 20_000:
            return None
        if node.get("enum"):
            return next((one for one in node["enum"] if one not in {"", None}), node["enum"][0])
        if isinstance(node.get("allOf"), list):
            merged: dict[str, Any] = {}
            for one in node["allOf"]:
                inner = self.value(one, depth + 1)
                merged.update(inner if isinstance(inner, dict) else {})
            return merged
        kind = node.get("type") or ("object" if "properties" in node else "string" if "in" in node else "object")
        if isinstance(kind, list):
            kind = next((one for one in kind if one != "null"), "string")
        if kind == "object":
            wanted = set(node.get("required") or ())
            properties = (node.get("properties") or {}).items()
            made = {name: self.value(inner, depth + 1) for name, inner in properties if depth < _DEEP or name in wanted}
            return {name: one for name, one in made.items() if one is not None}
        if kind == "array":
            inner = self.value(node.get("items") or {"type": "string"}, depth + 1)
            count = max(2, int(node.get("minItems") or 0))
            count = min(count, int(node.get("maxItems") or count))
            return [] if inner is None else [inner] if node.get("uniqueItems") else [inner] * count
        if kind in {"integer", "number"}:
            return self._number(node, kind)
        return True if kind == "boolean" else FILE if kind == "file" else self._text(node)

    def _number(self, node: dict[str, Any], kind: str) -> Any:
        low, high = node.get("minimum"), node.get("maximum")
        value = low if isinstance(low, int | float) else min(5, high) if isinstance(high, int | float) else 5
        value += 1 if node.get("exclusiveMinimum") is True else 0
        step = node.get("multipleOf")
        value = step or value
        return int(value) if kind == "integer" else value

    def _text(self, node: dict[str, Any]) -> str:
        value = str(_BY_FORMAT.get(str(node.get("format")), "a b"))
        if isinstance(node.get("default"), str) and node["default"]:
            value = node["default"]
        if node.get("pattern"):
            value = from_pattern(str(node["pattern"])) or value
        value = value.ljust(int(node.get("minLength") or 0), "x")
        return value[: int(node.get("maxLength") or len(value))] or "a"

    def _node(self, operation: Operation) -> tuple[Any, Any]:
        for path, item in self._definition["paths"].items():
            for method, node in item.items():
                if isinstance(node, dict):
                    found = node.get("operationId") or f"{method}_{path.strip('/')}"
                    if found == operation.operation_id and method.upper() == operation.method:
                        return node, item
        return {}, {}

    def _followed(self, node: Any) -> Any:
        for _ in range(10):
            reference = node.get("$ref") if isinstance(node, dict) else None
            if not isinstance(reference, str):
                return node
            node = self._definition
            for step in reference.removeprefix("#/").split("/"):
                node = node.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(node, dict) else None
        return node


@cache
def from_pattern(pattern: str) -> str:
    """A text that a regular expression finds, "" where none was found."""
    quick = settings(database=None, max_examples=20, deadline=None)
    try:
        return str(find(strategies.from_regex(pattern), lambda text: text.strip() != "", settings=quick))
    except Exception:  # noqa: BLE001  a pattern of another dialect is none here
        return ""
