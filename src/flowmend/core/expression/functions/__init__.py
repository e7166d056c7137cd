"""Every function of the language, one table per group, joined here."""

from collections.abc import Mapping
from itertools import chain
from types import MappingProxyType

from flowmend.core.expression.functions import (
    collection,
    conversion,
    datetime,
    logical,
    manipulation,
    math,
    number_format,
    string,
    uri,
    workflow,
    xml,
)
from flowmend.core.expression.functions.function import Function

_GROUPS = (string, number_format, collection, logical, conversion, math, datetime, workflow, uri, manipulation, xml)

#: {lower-case name: Function}
FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {function.name.lower(): function for function in chain.from_iterable(group.FUNCTIONS for group in _GROUPS)}
)


def is_known(name: str) -> bool:
    """Whether the language has a function of that name, in any case."""
    return name.lower() in FUNCTIONS


__all__ = ["FUNCTIONS", "Function", "is_known"]
