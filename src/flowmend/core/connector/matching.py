"""Which operation a method and a path mean, for flows that do not name it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from flowmend.core.connector.operation import Connector, Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationMatch:
    """path_values: the path's segments by parameter name, percent-encoded as they stood."""

    operation: Operation
    path_values: Mapping[str, str] = field(default_factory=dict)


def match_operation(connector: Connector, method: str, path: str) -> OperationMatch | None:
    """The operation whose path template fits best: the one with the most literal segments wins."""
    wanted, segments = method.upper(), path.strip("/").split("/")
    best: tuple[int, OperationMatch] | None = None
    for operation in connector.operations.values():
        if operation.method != wanted:
            continue
        values = _fit(_segments(operation.path), segments)
        if values is None:
            continue
        literal = len(segments) - len(values)
        if best is None or literal > best[0]:
            best = literal, OperationMatch(operation=operation, path_values=values)
    return best[1] if best is not None else None


@lru_cache(maxsize=8192)
def _segments(path: str) -> tuple[str, ...]:
    return tuple(path.strip("/").split("/"))


def _fit(template: tuple[str, ...], segments: list[str]) -> dict[str, str] | None:
    if len(template) != len(segments):
        return None
    values: dict[str, str] = {}
    for place, segment in zip(template, segments, strict=True):
        if "{" not in place:
            if place.lower() != segment.lower():
                return None
            continue
        before, _, rest = place.partition("{")
        name, _, after = rest.partition("}")
        if len(segment) <= len(before) + len(after) or not (segment.startswith(before) and segment.endswith(after)):
            return None
        values[name] = segment[len(before) : len(segment) - len(after)]
    return values
