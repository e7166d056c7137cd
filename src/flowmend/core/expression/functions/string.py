"""String functions. Positions count UTF-16 code units; searches ignore case, except `contains`, `replace` and `split`."""

from collections.abc import Sequence
from uuid import UUID

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.conversion.text import LONGEST_TEXT, to_text, too_long
from flowmend.core.expression.conversion.utf16 import cut, lower, unit_index, units_in, upper
from flowmend.core.expression.functions.function import Function, Kind, Takes, pure, wrong_argument
from flowmend.core.expression.scope import Scope
from flowmend.core.json_value import Json


def _concat(*values: Json) -> str:
    return joined("", values)


def joined(separator: str, values: Sequence[Json]) -> str:
    """The texts of all values with a separator between them, refused before it grows too long."""
    texts = [to_text(value) for value in values]
    if sum(map(len, texts)) + len(separator) * max(len(texts) - 1, 0) > LONGEST_TEXT:
        raise too_long()
    return separator.join(texts)


def _join(values: list[Json], separator: Json) -> str:
    return joined(to_text(separator), values)


def _substring(text: str, start: int, length: int | None = None) -> str:
    size = units_in(text)
    if not 0 <= start < size:
        raise ExpressionError(
            "The template language function 'substring' parameters are out of range: 'start index' must be a "
            f"non-negative integer and must be less than the length of the string. The start index is '{start}' and "
            f"the length of the string is '{size}'. "
            "Please see https://aka.ms/logicexpressions#substring for usage details."
        )
    if length is None:
        return cut(text, start, size)
    if length < 0 or start + length > size:
        raise ExpressionError(
            "The template language function 'substring' parameters are out of range: 'length' must be a non-negative "
            "integer and the sum of 'start index' and 'length' must not exceed the length of the string. The start "
            f"index is '{start}', the length is '{length}' and the length of the string is '{size}'. "
            "Please see https://aka.ms/logicexpressions#substring for usage details."
        )
    return cut(text, start, start + length)


def _slice(text: str, start: int, end: int | None = None) -> str:
    size = units_in(text)
    first = min(max(start + size if start < 0 else start, 0), size)
    last = size if end is None else min(max(end + size if end < 0 else end, 0), size)
    return cut(text, first, last) if first < last else ""


def _replace(text: str, old: str, new: str) -> str:
    if not old:
        raise wrong_argument("replace", 1, "to be a string that is not empty. The provided value is ''")
    if len(new) > len(old) and len(text) + text.count(old) * (len(new) - len(old)) > LONGEST_TEXT:
        raise too_long()
    return text.replace(old, new)


def _split(text: str, delimiter: str) -> list[str]:
    return text.split(delimiter) if delimiter else [text]


def _index_of(text: str, sought: str) -> int:
    return unit_index(text, lower(text).find(lower(sought)))


def _last_index_of(text: str, sought: str) -> int:
    if not sought:
        return max(units_in(text) - 1, 0)
    return unit_index(text, lower(text).rfind(lower(sought)))


def _nth_index_of(text: str, sought: str, occurrence: int) -> int:
    if not sought or occurrence == 0:
        return -1
    searched, wanted = lower(text), lower(sought)
    if abs(occurrence) > len(searched):
        return -1
    position = -1 if occurrence > 0 else len(searched)
    for _ in range(abs(occurrence)):
        if occurrence > 0:
            position = searched.find(wanted, position + 1)
        else:
            position = searched.rfind(wanted, 0, position + len(wanted) - 1) if position >= 0 else -1
        if position < 0:
            return -1
    return unit_index(text, position)


def _starts_with(text: str, sought: str) -> bool:
    return lower(text).startswith(lower(sought))


def _ends_with(text: str, sought: str) -> bool:
    return lower(text).endswith(lower(sought))


def _length(value: str | list[Json]) -> int:
    return units_in(value) if isinstance(value, str) else len(value)


def _guid(scope: Scope, form: str = "D") -> str:
    value = scope.guid()
    match form.upper():
        case "D" | "":
            return str(value)
        case "N":
            return value.hex
        case "B":
            return "{" + str(value) + "}"
        case "P":
            return f"({value})"
        case "X":
            return _hexadecimal(value)
        case _:
            raise wrong_argument("guid", 0, f"to be one of 'N', 'D', 'B', 'P' and 'X'. The provided value is '{form}'")


def _hexadecimal(value: UUID) -> str:
    digits = value.hex
    tail = ",".join(f"0x{digits[at : at + 2]}" for at in range(16, 32, 2))
    return f"{{0x{digits[:8]},0x{digits[8:12]},0x{digits[12:16]},{{{tail}}}}}"


_TEXT, _INTEGER, _ANY = Takes.STRING, Takes.INTEGER, Takes.ANYTHING

FUNCTIONS = (
    pure("concat", _concat, _ANY, repeats=True, grows=True),
    pure("join", _join, Takes.ARRAY, _ANY, grows=True),
    pure("substring", _substring, _TEXT, _INTEGER, _INTEGER, least=2),
    pure("slice", _slice, _TEXT, _INTEGER, _INTEGER, least=2),
    pure("replace", _replace, _TEXT, _TEXT, _TEXT, grows=True),
    pure("toLower", lower, _TEXT),
    pure("toUpper", upper, _TEXT),
    pure("trim", str.strip, _TEXT),
    pure("split", _split, _TEXT, _TEXT, grows=True),
    pure("indexOf", _index_of, _TEXT, _TEXT),
    pure("lastIndexOf", _last_index_of, _TEXT, _TEXT),
    pure("nthIndexOf", _nth_index_of, _TEXT, _TEXT, _INTEGER),
    pure("startsWith", _starts_with, _TEXT, _TEXT),
    pure("endsWith", _ends_with, _TEXT, _TEXT),
    pure("length", _length, Takes.STRING_OR_ARRAY),
    pure("utf8Length", lambda text: len(text.encode("utf-8", "replace")), _TEXT),
    pure("utf16Length", units_in, _TEXT),
    pure("trimByteOrderMark", lambda text: text.removeprefix("\ufeff"), _TEXT),
    Function(name="guid", implementation=_guid, takes=(_TEXT,), least=0, most=1, kind=Kind.SCOPED),
)
