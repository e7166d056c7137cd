"""Text conversion: what a value becomes inside a string.

null is empty, booleans are capitalised, numbers follow .NET's shortest round trip, arrays and objects
become compact JSON, and a content envelope becomes the text it holds. Observed on the live service.
"""

import re
from decimal import Decimal

import msgspec

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.content import envelope_bytes, is_envelope
from flowmend.core.json_value import Json

LONGEST_TEXT = 104_857_600
_FIXED_FROM, _EXPONENT_FROM = Decimal("1e-5"), Decimal("1e17")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_encoder = msgspec.json.Encoder(decimal_format="number")


def to_text(value: Json) -> str:
    """The text of any value.

    Errors: ExpressionError where the text would be longer than `LONGEST_TEXT` or the value is nested too deep.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (float, Decimal)):
        return number_text(value)
    if isinstance(value, dict) and is_envelope(value):
        return envelope_bytes(value).decode("utf-8-sig", "replace")
    return json_text(value)


def json_text(value: Json) -> str:
    """Compact JSON, of at most `LONGEST_TEXT` characters."""
    if weigh(value, LONGEST_TEXT) > LONGEST_TEXT:
        raise too_long()
    try:
        return _encoder.encode(value).decode()
    except RecursionError:
        raise ExpressionError(
            "The value is nested too deep to become text.", code="ExpressionEvaluationFailed"
        ) from None
    except UnicodeEncodeError:
        return _encoder.encode(_cleaned(value)).decode()


def number_text(value: float | Decimal) -> str:
    """`.` separated; exponent form (`1E+21`, `1E-06`) below 1e-5 and from 1e17 on; a decimal keeps its digits."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    exact = Decimal(repr(value))
    if exact == 0 or _FIXED_FROM <= abs(exact) < _EXPONENT_FROM:
        digits = f"{exact:f}"
        return digits.rstrip("0").removesuffix(".") if "." in digits else digits
    mantissa, _, exponent = f"{exact.normalize():E}".partition("E")
    return f"{mantissa}E{exponent[0]}{exponent[1:]:0>2}"


def weigh(value: Json, limit: int) -> int:
    """About how many characters the JSON of a value has; counting stops soon after `limit`.

    Values share their parts, so a small one in memory may be huge when written.
    """
    weight = 0
    waiting: list[Json] = [value]
    while waiting and weight <= limit:
        part = waiting.pop()
        if isinstance(part, str):
            weight += len(part) + 2
        elif isinstance(part, list):
            weight += len(part) + 1
            waiting.extend(part)
        elif isinstance(part, dict):
            weight += sum(map(len, part)) + 4 * len(part) + 1
            waiting.extend(part.values())
        else:
            weight += 4
    return weight


def without_lone_surrogates(text: str) -> str:
    """Half a character, which no encoding can carry, becomes U+FFFD."""
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)


def too_long() -> ExpressionError:
    return ExpressionError(
        f"The result of an expression is longer than the limit of {LONGEST_TEXT} characters.",
        code="ExpressionEvaluationFailed",
    )


def _cleaned(value: Json) -> Json:
    if isinstance(value, str):
        return without_lone_surrogates(value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {without_lone_surrogates(key): _cleaned(item) for key, item in value.items()}
    return value
