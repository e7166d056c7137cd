"""What a culture is: names, separators and patterns. English (United States) stands here; the rest is CLDR's."""

from dataclasses import dataclass, field, replace
from functools import lru_cache

from flowmend.core.errors import ExpressionError


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberSigns:
    """currency, negative_currency and the percent patterns: `n` is the number, the rest is literal."""

    decimal_sign: str = "."
    group_sign: str = ","
    negative_sign: str = "-"
    percent_sign: str = "%"
    currency_symbol: str = "$"
    currency: str = "$n"
    negative_currency: str = "-$n"
    percent: str = "n%"
    group_sizes: tuple[int, ...] = (3,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Culture:
    """days: from Sunday. months: as they stand after a day (`января`); months_alone: without one (`январь`).

    patterns: {standard format letter: custom format} for d D t T M Y. order: of the numbers in a date.
    """

    name: str
    days: tuple[str, ...]
    short_days: tuple[str, ...]
    months: tuple[str, ...]
    months_alone: tuple[str, ...]
    short_months: tuple[str, ...]
    am: str
    pm: str
    patterns: dict[str, str]
    date_separator: str = "/"
    time_separator: str = ":"
    order: str = "MDY"
    number: NumberSigns = field(default_factory=NumberSigns)


_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")

EN_US = Culture(
    name="en-US",
    days=_DAYS,
    short_days=tuple(day[:3] for day in _DAYS),
    months=_MONTHS,
    months_alone=_MONTHS,
    short_months=tuple(month[:3] for month in _MONTHS),
    am="AM",
    pm="PM",
    patterns={
        "d": "M/d/yyyy",
        "D": "dddd, MMMM d, yyyy",
        "t": "h:mm tt",
        "T": "h:mm:ss tt",
        "M": "MMMM d",
        "Y": "MMMM yyyy",
    },
)


def culture(name: str | None) -> Culture:
    """The culture of that name, any case; None and the empty name are English (United States).

    Errors: ExpressionError for a name no culture has.
    """
    if name is None or not name.strip() or name.strip().lower() == "en-us":
        return EN_US
    return _from_cldr(name.strip().lower())


@lru_cache(maxsize=128)
def _from_cldr(name: str) -> Culture:
    from flowmend.core.expression.cldr import read_culture

    read = read_culture(name)
    if read is None:
        raise ExpressionError(f"The provided locale '{name}' is not valid: it is not a known culture.")
    if name == "en":
        return replace(EN_US, name=name)
    return read
