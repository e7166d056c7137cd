"""XML to JSON and back, by Newtonsoft's rules, and XPath. Loads lxml, so import it on first use.

Attributes are `@name`, text beside attributes `#text`, repeated siblings an array, an empty element null;
all leaves are strings. Document types are refused: they are how XML is made to explode.
"""

import math

from lxml import etree

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.content import envelope
from flowmend.core.expression.conversion.text import number_text
from flowmend.core.json_value import Json

_ELEMENT_TYPE = "application/xml;charset=utf-8"
_DEEPEST = 128
_XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"


def read_xml(function: str, data: bytes) -> "etree._ElementTree":
    """The document, with entities, network and document types off.

    Errors: ExpressionError.
    """
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_blank_text=True,
        strip_cdata=False,
    )
    text = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    try:
        root = etree.fromstring(text, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ExpressionError(
            f"The template language function '{function}' parameter is not valid. The provided value cannot be "
            f"converted to XML: '{error}'. Please see https://aka.ms/logicexpressions#{function} for usage details."
        ) from error
    document = root.getroottree()
    if document.docinfo.doctype:  # type: ignore[union-attr]  # the stubs leave it out
        raise ExpressionError(f"The XML given to '{function}' has a document type, which is not allowed.")
    return document


def xml_to_json(data: bytes) -> dict[str, Json]:
    """`{"?xml": {"@version": …}, root: …}`."""
    document = read_xml("json", data)
    root = document.getroot()
    result: dict[str, Json] = {}
    if data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<?xml"):
        result["?xml"] = _declaration(data)
    result[_name(root)] = _element_value(root, 0)
    return result


def json_to_xml(value: dict[str, Json]) -> bytes:
    """The document of an object with exactly one root, and perhaps a `?xml` declaration.

    Errors: ExpressionError.
    """
    roots = [key for key in value if key != "?xml"]
    if len(roots) != 1 or isinstance(value[roots[0]], list):
        raise ExpressionError(
            "The template language function 'xml' parameter is not valid: an object must have exactly one root "
            "property, and it must not be an array. Please see https://aka.ms/logicexpressions#xml for usage details."
        )
    try:
        root = _make(roots[0], value[roots[0]], {None: ""}, 0)
        body = etree.tostring(root, encoding="unicode")
    except (ValueError, TypeError) as error:
        raise ExpressionError(
            f"The object given to 'xml' has a name or text that XML does not allow: {error}"
        ) from error
    declaration = value.get("?xml")
    head = ""
    if isinstance(declaration, dict):
        pairs = "".join(f' {key.lstrip("@")}="{_escaped(_leaf(item))}"' for key, item in declaration.items())
        head = f"<?xml{pairs}?>"
    return (head + body).encode("utf-8")


def find(data: bytes, path: str) -> Json:
    """What an XPath 1.0 expression finds: an array of nodes, or a string, number or boolean.

    Elements are envelopes, text and attributes strings. Errors: ExpressionError.
    """
    document = read_xml("xpath", data)
    try:
        found = document.xpath(path)
    except (etree.XPathError, ValueError) as error:
        raise ExpressionError(
            f"The template language function 'xpath' parameter '{path[:200]}' is not a valid XPath: '{error}'. "
            "Please see https://aka.ms/logicexpressions#xpath for usage details."
        ) from error
    if isinstance(found, list):
        return [_node(node) for node in found]
    if isinstance(found, float):
        if not math.isfinite(found):
            return number_name(found)
        return int(found) if found.is_integer() and abs(found) < 2**53 else found
    return bool(found) if isinstance(found, bool) else str(found)


def number_name(value: float) -> str:
    """JSON has no such numbers; .NET writes them as text."""
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _node(node: Json) -> Json:
    if isinstance(node, str):
        return str(node)
    if isinstance(node, tuple):  # a namespace node: its prefix and address
        return str(node[1])
    if not isinstance(node.tag, str):
        return str(node.text or "")
    return envelope(_ELEMENT_TYPE, etree.tostring(node, encoding="utf-8", with_tail=False))


def _declaration(data: bytes) -> dict[str, Json]:
    head = data.partition(b"?>")[0].decode("utf-8", "replace")
    pairs = (piece.partition("=") for piece in head.split()[1:] if "=" in piece)
    return {f"@{name}": value.strip("'\"") for name, _, value in pairs}


def _name(element: "etree._Element") -> str:
    local = etree.QName(element).localname
    return f"{element.prefix}:{local}" if element.prefix else local


def _element_value(element: "etree._Element", depth: int) -> Json:
    if depth > _DEEPEST:
        raise ExpressionError(f"The XML is nested deeper than {_DEEPEST} levels.")
    members = _attributes(element)
    texts = [element.text or ""]
    for child in element:
        if isinstance(child.tag, str):
            _add(members, _name(child), _element_value(child, depth + 1))
        texts.append(child.tail or "")
    text = "".join(texts)
    if not members:
        return text or None
    if text.strip():
        _add(members, "#text", text)
    return members


def _attributes(element: "etree._Element") -> dict[str, Json]:
    parent = element.getparent()
    inherited = {} if parent is None else parent.nsmap
    members: dict[str, Json] = {}
    for prefix, address in element.nsmap.items():
        if inherited.get(prefix) != address:
            members[f"@xmlns:{prefix}" if prefix else "@xmlns"] = str(address)
    prefixes = {address: prefix for prefix, address in element.nsmap.items() if prefix}
    for name, value in element.attrib.items():
        qualified = etree.QName(name)
        prefix = "xml" if qualified.namespace == _XML_NAMESPACE else prefixes.get(qualified.namespace or "")
        members[f"@{prefix}:{qualified.localname}" if prefix else f"@{qualified.localname}"] = str(value)
    return members


def _add(members: dict[str, Json], name: str, value: Json) -> None:
    """A second sibling of a name makes an array of both; a value itself is never an array."""
    if name not in members:
        members[name] = value
    elif isinstance(members[name], list):
        members[name].append(value)
    else:
        members[name] = [members[name], value]


def _make(name: str, value: Json, namespaces: dict[str | None, str], depth: int) -> "etree._Element":
    if depth > _DEEPEST:
        raise ExpressionError(f"The value given to 'xml' is nested deeper than {_DEEPEST} levels.")
    declared = dict(namespaces)
    own: dict[str | None, str] = {}
    members = value if isinstance(value, dict) else {}
    for key, item in members.items():
        if key == "@xmlns" or key.startswith("@xmlns:"):
            prefix = key.partition(":")[2] or None
            own[prefix] = declared[prefix] = _leaf(item)
    shown = {prefix: address for prefix, address in own.items() if address}
    element = etree.Element(_qualified(name, declared, is_attribute=False), nsmap=shown or None)  # type: ignore[arg-type]  # the stubs forget the default namespace, None
    if not isinstance(value, dict):
        element.text = _leaf(value) or None
        return element
    for key, item in members.items():
        if key == "#text":
            element.text = _leaf(item)
        elif key == "#cdata-section":
            element.text = etree.CDATA(_leaf(item))
        elif key.startswith("@"):
            if not key.startswith("@xmlns"):
                element.set(_qualified(key[1:], declared, is_attribute=True), _leaf(item))
        else:
            for one in item if isinstance(item, list) else [item]:
                element.append(_make(key, one, declared, depth + 1))
    return element


def _qualified(name: str, namespaces: dict[str | None, str], *, is_attribute: bool) -> str:
    prefix, colon, local = name.partition(":")
    if not colon:
        address = "" if is_attribute else namespaces.get(None, "")
        return f"{{{address}}}{name}" if address else name
    address = _XML_NAMESPACE if prefix == "xml" else namespaces.get(prefix, "")
    if not address:
        raise ExpressionError(f"The object given to 'xml' uses the prefix '{prefix}', which it does not declare.")
    return f"{{{address}}}{local}"


def _leaf(value: Json) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        raise ExpressionError("The object given to 'xml' has a nested value where XML allows only text.")
    return str(value) if isinstance(value, (int, str)) else number_text(value)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
