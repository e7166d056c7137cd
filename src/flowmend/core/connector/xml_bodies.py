"""XML bodies from JSON values, by what a definition says of its XML: names, attributes, namespaces, wrapped lists.

Source: spec.openapis.org/oas/v2.0 (and v3.0), "XML Object". Without hints a property is an element of its own name and a
list repeats the element. lxml is imported on first use: few services take XML.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from flowmend.core.connector.draft import text_of
from flowmend.core.json_value import Json

if TYPE_CHECKING:
    from lxml import etree

_DEEPEST = 12
#: Of one body; a schema that holds itself in several places would otherwise be read a billion times.
_MOST_SHAPES = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class XmlShape:
    """How a value is written. name: "" where the place it stands in gives it. items: of a list."""

    name: str = ""
    namespace: str = ""
    prefix: str = ""
    is_attribute: bool = False
    is_wrapped: bool = False
    properties: Mapping[str, "XmlShape"] = field(default_factory=dict)
    items: "XmlShape | None" = None


PLAIN_SHAPE = XmlShape()


def read_xml_shape(schema: Json, resolved: Callable[[Json], Json]) -> XmlShape:
    """The shape a schema describes. resolved: follows a local `$ref`; a schema that holds itself ends somewhere."""
    return _read(schema, resolved, 0, count())


def _read(schema: Json, resolved: Callable[[Json], Json], depth: int, counted: Iterator[int]) -> XmlShape:
    referred = schema.get("$ref") if isinstance(schema, dict) else None
    node = resolved(schema)
    if not isinstance(node, dict) or depth > _DEEPEST or next(counted) >= _MOST_SHAPES:
        return PLAIN_SHAPE
    hints = node.get("xml")
    hints = hints if isinstance(hints, dict) else {}
    named = referred.rpartition("/")[2] if isinstance(referred, str) and depth == 0 else ""
    properties = node.get("properties")
    return XmlShape(
        name=str(hints.get("name") or named),
        namespace=str(hints.get("namespace") or ""),
        prefix=str(hints.get("prefix") or ""),
        is_attribute=hints.get("attribute") is True,
        is_wrapped=hints.get("wrapped") is True,
        properties={
            name: _read(inner, resolved, depth + 1, counted)
            for name, inner in (properties.items() if isinstance(properties, dict) else ())
        },
        items=_read(node["items"], resolved, depth + 1, counted) if "items" in node else None,
    )


def xml_of(value: Json, shape: XmlShape, name: str) -> bytes:
    """The document of a value. name: of its root where the shape names none. Errors: ValueError for a name or text XML
    cannot hold.
    """
    from lxml import etree

    root = _element(shape, shape.name or name)
    if isinstance(value, list):
        _fill(root, {(shape.items.name if shape.items and shape.items.name else "item"): value}, PLAIN_SHAPE)
    else:
        _fill(root, value, shape)
    return etree.tostring(root, xml_declaration=True, encoding="utf-8")


def _element(shape: XmlShape, name: str) -> "etree._Element":
    from lxml import etree

    if not shape.namespace:
        return etree.Element(name)
    return etree.Element(
        f"{{{shape.namespace}}}{name}", nsmap={shape.prefix: shape.namespace} if shape.prefix else None
    )


def _fill(element: "etree._Element", value: Json, shape: XmlShape) -> None:
    if not isinstance(value, dict):
        element.text = None if value is None else text_of(value)
        return
    for key, inner in value.items():
        one = shape.properties.get(key, PLAIN_SHAPE)
        name = one.name or key
        if one.is_attribute:
            element.set(f"{{{one.namespace}}}{name}" if one.namespace else name, text_of(inner))
        elif not isinstance(inner, list):
            child = _element(one, name)
            _fill(child, inner, one)
            element.append(child)
        else:
            items = one.items or PLAIN_SHAPE
            holder = element
            if one.is_wrapped:
                holder = _element(one, name)
                element.append(holder)
            for item in inner:
                child = _element(items, items.name or name)
                _fill(child, item, items)
                holder.append(child)
