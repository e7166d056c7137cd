"""Cultures from Unicode's CLDR, which .NET's own come from too. Loads Babel, so import it on first use only."""

import re

from babel import Locale, UnknownLocaleError
from babel.numbers import get_currency_symbol, get_territory_currencies

from flowmend.core.expression.cultures import Culture, NumberSigns

_NAME = re.compile(r"[a-z]{2,3}([-_][a-z0-9]{2,8})*")
_PIECE = re.compile(r"'(?:[^']|'')*'|([A-Za-z])\1*|.", re.DOTALL)
_LETTERS = {
    "E": "ddd",
    "EEEE": "dddd",
    "c": "ddd",
    "cccc": "dddd",
    "L": "M",
    "LL": "MM",
    "LLL": "MMM",
    "LLLL": "MMMM",
    "a": "tt",
    "y": "yyyy",
    "yy": "yyyy",
    "z": "",
    "zzzz": "",
    "B": "tt",
}


def read_culture(name: str) -> Culture | None:
    """The culture of a lower-case name such as `fr-fr`, or None where there is none."""
    if not _NAME.fullmatch(name):
        return None
    try:
        locale = Locale.parse(name.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return None
    return _culture(name, locale)


def _culture(name: str, locale: Locale) -> Culture:
    short_date = _pattern(locale.date_formats["short"].pattern)
    periods = locale.day_periods["format"]["abbreviated"]
    time_pattern = _pattern(locale.time_formats["medium"].pattern)
    return Culture(
        name=name,
        days=_days(locale, "wide"),
        short_days=_days(locale, "abbreviated"),
        months=_months(locale, "format", "wide"),
        months_alone=_months(locale, "stand-alone", "wide"),
        short_months=_months(locale, "format", "abbreviated"),
        am=periods["am"],
        pm=periods["pm"],
        patterns={
            "d": short_date,
            "D": _pattern(locale.date_formats["full"].pattern),
            "t": _pattern(locale.time_formats["short"].pattern),
            "T": time_pattern,
            "M": _skeleton(locale, "MMMMd", "MMMM d"),
            "Y": _skeleton(locale, "yMMMM", "MMMM yyyy"),
        },
        date_separator=_separator(short_date, "/"),
        time_separator=_separator(time_pattern, ":"),
        order=_order(short_date),
        number=_signs(locale),
    )


def _days(locale: Locale, width: str) -> tuple[str, ...]:
    named = locale.days["format"][width]
    return tuple(named[(index + 6) % 7] for index in range(7))  # CLDR counts from Monday


def _months(locale: Locale, context: str, width: str) -> tuple[str, ...]:
    named = locale.months[context][width]
    return tuple(named[month] for month in range(1, 13))


def _pattern(pattern: str) -> str:
    """A CLDR pattern in .NET's letters; what .NET has no letter for is dropped."""
    pieces = (match[0] for match in _PIECE.finditer(pattern))
    return "".join(_LETTERS.get(piece, piece) for piece in pieces if piece != "G").strip()


def _skeleton(locale: Locale, name: str, otherwise: str) -> str:
    found = locale.datetime_skeletons.get(name)
    return _pattern(found.pattern) if found is not None else otherwise


def _separator(pattern: str, otherwise: str) -> str:
    found = re.search(r"[A-Za-z]([^A-Za-z' ]+) ?[A-Za-z]", pattern)
    return found[1] if found else otherwise


def _order(short_date: str) -> str:
    letters = [letter for letter in short_date if letter in "dMy"]
    return "".join(dict.fromkeys(letters)).upper()


def _signs(locale: Locale) -> NumberSigns:
    symbols = locale.number_symbols.get("latn") or locale.number_symbols
    currencies = get_territory_currencies(locale.territory) if locale.territory else []
    code = currencies[0] if currencies else ""
    symbol = get_currency_symbol(code, locale) if code else "¤"
    pattern = locale.currency_formats["standard"].pattern
    positive, _, negative = pattern.partition(";")
    placed = _with_number(positive, symbol)
    return NumberSigns(
        decimal_sign=symbols.get("decimal", "."),
        group_sign=symbols.get("group", ","),
        negative_sign=symbols.get("minusSign", "-"),
        percent_sign=symbols.get("percentSign", "%"),
        currency_symbol=symbol,
        currency=placed,
        negative_currency=_with_number(negative, symbol) if negative else f"-{placed}",
        percent=_with_number(locale.percent_formats[None].pattern, symbol),
        group_sizes=(3, 2) if "##,##,##" in locale.decimal_formats[None].pattern else (3,),
    )


def _with_number(pattern: str, symbol: str) -> str:
    return re.sub(r"[#0][#0.,]*", "n", pattern.partition(";")[0]).replace("¤", symbol)
