"""Text to timestamps by a given format, as .NET's `ParseExact`."""

import re
from functools import lru_cache

from flowmend.core.expression.cultures import EN_US, Culture
from flowmend.core.expression.dates.patterns import INVARIANT, Part, custom_pattern, parts_of
from flowmend.core.expression.dates.reading import assemble, bare, full_year, words_of
from flowmend.core.expression.dates.timestamp import Timestamp

_LONGEST = 1000
_DIGITS = {"d": "day", "M": "month", "H": "hour", "h": "half_day_hour", "m": "minute", "s": "second"}


def read_exactly(text: str, form: str, local: Culture) -> Timestamp | None:
    """The timestamp of a text that has this format, or None where it has not.

    Errors: ExpressionError for a format that is not valid.
    """
    culture = EN_US if form in INVARIANT else local
    parts = parts_of(custom_pattern(form, local))
    if len(text) > _LONGEST or len(parts) > _LONGEST:
        return None
    match = _expression(parts, culture.name, culture.am, culture.pm, culture.date_separator).fullmatch(text.strip())
    return _assembled({name: value or "" for name, value in match.groupdict().items()}, culture) if match else None


@lru_cache(maxsize=128)
def _expression(parts: tuple[Part, ...], name: str, am: str, pm: str, date_separator: str) -> re.Pattern[str]:
    months, days = words_of(name)
    seen: set[str] = set()

    def field(named: str, pattern: str) -> str:
        if named in seen:
            return f"(?>{pattern})"
        seen.add(named)
        return f"(?P<{named}>(?>{pattern}))"

    def piece(part: Part) -> str:
        count = part.count
        match part.letter:
            case "":
                return re.escape(part.text)
            case "d" | "M" if count > 2:
                names = days if part.letter == "d" else months
                return field("weekday" if part.letter == "d" else "month_name", f"(?>{_any_of(names)})\\.?+")
            case "d" | "M" | "H" | "h" | "m" | "s":
                return field(_DIGITS[part.letter], "[0-9]{1,2}+" if count == 1 else "[0-9]{2}")
            case "y":
                return field("year", "[0-9]{1,2}+" if count <= 2 else f"[0-9]{{{max(count, 4)}}}")
            case "f":
                return field("fraction", f"[0-9]{{{count}}}")
            case "F":
                return field("fraction", f"[0-9]{{0,{count}}}+")
            case "t":
                return field("period", f"{_any_of([am, pm, 'am', 'pm'])}" if count > 1 else "[AaPp]")
            case "K" | "z":
                return field("zone", "Z|[+-][0-9]{1,2}(?::?[0-9]{2})?" + ("|" if part.letter == "K" else ""))
            case "g":
                return r"A\.?D\.?"
            case "/":
                return re.escape(date_separator)
            case _:
                return re.escape(part.letter)

    return re.compile("".join(piece(part) for part in parts), re.IGNORECASE)


def _any_of(names: list[str] | dict[str, int]) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))


def _assembled(found: dict[str, str], culture: Culture) -> Timestamp | None:
    if not found.get("year"):
        return None
    months, _ = words_of(culture.name)
    month = months.get(bare(found.get("month_name", "")), 0) or int(found.get("month") or 1)
    hour = int(found.get("hour") or found.get("half_day_hour") or 0)
    if period := found.get("period", ""):
        is_pm = period.lower() in {culture.pm.lower(), "pm", "p"}
        hour = hour % 12 + (12 if is_pm else 0)
    clock = (hour, int(found.get("minute") or 0), int(found.get("second") or 0), found.get("fraction", ""))
    zone = found.get("zone", "")
    return assemble((full_year(found["year"]), month, int(found.get("day") or 1)), clock, zone.upper() or None)
