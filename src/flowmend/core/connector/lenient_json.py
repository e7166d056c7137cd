"""Connector files as they really are: with byte order marks, Windows bytes and trailing commas."""

import json
import re

from flowmend.core.errors import InvalidDocument
from flowmend.core.json_value import Json

#: A whole string, or a comma with nothing but space before a closing bracket; strings first, so that a comma inside stays.
#: A string that nothing ends goes to the end of the text: tried again from each quote in it, it would take hours.
_STRING_OR_TRAILING_COMMA = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|,(?=\s*[}\]])', re.DOTALL)


def parse_lenient_json(content: bytes) -> Json:
    """The value of a JSON file; trailing commas, a byte order mark, raw control characters and cp1252 bytes are borne.

    Errors: InvalidDocument naming line and column.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    try:
        return json.loads(text, strict=False)
    except ValueError:
        pass
    except RecursionError as error:
        raise InvalidDocument("The document is nested too deeply.", code="InvalidJSON") from error
    without = _STRING_OR_TRAILING_COMMA.sub(lambda found: found[0] if found[0] != "," else " ", text)
    try:
        return json.loads(without, strict=False)
    except (json.JSONDecodeError, RecursionError) as error:
        where = f" at line {error.lineno} column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        raise InvalidDocument(f"The document is not valid JSON{where}: {reason}.", code="InvalidJSON") from error
