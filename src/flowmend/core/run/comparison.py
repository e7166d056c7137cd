"""What differs between two values, place by place: for two runs of a flow beside each other.

Texts and numbers are compared as they are, lists by position, objects by name. A place at which either side hides its value
is never compared: that two secrets differ is already more than anybody may learn.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice, zip_longest

from flowmend.core.json_value import Json
from flowmend.core.run.views import SANITIZED

#: Differences that are told of two values, and how deep they are looked for; below, a value differs as a whole.
MOST_DIFFERENCES = 100
DEEPEST = 24
#: Stands for a place that is not there; None is a value.
_ABSENT: Json = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueDifference:
    """path: a JSON pointer (RFC 6901), "" for the whole. in_left, in_right: whether the place is there."""

    path: str
    left: Json = None
    right: Json = None
    in_left: bool = True
    in_right: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """found: in the order of their places. is_whole: False where there are more. is_hidden: a side is hidden, so nothing was compared."""

    found: tuple[ValueDifference, ...] = ()
    is_whole: bool = True
    is_hidden: bool = False

    def __bool__(self) -> bool:
        return bool(self.found)


def differences(left: Json, right: Json, *, most: int = MOST_DIFFERENCES, deepest: int = DEEPEST) -> Differences:
    """What differs; nothing where both are equal. Swapping the values swaps the sides and changes nothing else."""
    found = tuple(islice(_differences("", left, right, deepest), most + 1))
    is_hidden = SANITIZED in (left, right) if isinstance(left, str) or isinstance(right, str) else False
    return Differences(found=found[:most], is_whole=len(found) <= most, is_hidden=is_hidden)


def _differences(path: str, left: Json, right: Json, levels: int) -> Iterator[ValueDifference]:
    if _is_hidden(left) or _is_hidden(right):
        return
    if levels > 0 and isinstance(left, dict) and isinstance(right, dict):
        for name in _names(left, right):
            yield from _at(f"{path}/{_escaped(name)}", left.get(name, _ABSENT), right.get(name, _ABSENT), levels)
    elif levels > 0 and isinstance(left, list) and isinstance(right, list):
        for index, (one, other) in enumerate(zip_longest(left, right, fillvalue=_ABSENT)):
            yield from _at(f"{path}/{index}", one, other, levels)
    elif not _is_same(left, right):
        yield ValueDifference(path=path, left=left, right=right)


def _at(path: str, left: Json, right: Json, levels: int) -> Iterator[ValueDifference]:
    if left is not _ABSENT and right is not _ABSENT:
        yield from _differences(path, left, right, levels - 1)
    elif right is _ABSENT and not _is_hidden(left):
        yield ValueDifference(path=path, left=left, in_right=False)
    elif left is _ABSENT and not _is_hidden(right):
        yield ValueDifference(path=path, right=right, in_left=False)


def _names(left: dict[str, Json], right: dict[str, Json]) -> list[str]:
    """Sorted, so that whichever side is left the same places are told first."""
    return sorted({*left, *right})


def _is_hidden(value: Json) -> bool:
    return isinstance(value, str) and value == SANITIZED


def _is_same(left: Json, right: Json) -> bool:
    """Equal as JSON: true is not 1, and 1 is 1.0."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | float | Decimal) and isinstance(right, int | float | Decimal):
        return bool(left == right)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_is_same(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_is_same, left, right))
    return type(left) is type(right) and bool(left == right)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
