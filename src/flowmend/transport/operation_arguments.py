"""Reads the arguments of an operation, and says no, inside `transport`; `Protocols` makes values of both exceptions."""

from collections.abc import Mapping
from typing import NoReturn

from flowmend.core.connector import ProtocolRefusal, UnbuildableRequest
from flowmend.core.errors import ExpressionError
from flowmend.core.expression.content import encode_body, envelope_bytes, is_envelope
from flowmend.core.json_value import Json


class BadArgument(Exception):
    """The operation cannot be asked for with these arguments; nothing was sent. Stays inside `transport`."""

    def __init__(self, message: str, code: str = "InvalidParameter") -> None:
        super().__init__(message)
        self.request = UnbuildableRequest(code=code, message=message)


class Refused(Exception):
    """The server answered, and it was no. Stays inside `transport`."""

    def __init__(self, refusal: ProtocolRefusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


def refuse(protocol: str, status: int, code: str, text: str) -> NoReturn:
    """Errors: Refused, always. status: what HTTP would say."""
    raise Refused(ProtocolRefusal(text=text, code=code, protocol=protocol, status=status))


def text(arguments: Mapping[str, Json], name: str, default: str = "") -> str:
    """An argument that is one line or more of text; a number counts as its digits. Errors: BadArgument."""
    value = arguments.get(name)
    if value is None:
        return default
    if isinstance(value, bool | dict | list):
        raise BadArgument(f"'{name}' must be a text.")
    return str(value)


def needed_text(arguments: Mapping[str, Json], name: str) -> str:
    """As `text`, not empty. Errors: BadArgument."""
    found = text(arguments, name)
    if not found:
        raise BadArgument(f"'{name}' has no value.", "MissingParameter")
    return found


def number(arguments: Mapping[str, Json], name: str, default: int, *, most: int) -> int:
    """A whole number from 1 to `most`. Errors: BadArgument."""
    value = arguments.get(name)
    if value is None or value == "":
        return default
    try:
        found = int(value)
    except (TypeError, ValueError):
        found = 0
    if isinstance(value, bool) or not 1 <= found <= most:
        raise BadArgument(f"'{name}' must be a whole number from 1 to {most}.")
    return found


def flag(arguments: Mapping[str, Json], name: str, *, default: bool = False) -> bool:
    """A yes or no, also as text. Errors: BadArgument."""
    value = arguments.get(name)
    if value is None or value == "":
        return default
    if isinstance(value, bool):
        return value
    if str(value).lower() in {"true", "false"}:
        return str(value).lower() == "true"
    raise BadArgument(f"'{name}' must be true or false.")


def mapping(arguments: Mapping[str, Json], name: str) -> dict[str, Json]:
    """An object, empty where none is given. Errors: BadArgument."""
    value = arguments.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadArgument(f"'{name}' must be an object.")
    return value


def content(value: Json, name: str) -> tuple[bytes, str]:
    """(bytes, media type) of a content: an envelope's, a text's in UTF-8, or the JSON of anything else.

    Errors: BadArgument.
    """
    try:
        if is_envelope(value):
            return envelope_bytes(value), str(value["$content-type"])
        data, kind = encode_body(value)
    except ExpressionError as error:
        raise BadArgument(f"'{name}': {error.message}") from error
    return data, kind or "application/octet-stream"
