"""Values of SQL as JSON, and back.

| in the database | as JSON |
|---|---|
| whole numbers, booleans, texts, null | as they are |
| numeric, decimal | a number where that is exact, else its digits as text |
| real, double precision | a number; NaN and the infinities as text |
| timestamp with time zone | ISO 8601 in UTC, `2026-03-01T08:00:00Z` |
| timestamp, date, time | ISO 8601 as it stands, without a zone |
| interval | ISO 8601 duration, `P1DT2H` |
| bytea, blob | a content: `{"$content-type": "application/octet-stream", "$content": base64}` |
| json, jsonb | the value itself |
| arrays | lists |
| uuid and all else | its text |
"""

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from flowmend.core.expression.content import OCTET_STREAM, envelope, is_envelope
from flowmend.core.json_value import Json
from flowmend.transport.operation_arguments import BadArgument, content


def json_of(value: Any) -> Json:
    """A column's value as JSON."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Decimal):
        near = float(value) if value.is_finite() else math.nan
        return near if math.isfinite(near) and Decimal(repr(near)) == value else str(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return value.isoformat()
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(msgspec.to_builtins(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return envelope(OCTET_STREAM, bytes(value))
    if isinstance(value, list | tuple) and not hasattr(value, "keys"):
        return [json_of(one) for one in value]
    if isinstance(value, Mapping) or hasattr(value, "keys"):
        return {str(name): json_of(value[name]) for name in value.keys()}  # noqa: SIM118  a record is no mapping
    return str(value)


def text_of_json(value: Json, name: str) -> str | None:
    """A value as the text that the database reads it from: bytes in hexadecimal, objects and lists as JSON.

    Errors: BadArgument.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if is_envelope(value):
        return "\\x" + content(value, name)[0].hex()
    if isinstance(value, dict | list):
        return msgspec.json.encode(value).decode()
    return str(value)


def moment_of(value: Json, name: str) -> datetime:
    """Errors: BadArgument where the value is no ISO 8601 time."""
    try:
        return datetime.fromisoformat(str(value))
    except ValueError as error:
        raise BadArgument(f"'{name}' must be a date and time such as 2026-03-01T08:00:00Z.") from error
