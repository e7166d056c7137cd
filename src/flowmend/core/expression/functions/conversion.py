"""Conversion functions, except those for XML."""

import base64
import binascii
from decimal import Decimal
from urllib.parse import quote, unquote_plus, unquote_to_bytes

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.content import (
    OCTET_STREAM,
    decode_body,
    envelope,
    envelope_bytes,
    is_envelope,
    is_json_type,
    media_type,
)
from flowmend.core.expression.conversion.numerals import (
    LARGEST_INTEGER,
    SMALLEST_INTEGER,
    read_decimal,
    read_float,
    read_integer,
)
from flowmend.core.expression.conversion.reading_json import read_json
from flowmend.core.expression.conversion.text import to_text
from flowmend.core.expression.functions.function import Takes, not_convertible, pure, wrong_argument, wrong_kind
from flowmend.core.json_value import Json

_PLAIN_TEXT = "text/plain;charset=US-ASCII"


def _int(value: Json) -> int:
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        read = read_integer(value)
        if read is not None:
            return read
    elif isinstance(value, (float, Decimal)) and value == int(value) and SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        return int(value)
    raise not_convertible("int")


def _float(value: Json, locale: str | None = None) -> float:
    if isinstance(value, str):
        read = _read_float(value, locale)
        if read is None:
            raise not_convertible("float")
        return read
    try:
        return float(value)
    except OverflowError as error:
        raise not_convertible("float") from error


def _read_float(text: str, locale: str | None) -> float | None:
    if locale is None:
        return read_float(text)
    from flowmend.core.expression.cultures import culture

    signs = culture(locale).number
    return read_float(text, signs.decimal_sign, signs.group_sign)


def _decimal(value: Json) -> Decimal:
    read = read_decimal(str(value))
    if read is None:
        raise not_convertible("decimal")
    return read


def _bool(value: Json) -> bool:
    if isinstance(value, str):
        if value.strip().lower() in {"true", "false"}:
            return value.strip().lower() == "true"
    elif isinstance(value, (int, float, Decimal)):
        return bool(value)
    raise not_convertible("bool")


def _json(value: Json) -> Json:
    if value is None:
        raise ExpressionError(
            "The template language function 'json' expects its parameter to be a string or an XML. The provided value "
            "is of type 'Null'. Please see https://aka.ms/logicexpressions#json for usage details."
        )
    if isinstance(value, str):
        return _parsed(value)
    if not is_envelope(value):
        return value
    if "xml" in media_type(value["$content-type"]):
        from flowmend.core.expression.conversion.xml_json import xml_to_json

        return xml_to_json(envelope_bytes(value))
    return _parsed(to_text(value))


def _parsed(text: str) -> Json:
    try:
        return read_json(text)
    except ExpressionError as error:
        raise ExpressionError(
            "The template language function 'json' parameter is not valid. The provided value "
            f"'{text[:200]}' cannot be parsed: {error.message} "
            "Please see https://aka.ms/logicexpressions#json for usage details."
        ) from error


def _bytes_of(name: str, value: Json) -> bytes:
    """The bytes a string or an envelope stands for."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    if is_envelope(value):
        return envelope_bytes(value)
    raise wrong_kind(name, 0, Takes.STRING, value)


def _base64(value: Json) -> str:
    return base64.b64encode(_bytes_of("base64", value)).decode("ascii")


def _decoded(name: str, text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise wrong_argument(name, 0, "to be a valid base64 string. The provided value cannot be decoded") from error


def _base64_to_string(text: str) -> str:
    return _decoded("base64ToString", text).decode("utf-8", "replace")


def _base64_to_binary(text: str) -> Json:
    return envelope(OCTET_STREAM, _decoded("base64ToBinary", text))


def _binary(value: Json) -> Json:
    if value is None:
        raise wrong_kind("binary", 0, Takes.NOT_NULL, value)
    data = envelope_bytes(value) if is_envelope(value) else to_text(value).encode("utf-8", "replace")
    return envelope(OCTET_STREAM, data)


def _data_uri(value: Json) -> str:
    content_type = value["$content-type"] if is_envelope(value) else "text/plain;charset=utf-8"
    return f"data:{content_type};base64,{base64.b64encode(_bytes_of('dataUri', value)).decode('ascii')}"


def _data_uri_parts(name: str, text: str) -> tuple[str, bytes]:
    scheme, colon, rest = text.partition(":")
    head, comma, content = rest.partition(",")
    if scheme.strip().lower() != "data" or not colon or not comma:
        raise wrong_argument(name, 0, "to be a valid data URI. The provided value is not one")
    data = unquote_to_bytes(content.encode("utf-8", "replace"))
    content_type, _, encoding = head.rpartition(";")
    if encoding.strip().lower() == "base64":
        return content_type or _PLAIN_TEXT, _decoded(name, data.decode("latin-1"))
    return head or _PLAIN_TEXT, data


def _data_uri_to_string(text: str) -> str:
    return _data_uri_parts("dataUriToString", text)[1].decode("utf-8", "replace")


def _data_uri_to_binary(text: str) -> Json:
    return envelope(*_data_uri_parts("dataUriToBinary", text))


def _decode_data_uri(text: str) -> Json:
    content_type, data = _data_uri_parts("decodeDataUri", text)
    if media_type(content_type).startswith("text/"):
        return data.decode("utf-8", "replace")
    return decode_body(content_type, data) if is_json_type(content_type) else envelope(content_type, data)


def _uri_component(*texts: str) -> str:
    """One text; several, as widely used flows have them, are encoded as one."""
    return quote("".join(texts), safe="~", errors="replace")


def _uri_component_to_binary(text: str) -> Json:
    return envelope(OCTET_STREAM, unquote_plus(text).encode("utf-8", "replace"))


_TEXT, _ANY = Takes.STRING, Takes.ANYTHING

FUNCTIONS = (
    pure("int", _int, _ANY),
    pure("float", _float, Takes.STRING_OR_NUMBER, _TEXT, least=1),
    pure("decimal", _decimal, Takes.STRING_OR_NUMBER),
    pure("bool", _bool, _ANY),
    pure("isInt", lambda text: read_integer(text) is not None, _TEXT),
    pure("isFloat", lambda text, locale=None: _read_float(text, locale) is not None, _TEXT, _TEXT, least=1),
    pure("string", to_text, _ANY, grows=True),
    pure("json", _json, _ANY, grows=True),
    pure("base64", _base64, _ANY, grows=True),
    pure("base64ToString", _base64_to_string, _TEXT),
    pure("decodeBase64", _base64_to_string, _TEXT),
    pure("base64ToBinary", _base64_to_binary, _TEXT),
    pure("binary", _binary, _ANY, grows=True),
    pure("dataUri", _data_uri, _ANY, grows=True),
    pure("dataUriToString", _data_uri_to_string, _TEXT),
    pure("dataUriToBinary", _data_uri_to_binary, _TEXT),
    pure("decodeDataUri", _decode_data_uri, _TEXT),
    pure("uriComponent", _uri_component, _TEXT, repeats=True, grows=True),
    pure("encodeUriComponent", _uri_component, _TEXT, repeats=True, grows=True),
    pure("uriComponentToString", unquote_plus, _TEXT),
    pure("decodeUriComponent", unquote_plus, _TEXT),
    pure("uriComponentToBinary", _uri_component_to_binary, _TEXT),
)
