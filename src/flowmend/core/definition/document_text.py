"""The JSON of a file, with the line and column of what is wrong in it."""

import msgspec

from flowmend.core.errors import InvalidDocument
from flowmend.core.json_value import Json

#: No definition comes near; what goes through a document may recurse that far.
DEEPEST_NESTING = 200

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # Windows editors write one
_ZIP = b"PK\x03\x04"


def read_document(content: bytes) -> Json:
    """The JSON value of a file.

    Errors: InvalidDocument `InvalidJSON`, naming line and column; `UnsupportedArchive` for the packages and solutions that
    Power Automate exports.
    """
    if content.startswith(_ZIP):
        raise InvalidDocument(
            "This is a ZIP archive, not a flow's JSON. Unpack it: the flow is the file definition.json of a package, or a "
            "file in the folder Workflows of a solution.",
            code="UnsupportedArchive",
        )
    text = content.removeprefix(_BYTE_ORDER_MARK)
    try:
        return msgspec.json.decode(text)
    except RecursionError as error:
        raise InvalidDocument("The file nests too deep to be read.", code="InvalidJSON") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidDocument(f"The file is not valid JSON: {_reason(text, str(error))}", code="InvalidJSON") from error


def nests_too_deep(document: Json) -> bool:
    """Whether a document nests deeper than `DEEPEST_NESTING`; itself without recursion."""
    level: list[Json] = [document]
    for _ in range(DEEPEST_NESTING + 1):
        if not level:
            return False
        level = [inner for value in level for inner in _inside(value)]
    return bool(level)


def _inside(value: Json) -> list[Json]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def _reason(text: bytes, message: str) -> str:
    # msgspec names a byte; people look for a line and a column.
    reason, _, position = message.partition(" (byte ")
    digits = position.rstrip(")")
    if not digits.isdecimal():
        return f"{message}."
    before = text[: int(digits)]
    return f"{reason} at line {before.count(10) + 1}, column {len(before) - before.rfind(10)}."
