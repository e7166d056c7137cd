"""Content: the bytes of a message as a JSON value, and back.

JSON becomes its value and `text/*` a string; all else becomes an envelope
`{"$content-type": …, "$content": base64}`, to which a form adds `$formdata: [{key, value}]` and a multipart
body `$multipart: [{headers, body}]`. Sending an envelope restores bytes and type (wdl.md §5).
"""

import base64
import binascii
import re
from urllib.parse import parse_qsl

import msgspec

from flowmend.core.errors import ExpressionError
from flowmend.core.json_value import Json

OCTET_STREAM = "application/octet-stream"
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)
_BOUNDARY = re.compile(r";\s*boundary\s*=\s*(?:\"([^\"]+)\"|([^\s;]+))", re.IGNORECASE)
_DEEPEST_PARTS = 5
_encoder = msgspec.json.Encoder(decimal_format="number")


def decode_body(content_type: str | None, data: bytes) -> Json:
    """The value of a body; None where it is empty.

    Errors: ExpressionError, code `InvalidJSON`, where the type says JSON and the bytes do not.
    """
    return _decode(content_type, data, 0)


def encode_body(value: Json) -> tuple[bytes, str | None]:
    """(bytes, content type) of a value to send; the type is None where there is nothing to send."""
    if value is None:
        return b"", None
    if isinstance(value, str):
        return value.encode("utf-8", "replace"), "text/plain; charset=utf-8"
    if isinstance(value, dict):
        if isinstance(value.get("$multipart"), list) and not value.get("$content"):
            return _encode_multipart(value)
        if is_envelope(value):
            return envelope_bytes(value), value["$content-type"]
    return _encoder.encode(value), "application/json; charset=utf-8"


def is_envelope(value: Json) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("$content"), str)
        and isinstance(value.get("$content-type"), str)
    )


def envelope(content_type: str, data: bytes) -> dict[str, Json]:
    return {"$content-type": content_type, "$content": base64.b64encode(data).decode("ascii")}


def envelope_bytes(value: dict[str, Json]) -> bytes:
    """The bytes an envelope holds.

    Errors: ExpressionError where its content is not base64.
    """
    try:
        return base64.b64decode(value["$content"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise ExpressionError("The content of the value is not valid base64.") from error


def media_type(content_type: str | None) -> str:
    """`text/html` of `Text/HTML; charset=utf-8`."""
    return (content_type or "").partition(";")[0].strip().lower()


def is_json_type(content_type: str | None) -> bool:
    bare = media_type(content_type)
    return bare in {"application/json", "text/json"} or bare.endswith("+json")


def _decode(content_type: str | None, data: bytes, depth: int) -> Json:
    if not data:
        return None
    bare = media_type(content_type)
    if is_json_type(content_type):
        return _decode_json(content_type, data)
    if bare.startswith("text/"):
        return _decode_text(content_type, data)
    decoded = envelope(content_type or OCTET_STREAM, data)
    if bare == "application/x-www-form-urlencoded":
        pairs = parse_qsl(data.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=None)
        decoded["$formdata"] = [{"key": key, "value": value} for key, value in pairs]
    elif bare.startswith("multipart/") and depth < _DEEPEST_PARTS:
        parts = _decode_parts(content_type or "", data, depth)
        if parts is not None:
            decoded["$multipart"] = parts
    return decoded


def _decode_json(content_type: str | None, data: bytes) -> Json:
    try:
        return msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        text = _decode_text(content_type, data)
        try:  # JSON in another encoding than UTF-8 is rare but allowed by older services
            return msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            message = f"The content of type '{media_type(content_type)}' is not valid JSON: {error}"
            raise ExpressionError(message, code="InvalidJSON") from error


def _decode_text(content_type: str | None, data: bytes) -> str:
    charset = _CHARSET.search(content_type or "")
    if charset is not None and charset[1].lower() not in {"utf-8", "utf8"}:
        try:
            return data.decode(charset[1], "replace")
        except (LookupError, ValueError):
            pass  # an unknown charset is read as the commonest one
    return data.decode("utf-8-sig", "replace")


def _decode_parts(content_type: str, data: bytes, depth: int) -> list[Json] | None:
    found = _BOUNDARY.search(content_type)
    if found is None:
        return None
    delimiter = b"\r\n--" + (found[1] or found[2]).encode("utf-8")
    pieces = (b"\r\n" + data).split(delimiter)[1:]
    parts: list[Json] = []
    for piece in pieces:
        if piece.startswith(b"--"):
            break
        head, _, body = piece.lstrip(b" \t").removeprefix(b"\r\n").partition(b"\r\n\r\n")
        headers = _part_headers(head)
        part_type = next((value for name, value in headers.items() if name.lower() == "content-type"), None)
        parts.append({"headers": headers, "body": _part_body(part_type, body, depth)})
    return parts


def _part_headers(head: bytes) -> dict[str, str]:
    lines = head.decode("utf-8", "replace").split("\r\n")
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _part_body(content_type: str | None, body: bytes, depth: int) -> Json:
    """Every part is an envelope, so that `$content` can be read from any of them."""
    decoded = _decode(content_type, body, depth + 1) if media_type(content_type).startswith("multipart/") else None
    return decoded if isinstance(decoded, dict) else envelope(content_type or OCTET_STREAM, body)


def _encode_multipart(value: dict[str, Json]) -> tuple[bytes, str]:
    content_type = value.get("$content-type")
    if not isinstance(content_type, str) or not content_type.lower().startswith("multipart/"):
        content_type = "multipart/form-data"
    pieces: list[bytes] = []
    for part in value["$multipart"]:
        headers = dict(part.get("headers") or {}) if isinstance(part, dict) else {}
        body, part_type = encode_body(part.get("body") if isinstance(part, dict) else part)
        if part_type and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = part_type
        head = "".join(f"{name}: {str(text).translate(_NO_LINE_BREAKS)}\r\n" for name, text in headers.items())
        pieces.append(head.encode("utf-8", "replace") + b"\r\n" + body)
    found = _BOUNDARY.search(content_type)
    boundary = (found[1] or found[2]) if found else _free_boundary(pieces)
    if found is None:
        content_type = f'{content_type}; boundary="{boundary}"'
    line = b"--" + boundary.encode("utf-8")
    return b"".join(line + b"\r\n" + piece + b"\r\n" for piece in pieces) + line + b"--\r\n", content_type


_NO_LINE_BREAKS = {ord("\r"): " ", ord("\n"): " "}


def _free_boundary(pieces: list[bytes]) -> str:
    """A boundary that occurs in no part, the same for the same parts: a repeated call sends the same bytes."""
    number = 0
    while any(f"flowmend-{number}".encode() in piece for piece in pieces):
        number += 1
    return f"flowmend-{number}"
