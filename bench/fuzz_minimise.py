"""Makes a failing case small: takes parts of it away as long as it still fails in the same way."""

import time
from collections.abc import Callable, Iterator
from typing import Any


def minimised(case: Any, still_fails: Callable[[Any], bool], seconds: float) -> Any:
    """The smallest case found within the time. Values are never changed in place."""
    until = time.monotonic() + seconds
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for candidate in _smaller(case):
            if time.monotonic() > until:
                return case
            if still_fails(candidate):
                case, is_smaller = candidate, True
                break
    return case


def _smaller(value: Any) -> Iterator[Any]:
    """Simpler variants of a value, the boldest first."""
    if isinstance(value, str):
        size = len(value) // 2
        while size:
            for at in range(0, len(value), size):
                yield value[:at] + value[at + size :]
            size //= 2
        if len(value) == 1:
            yield ""
    elif isinstance(value, dict):
        for key in value:
            yield {other: inner for other, inner in value.items() if other != key}
        for key, inner in value.items():
            for candidate in _smaller(inner):
                yield {**value, key: candidate}
    elif isinstance(value, list):
        size = len(value)
        while size:
            for at in range(0, len(value), size):
                yield value[:at] + value[at + size :]
            size //= 2
        for at, inner in enumerate(value):
            for candidate in _smaller(inner):
                yield [*value[:at], candidate, *value[at + 1 :]]
