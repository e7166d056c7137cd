"""`formatNumber`."""

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.conversion.kinds import Number
from flowmend.core.expression.cultures import culture
from flowmend.core.expression.functions.function import Takes, pure
from flowmend.core.expression.numbers import format_number

_LONGEST_FORMAT = 1000


def _format(value: Number, form: str, locale: str | None = None) -> str:
    if len(form) > _LONGEST_FORMAT:
        raise ExpressionError(f"The format of formatNumber is longer than {_LONGEST_FORMAT} characters.")
    return format_number(value, form, culture(locale))


FUNCTIONS = (pure("formatNumber", _format, Takes.NUMBER, Takes.STRING, Takes.STRING, least=2),)
