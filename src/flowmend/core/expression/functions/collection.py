"""Collection functions, on arrays, objects and, where told, strings."""

from typing import NoReturn

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.conversion.kinds import are_equal, identity, is_number, kind_name
from flowmend.core.expression.conversion.utf16 import cut, lower, units_in
from flowmend.core.expression.functions.function import Takes, pure, wrong_argument, wrong_kind
from flowmend.core.json_value import Json


def _contains(collection: Json, sought: Json) -> bool:
    if isinstance(collection, list):
        return any(are_equal(item, sought) for item in collection)
    if not isinstance(sought, str):
        raise wrong_kind("contains", 1, Takes.STRING, sought)
    if isinstance(collection, str):
        return sought in collection
    return sought in collection or lower(sought) in map(lower, collection)


def _first(value: str | list[Json]) -> Json:
    if not value:
        return None
    return cut(value, 0, 1) if isinstance(value, str) else value[0]


def _last(value: str | list[Json]) -> Json:
    if not value:
        return None
    if isinstance(value, str):
        size = units_in(value)
        return cut(value, size - 1, size)
    return value[-1]


def _refuse_negative(name: str, count: int) -> None:
    if count < 0:
        raise wrong_argument(name, 1, f"to be a positive integer. The provided value is '{count}'")


def _take(value: str | list[Json], count: int) -> Json:
    _refuse_negative("take", count)
    return cut(value, 0, min(count, units_in(value))) if isinstance(value, str) else value[:count]


def _skip(value: str | list[Json], count: int) -> Json:
    _refuse_negative("skip", count)
    if isinstance(value, str):
        size = units_in(value)
        return cut(value, min(count, size), size)
    return value[count:]


def _chunk(value: str | list[Json], size: int) -> list[Json]:
    if size < 1:
        raise wrong_argument("chunk", 1, f"to be an integer of at least 1. The provided value is '{size}'")
    if isinstance(value, str):
        return [cut(value, at, min(at + size, units_in(value))) for at in range(0, units_in(value), size)]
    return [value[at : at + size] for at in range(0, len(value), size)]


def _union(*collections: Json) -> Json:
    if _are_objects("union", collections):
        merged: dict[str, Json] = {}
        for collection in collections:
            merged.update(collection)
        return merged
    distinct: dict[object, Json] = {}
    for collection in collections:
        for item in collection:
            distinct.setdefault(identity(item), item)
    return list(distinct.values())


def _intersection(*collections: Json) -> Json:
    first, *others = collections
    if _are_objects("intersection", collections):
        return {
            key: value
            for key, value in first.items()
            if all(key in other and are_equal(value, other[key]) for other in others)
        }
    shared = [{identity(item) for item in other} for other in others]
    distinct: dict[object, Json] = {}
    for item in first:
        if all(identity(item) in other for other in shared):
            distinct.setdefault(identity(item), item)
    return list(distinct.values())


def _are_objects(name: str, collections: tuple[Json, ...]) -> bool:
    """Whether all are objects; a mixture of objects and arrays is refused."""
    is_object = isinstance(collections[0], dict)
    for index, collection in enumerate(collections):
        if isinstance(collection, dict) is not is_object:
            raise wrong_kind(name, index, Takes.OBJECT if is_object else Takes.ARRAY, collection)
    return is_object


def _sort(values: list[Json], key: str | None = None) -> list[Json]:
    keys = [value if key is None else _property(value, key) for value in values]
    if all(map(is_number, keys)) or all(isinstance(one, bool) for one in keys):
        order = sorted(range(len(values)), key=keys.__getitem__)
    elif all(isinstance(one, str) for one in keys):
        # close to .NET's culture order: letters first regardless of case, then lower before upper
        order = sorted(range(len(values)), key=lambda at: (lower(keys[at]), keys[at].swapcase()))
    else:
        _refuse_sort(keys)
    return [values[at] for at in order]


def _property(value: Json, key: str) -> Json:
    if isinstance(value, dict):
        if key in value:
            return value[key]
        for name, item in value.items():
            if lower(name) == lower(key):
                return item
    raise wrong_argument("sort", 1, f"to be the name of a property that every object has. '{key}' is missing")


def _refuse_sort(keys: list[Json]) -> NoReturn:
    kinds = ", ".join(dict.fromkeys(kind_name(key) for key in keys))
    raise ExpressionError(
        "The template language function 'sort' can only sort values of one type, all numbers, strings or booleans. "
        f"The provided types are '{kinds}'. Please see https://aka.ms/logicexpressions#sort for usage details."
    )


_ANY = Takes.ANYTHING

FUNCTIONS = (
    pure("contains", _contains, Takes.COLLECTION, _ANY),
    pure("empty", lambda value: not value, Takes.COLLECTION_OR_NULL),
    pure("first", _first, Takes.STRING_OR_ARRAY),
    pure("last", _last, Takes.STRING_OR_ARRAY),
    pure("take", _take, Takes.STRING_OR_ARRAY, Takes.INTEGER),
    pure("skip", _skip, Takes.STRING_OR_ARRAY, Takes.INTEGER),
    pure("chunk", _chunk, Takes.STRING_OR_ARRAY, Takes.INTEGER, grows=True),
    pure("union", _union, Takes.ARRAY_OR_OBJECT, repeats=True, grows=True),
    pure("intersection", _intersection, Takes.ARRAY_OR_OBJECT, repeats=True),
    pure("reverse", lambda values: values[::-1], Takes.ARRAY),
    pure("sort", _sort, Takes.ARRAY, Takes.STRING, least=1),
    pure("createArray", lambda *values: list(values), _ANY, repeats=True),
    pure("array", lambda value: [value], _ANY),
)
