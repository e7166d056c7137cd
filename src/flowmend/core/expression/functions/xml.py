"""XML functions. The XML library is loaded on first use."""

import re

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.content import envelope, envelope_bytes, is_envelope
from flowmend.core.expression.conversion.kinds import kind_name
from flowmend.core.expression.conversion.text import to_text
from flowmend.core.expression.functions.function import Takes, pure, wrong_argument
from flowmend.core.json_value import Json

_XML_TYPE = "application/xml;charset=utf-8"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ENTITIES = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_ENTITY = re.compile(r"&(?:(lt|gt|amp|quot|apos)|#([0-9]{1,7})|#x([0-9A-Fa-f]{1,6}));")
_ENCODED = re.compile(r"_x([0-9A-Fa-f]{4}|[0-9A-Fa-f]{8})_")
_NAME_START = re.compile(r"[A-Za-z_\u00c0-\ud7ff\ue000-\ufffd\U00010000-\U000effff]")
_NAME_PART = re.compile(r"[-.0-9A-Za-z_\u00b7\u00c0-\ud7ff\ue000-\ufffd\U00010000-\U000effff]")


def _xml(value: Json) -> Json:
    from flowmend.core.expression.conversion import xml_json

    if isinstance(value, str):
        data = value.encode("utf-8", "replace")
        xml_json.read_xml("xml", data)
        return envelope(_XML_TYPE, data)
    if is_envelope(value):
        data = envelope_bytes(value)
        xml_json.read_xml("xml", data)
        return envelope(value["$content-type"] if "xml" in value["$content-type"] else _XML_TYPE, data)
    if isinstance(value, dict):
        return envelope(_XML_TYPE, xml_json.json_to_xml(value))
    raise wrong_argument("xml", 0, f"to be a string or an object. The provided value is of type '{kind_name(value)}'")


def _xpath(document: Json, path: str) -> Json:
    from flowmend.core.expression.conversion.xml_json import find

    if not isinstance(document, (str, dict)) or (isinstance(document, dict) and not is_envelope(document)):
        raise wrong_argument("xpath", 0, f"to be an XML. The provided value is of type '{kind_name(document)}'")
    data = envelope_bytes(document) if isinstance(document, dict) else to_text(document).encode("utf-8", "replace")
    return find(data, path)


def _encode_value(text: str) -> str:
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&apos;")):
        text = text.replace(sign, entity)
    return _NOT_XML.sub("", text)


def _decode_value(text: str) -> str:
    def decoded(match: re.Match[str]) -> str:
        name, decimal, hexadecimal = match.groups()
        if name:
            return _ENTITIES[name]
        code = int(decimal) if decimal else int(hexadecimal, 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise ExpressionError(f"The character reference '{match[0]}' names no character.")
        return chr(code)

    return _ENTITY.sub(decoded, text)


def _encode_name(text: str) -> str:
    def encoded(at: int, character: str) -> str:
        pattern = _NAME_PART if at else _NAME_START
        is_escape_like = character == "_" and _ENCODED.match(text, at) is not None
        if pattern.match(character) and not is_escape_like:
            return character
        return f"_x{ord(character):04X}_" if ord(character) <= 0xFFFF else f"_x{ord(character):08X}_"

    return "".join(encoded(at, character) for at, character in enumerate(text))


def _decode_name(text: str) -> str:
    def decoded(match: re.Match[str]) -> str:
        code = int(match[1], 16)
        return chr(code) if code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF else match[0]

    return _ENCODED.sub(decoded, text)


FUNCTIONS = (
    pure("xml", _xml, Takes.NOT_NULL, grows=True),
    pure("xpath", _xpath, Takes.NOT_NULL, Takes.STRING, grows=True),
    pure("encodeXmlValue", _encode_value, Takes.STRING),
    pure("decodeXmlValue", _decode_value, Takes.STRING),
    pure("encodeXmlName", _encode_name, Takes.STRING),
    pure("decodeXmlName", _decode_name, Takes.STRING),
)
