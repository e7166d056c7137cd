"""Numbers to text, by .NET's numeric formats.

Standard formats round half to even on 17 significant digits, custom ones half away from zero; observed.
Source: learn.microsoft.com/dotnet/standard/base-types/standard-numeric-format-strings
"""

import re
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.conversion.kinds import Number
from flowmend.core.expression.conversion.text import number_text
from flowmend.core.expression.cultures import Culture, NumberSigns

_STANDARD = re.compile(r"([A-Za-z])([0-9]{0,3})")
_WIDE = Context(prec=1200)
_PIECE = re.compile(r"'([^']*)'|\"([^\"]*)\"|\\(.)|([eE][+-]?0+)|([0#.,%‰])|(.)", re.DOTALL)


def format_number(value: Number, form: str, culture: Culture) -> str:
    """Errors: ExpressionError for a format that is not valid or does not suit the number."""
    standard = _STANDARD.fullmatch(form)
    if standard is None:
        return _custom(_exact(value), form, culture.number) if form else number_text_of(value)
    digits = int(standard[2]) if standard[2] else None
    letter = standard[1].upper()
    signs = culture.number
    if letter in "NFCP":
        return _fixed(_exact(value), letter, 2 if digits is None else digits, signs)
    if letter == "D":
        return _whole(value, form, digits or 0, signs)
    if letter == "X":
        return _hexadecimal(value, form, digits or 0)
    if letter == "E":
        return _scientific(_exact(value), standard[1], 6 if digits is None else digits, signs)
    if letter in "GR":
        return _general(value, letter, digits or 0, signs)
    raise _invalid(form)


def number_text_of(value: Number) -> str:
    return str(value) if isinstance(value, int) else number_text(value)


def _exact(value: Number) -> Decimal:
    """The decimal of a number; of a float its shortest form, which has at most 17 digits."""
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def _rounded(value: Decimal, digits: int, rounding: str) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-digits), rounding=rounding, context=_WIDE)


def _grouped(whole: str, signs: NumberSigns) -> str:
    pieces: list[str] = []
    sizes = list(signs.group_sizes)
    size = sizes.pop(0)
    while len(whole) > size:
        whole, piece = whole[:-size], whole[-size:]
        pieces.insert(0, piece)
        size = sizes.pop(0) if sizes else size
    return signs.group_sign.join([whole, *pieces])


def _fixed(value: Decimal, letter: str, digits: int, signs: NumberSigns) -> str:
    if letter == "P":
        value = value.scaleb(2, context=_WIDE)
    rounded = _rounded(value, digits, ROUND_HALF_EVEN)
    whole, _, fraction = f"{abs(rounded):f}".partition(".")
    if letter != "F":
        whole = _grouped(whole, signs)
    text = f"{whole}{signs.decimal_sign}{fraction}" if fraction else whole
    is_negative = rounded < 0
    if letter == "C":
        return (signs.negative_currency if is_negative else signs.currency).replace("n", text, 1)
    if letter == "P":
        text = signs.percent.replace("n", text, 1)
    return f"{signs.negative_sign}{text}" if is_negative else text


def _whole(value: Number, form: str, digits: int, signs: NumberSigns) -> str:
    if value != int(value):
        raise _invalid(form)
    return f"{signs.negative_sign if value < 0 else ''}{abs(int(value)):0{digits}d}"


def _hexadecimal(value: Number, form: str, digits: int) -> str:
    if value != int(value):
        raise _invalid(form)
    text = f"{int(value) % 2**64:0{digits}X}"
    return text if form[0] == "X" else text.lower()


def _scientific(value: Decimal, letter: str, digits: int, signs: NumberSigns) -> str:
    if value == 0:
        mantissa, power = Decimal(0), 0
    else:
        power = value.adjusted()
        mantissa = _rounded(value.scaleb(-power, context=_WIDE), digits, ROUND_HALF_EVEN)
        if abs(mantissa) >= 10:
            power += 1
            mantissa = _rounded(mantissa.scaleb(-1, context=_WIDE), digits, ROUND_HALF_EVEN)
    text = f"{abs(_rounded(mantissa, digits, ROUND_HALF_EVEN)):f}".replace(".", signs.decimal_sign)
    sign = signs.negative_sign if value < 0 else ""
    return f"{sign}{text}{letter}{'-' if power < 0 else '+'}{abs(power):03d}"


def _general(value: Number, letter: str, digits: int, signs: NumberSigns) -> str:
    if letter == "R" or digits == 0:
        return number_text_of(value).replace(".", signs.decimal_sign).replace("-", signs.negative_sign, 1)
    rounded = Context(prec=digits, rounding=ROUND_HALF_EVEN).plus(_exact(value)).normalize()
    if rounded and not -5 < rounded.adjusted() < digits:
        mantissa = f"{rounded.scaleb(-rounded.adjusted()):f}"
        power = rounded.adjusted()
        return f"{mantissa}E{'-' if power < 0 else '+'}{abs(power):02d}".replace(".", signs.decimal_sign)
    return f"{rounded:f}".replace(".", signs.decimal_sign)


