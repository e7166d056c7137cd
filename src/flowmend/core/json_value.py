"""The one name for a JSON value in flight."""

from typing import Any, TypeAlias

#: None, bool, int, float, Decimal, str, list or dict with str keys, nested.
#: Spelled Any because a recursive union makes every list and dict invariant, and each reader would
#: have to narrow what the expression language checks at run time anyway.
Json: TypeAlias = Any
