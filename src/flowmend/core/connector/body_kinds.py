"""A body's bytes, by the media types an operation takes: JSON, form, multipart, XML, text."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from urllib.parse import urlencode

import msgspec

from flowmend.core.connector.draft import text_of
from flowmend.core.connector.xml_bodies import PLAIN_SHAPE, XmlShape, xml_of
from flowmend.core.expression.content import encode_body, is_envelope, is_json_type, media_type
from flowmend.core.json_value import Json

FORM_TYPE = "application/x-www-form-urlencoded"


class BodyKind(StrEnum):
    """What a value that is no text of its own is written as."""

    JSON = "json"
    FORM = "form"
    XML = "xml"
    MULTIPART = "multipart"
    TEXT = "text"


def body_kind(consumes: Sequence[str]) -> BodyKind:
    """JSON wherever it is taken, and where nothing is said; else the first kind that is known."""
    kinds = [_kind_of(one) for one in consumes]
    if not kinds or BodyKind.JSON in kinds:
        return BodyKind.JSON
    return next((kind for kind in kinds if kind is not None), BodyKind.JSON)


def body_of(
    value: Json, consumes: Sequence[str], xml: XmlShape | None = None, name: str = "body"
) -> tuple[bytes, str | None]:
    """(bytes, content type) of a body for an operation that takes these media types.

    Text goes as it stands, and so do the bytes of an envelope. xml, name: how a value becomes XML. Errors: ValueError
    where it cannot; ExpressionError for an envelope that is none.
    """
    if is_envelope(value) or (isinstance(value, dict) and "$multipart" in value):
        return encode_body(value)
    kind = body_kind(consumes)
    preferred = next((one for one in consumes if _kind_of(one) is not BodyKind.MULTIPART), "")
    if isinstance(value, str):
        if is_json_type(preferred):
            return _json_text(value), preferred
        return (value.encode("utf-8", "replace"), preferred) if preferred else encode_body(value)
    written = next((one for one in consumes if _kind_of(one) is kind), "")
    if kind is BodyKind.XML:
        return xml_of(value, xml or PLAIN_SHAPE, name), written
    if kind is BodyKind.FORM and isinstance(value, dict):
        pairs = ((key, one) for key, inner in value.items() for one in (inner if isinstance(inner, list) else [inner]))
        return urlencode([(key, text_of(one)) for key, one in pairs if one is not None]).encode(), written
    if kind is BodyKind.MULTIPART and isinstance(value, dict):
        return multipart_body((key, inner, is_envelope(inner)) for key, inner in value.items() if inner is not None)
    if kind is BodyKind.TEXT:
        return text_of(value).encode(), written
    encoded, content_type = encode_body(value)
    return encoded, written if is_json_type(written) else content_type


def multipart_body(parts: Iterable[tuple[str, Json, bool]]) -> tuple[bytes, str | None]:
    """(bytes, content type) of a form of `(name, value, whether it is a file)`."""
    written = []
    for name, value, is_file in parts:
        quoted = name.replace('"', "%22")
        disposition = f'form-data; name="{quoted}"' + (f'; filename="{quoted}"' if is_file else "")
        body = value if isinstance(value, str) or is_envelope(value) else text_of(value)
        written.append({"headers": {"Content-Disposition": disposition}, "body": body})
    return encode_body({"$content-type": "multipart/form-data", "$multipart": written})


def _kind_of(consumed: str) -> BodyKind | None:
    bare = media_type(consumed)
    if is_json_type(consumed) or bare == "*/*":
        return BodyKind.JSON
    if bare == FORM_TYPE:
        return BodyKind.FORM
    if bare.startswith("multipart/"):
        return BodyKind.MULTIPART
    if bare in {"application/xml", "text/xml"} or bare.endswith("+xml"):
        return BodyKind.XML
    return BodyKind.TEXT if bare.startswith("text/") else None


def _json_text(value: str) -> bytes:
    """A string for a JSON operation: text that is JSON already goes as it stands, other text as a JSON string."""
    try:
        msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return msgspec.json.encode(value)
    return value.encode("utf-8", "replace")