def _custom(value: Decimal, form: str, signs: NumberSigns) -> str:
    sections = _sections(form)
    section = sections[0]
    is_own_negative = value < 0 and len(sections) > 1 and bool(sections[1])
    if is_own_negative:
        section = sections[1]
    pieces = _pieces(section)
    text, is_zero = _laid_out(abs(value), pieces, signs)
    if is_zero and len(sections) > 2 and sections[2]:
        return _laid_out(Decimal(0), _pieces(sections[2]), signs)[0]
    return f"{signs.negative_sign}{text}" if value < 0 and not is_own_negative and not is_zero else text


def _sections(form: str) -> list[str]:
    sections = [""]
    for match in _PIECE.finditer(form):
        if match[0] == ";":
            sections.append("")
        else:
            sections[-1] += match[0]
    if len(sections) > 3:
        raise _invalid(form)
    return sections


def _pieces(section: str) -> list[tuple[str, str]]:
    """(sign, text): the sign one of `0 # . , % ‰ e`, or "" for literal text."""
    pieces: list[tuple[str, str]] = []
    for match in _PIECE.finditer(section):
        single, double, escaped, exponent, sign, other = match.groups()
        if exponent:
            pieces.append(("e", exponent))
        elif sign:
            pieces.append((sign, sign))
        else:
            pieces.append(("", next(text for text in (single, double, escaped, other) if text is not None)))
    return pieces


def _laid_out(value: Decimal, pieces: list[tuple[str, str]], signs: NumberSigns) -> tuple[str, bool]:
    """(the text of a number that is not negative, whether it came to zero)."""
    kinds = [kind for kind, _ in pieces]
    point = kinds.index(".") if "." in kinds else len(kinds)
    places = [index for index, kind in enumerate(kinds) if kind and kind in "0#"]
    whole_places = [index for index in places if index < point]
    fraction_places = [index for index in places if index > point]
    scaling, has_groups = _commas(kinds, whole_places, point)
    value = value.scaleb(2 * kinds.count("%") + 3 * kinds.count("‰") - 3 * scaling, context=_WIDE)
    power = 0
    if "e" in kinds and value:
        power = value.adjusted() - max(len(whole_places) - 1, 0)
        value = value.scaleb(-power, context=_WIDE)
    rounded = _rounded(value, len(fraction_places), ROUND_HALF_UP)
    whole, _, fraction = f"{rounded:f}".partition(".")
    zeros = [index for index in whole_places if kinds[index] == "0"]
    least = len(whole_places) - whole_places.index(zeros[0]) if zeros else 0
    whole = whole.lstrip("0").rjust(least, "0")
    last_zero = max((at for at, index in enumerate(fraction_places) if kinds[index] == "0"), default=-1)
    kept = fraction.rstrip("0") if len(fraction.rstrip("0")) > last_zero + 1 else fraction[: last_zero + 1]
    written: list[str] = []
    shown = _whole_digits(whole, len(whole_places), signs if has_groups else None)
    for index, (kind, text) in enumerate(pieces):
        if kind in {"0", "#"} and kind:
            if index < point:
                written.append(shown.pop(0) if shown else "")
            else:
                at = fraction_places.index(index)
                written.append(kept[at] if at < len(kept) else "")
        elif kind == ".":
            if not whole_places:
                written.extend(shown)
            written.append(signs.decimal_sign if kept and index == point else "")
        elif kind == "e":
            written.append(_exponent(text, power))
        elif kind == "%":
            written.append(signs.percent_sign)
        elif kind != ",":
            written.append(text)
    return "".join(written), rounded == 0


def _commas(kinds: list[str], whole_places: list[int], point: int) -> tuple[int, bool]:
    """(how many thousands to divide by, whether digits are grouped): commas after the last place, or between."""
    if not whole_places:
        return 0, False
    scaling = sum(1 for index in range(whole_places[-1] + 1, point) if kinds[index] == ",")
    has_groups = any(kinds[index] == "," for index in range(whole_places[0], whole_places[-1]))
    return scaling, has_groups


def _whole_digits(whole: str, places: int, signs: NumberSigns | None) -> list[str]:
    """What each place of the whole part shows; the first takes all digits for which there is no place."""
    shown = [""] * max(places - len(whole), 0)
    surplus = max(len(whole) - places, 0)
    for at, digit in enumerate(whole):
        rest = len(whole) - at - 1
        text = digit + (signs.group_sign if signs is not None and rest and rest % 3 == 0 else "")
        if at and at <= surplus:
            shown[-1] += text
        else:
            shown.append(text)
    return shown


def _exponent(text: str, power: int) -> str:
    sign = "-" if power < 0 else ("+" if "+" in text else "")
    return f"{text[0]}{sign}{abs(power):0{text.count('0')}d}"


def _invalid(form: str) -> ExpressionError:
    return ExpressionError(f"The format '{form[:200]}' is not valid for this number.")
