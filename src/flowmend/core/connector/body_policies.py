"""Policies that change a JSON body, of a request before it goes out or of an answer that came in.

One function per template, all of one shape: they find the objects at a parent path (of a list each item), read the
property at a sub-path, and write what they make of it at a new path, which is `@item()…` of that object or `@body()…`
of the whole. What does not fit (no such property, another type) is left as it is.
Source: learn.microsoft.com/connectors/custom-connectors/policy-templates; the parameters' names are those of the schema
of apiProperties.json that Microsoft publishes. `moveproperties` is in neither and read by analogy.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any, cast
from urllib.parse import quote

from flowmend.core.connector.operation import Policy
from flowmend.core.connector.policy_expressions import PolicyScope, Steps, found_at, path_of, value_of
from flowmend.core.errors import ExpressionError
from flowmend.core.expression.conversion.text import LONGEST_TEXT, too_long, weigh
from flowmend.core.json_value import Json


class _Absent:
    """No property here; unlike None, which is one that is null."""


_ABSENT = _Absent()


def changes_body(template: str) -> bool:
    """Whether a template (lower case) is one of these."""
    return template in _TEMPLATES or template == "setproperty"


def changed_body(policy: Policy, body: Json, scope: PolicyScope) -> Json:
    """The body after a policy; `body` itself stays as it was.

    Errors: ExpressionError where it would grow out of all proportion, or is nested too deep.
    """
    try:
        changing = _Changing(body)
        change = _set_property if policy.template == "setproperty" else _convert
        change(policy, body, scope, changing)
        return changing.result()
    except RecursionError:
        raise ExpressionError("The body is nested too deep for the connector's policies.") from None


def _convert(policy: Policy, body: Json, _scope: PolicyScope, changing: "_Changing") -> None:
    make = _TEMPLATES[policy.template]
    _, parent = path_of(policy.parameters.get("propertyparentpath"))
    _, sub = path_of(policy.parameters.get("propertysubpath"))
    written = policy.parameters.get("newpropertypath")
    root, target = path_of(written) if isinstance(written, str) and written.strip() else ("", sub)
    # Without a sub-path it is the parent itself that is converted, a list as a whole.
    places = _objects(body, parent) if sub else [(parent, found_at(body, parent))]
    for at, item in places:
        value = _at(item, sub)
        made = _ABSENT if value is _ABSENT else make(value, policy)
        if made is _ABSENT:
            continue
        if policy.template == "moveproperties":
            changing.drop(at + sub)
        changing.put(target if root == "body" else at + target, made)


def _set_property(policy: Policy, body: Json, scope: PolicyScope, changing: "_Changing") -> None:
    _, parent = path_of(policy.parameters.get("newpropertyparentpathtemplate"))
    _, sub = path_of(policy.parameters.get("newpropertysubpathtemplate"))
    template = policy.parameters.get("propertyvaluepathtemplate")
    for at, item in _objects(body, parent) if sub else ():
        changing.put(at + sub, value_of(template, replace(scope, body=body, item=item)))


def _array_to_object(value: Json, policy: Policy) -> Json | object:
    _, key = path_of(policy.parameters.get("keywithincollectionpath"))
    keeps_key = str(policy.parameters.get("retainkey", "true")).lower() != "false"
    if not isinstance(value, list) or not key:
        return _ABSENT
    keyed = ((found_at(item, key), item) for item in value)
    return {
        str(name): item if keeps_key else _without(item, key) for name, item in keyed if isinstance(name, str | int)
    }


def _object_to_array(value: Json, policy: Policy) -> Json | object:
    if not isinstance(value, dict):
        return _ABSENT
    key, inner = (str(policy.parameters.get(name) or name[:-4]) for name in ("keyname", "valuename"))
    return [{key: name, inner: item} for name, item in value.items()]


def _string_to_array(value: Json, policy: Policy) -> Json | object:
    child = str(policy.parameters.get("childpropertyname") or "")
    if not isinstance(value, str) or not child:
        return _ABSENT
    delimiters = str(policy.parameters.get("delimiterlist") or ";")
    value = value.translate(dict.fromkeys(map(ord, delimiters), delimiters[0]))
    return [{child: piece.strip()} for piece in value.split(delimiters[0]) if piece.strip()]


def _replaced(value: Json, policy: Policy) -> Json | object:
    source = str(policy.parameters.get("sourcestring") or "")
    if not isinstance(value, str) or not source:
        return _ABSENT
    replacement = str(policy.parameters.get("replacementstring") or "")
    if len(value) + value.count(source) * (len(replacement) - len(source)) > LONGEST_TEXT:
        raise too_long()
    return value.replace(source, replacement)


def _encoded(value: Json, _policy: Policy) -> Json | object:
    return quote(value, safe="") if isinstance(value, str) else _ABSENT


def _moved(value: Json, _policy: Policy) -> Json | object:
    return value


_TEMPLATES: Mapping[str, Callable[[Json, Policy], Json | object]] = {
    "convertarraytoobject": _array_to_object,
    "convertobjecttoarray": _object_to_array,
    "stringtoarray": _string_to_array,
    "stringreplace": _replaced,
    "encodepropertyvalue": _encoded,
    "moveproperties": _moved,
}


class _Changing:
    """A value being changed in many places. What leads to none of them is shared with the original, which stays as it was."""

    def __init__(self, value: Json) -> None:
        self._root: list[Json] = [value]
        self._own: dict[int, Json] = {}  # containers made here, by identity: they alone are written to
        self._left = LONGEST_TEXT

    def result(self) -> Json:
        """Errors: ExpressionError where its parts, many times shared, make it too large to be written."""
        if weigh(self._root[0], LONGEST_TEXT) > LONGEST_TEXT:
            raise too_long()
        return self._root[0]

    def put(self, steps: Steps, new: Json | object) -> None:
        """Another value in its place at the path; objects on the way are made where there are none."""
        self._left -= weigh(new, self._left)
        if self._left < 0:
            raise too_long()
        holder = cast("Any", self._root)
        for step, following in pairwise((0, *steps)):
            inner = found_at(holder, (step,))
            if isinstance(following, int):
                if not isinstance(inner, list) or following >= len(inner):
                    return
            elif not isinstance(inner, dict):
                inner = {}
            holder[step] = self._owned(inner)
            holder = holder[step]
        last: Any = (0, *steps)[-1]
        holder[last] = new

    def drop(self, steps: Steps) -> None:
        """Nothing at the path any more, where it leads to a property."""
        if not isinstance(_at(self._root[0], steps), _Absent) and steps:
            holder = cast("Any", self._root)
            for step, _ in pairwise((0, *steps)):
                holder[step] = self._owned(holder[step])
                holder = holder[step]
            del holder[steps[-1]]

    def _owned(self, part: Any) -> Any:
        if id(part) in self._own:
            return part
        copy = part.copy()
        self._own[id(copy)] = copy
        return copy


def _objects(value: Json, steps: Steps) -> list[tuple[Steps, Json]]:
    """(path, object) of what the steps lead to; a list on the way or at the end stands for each of its items."""
    places: list[tuple[Steps, Json]] = [((), value)]
    for step in steps:
        if not isinstance(step, int):
            places = [inner for at, one in places for inner in _items(at, one)]
        places = [((*at, step), inner) for at, one in places if (inner := found_at(one, (step,))) is not None]
    return [(at, one) for place in places for at, one in _items(*place) if isinstance(one, dict)]


def _items(at: Steps, value: Json) -> Iterator[tuple[Steps, Json]]:
    if not isinstance(value, list):
        yield at, value
        return
    for index, item in enumerate(value):
        yield from _items((*at, index), item)


def _at(value: Json, steps: Steps) -> Json | object:
    if not steps:
        return value
    holder = found_at(value, steps[:-1])
    if isinstance(holder, dict) and isinstance(steps[-1], str):
        return holder.get(steps[-1], _ABSENT)
    return _ABSENT


def _without(value: Json, steps: Steps) -> Json:
    changing = _Changing(value)
    changing.drop(steps)
    return changing.result()
