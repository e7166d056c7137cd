"""A parameter's value as a field shows it and takes it back."""

import json

from flowmend.core.json_value import Json


def shown_value(value: Json) -> str:
    """Text as it is, anything else as JSON; "" for nothing."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
