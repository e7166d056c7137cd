"""Policies that change a JSON body, of a request before it goes out or of an answer that came in.

One function per template, all of one shape: they find the objects at a parent path (of a list each item), read the
property at a sub-path, and write what they make of it at a new path, which is `@item()…` of that object or `@body()…`
of the whole. What does not fit (no such property, another type) is left as it is.
Source: learn.microsoft.com/connectors/custom-connectors/policy-templates; the parameters' names are those of the schema
of apiProperties.json that Microsoft publishes. `moveproperties` is in neither and read by analogy.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from urllib.parse import quote

from flowmend.core.connector.operation import Policy
from flowmend.core.connector.policy_expressions import PolicyScope, Steps, found_at, path_of, value_of
from flowmend.core.json_value import Json

#: No property here; unlike None, which is one that is null.
_ABSENT = object()


def changes_body(template: str) -> bool:
    """Whether a template (lower case) is one of these."""
    return template in _TEMPLATES or template == "setproperty"


def changed_body(policy: Policy, body: Json, scope: PolicyScope) -> Json:
    """The body after a policy; `body` itself stays as it was."""
    if policy.template == "setproperty":
        return _set_property(policy, body, scope)
    make = _TEMPLATES[policy.template]
    _, parent = path_of(policy.parameters.get("propertyparentpath"))
    _, sub = path_of(policy.parameters.get("propertysubpath"))
    written = policy.parameters.get("newpropertypath")
    root, target = path_of(written) if isinstance(written, str) and written.strip() else ("", sub)
    # Without a sub-path it is the parent itself that is converted, a list as a whole.
    places = list(_objects(body, parent)) if sub else [(parent, found_at(body, parent))]
    for at, item in places:
        value = _at(item, sub)
        made = _ABSENT if value is _ABSENT else make(value, policy)
        if made is _ABSENT:
            continue
        if policy.template == "moveproperties":
            body = _without(body, at + sub)
        body = _with(body, target if root == "body" else at + target, made)
    return body


def _set_property(policy: Policy, body: Json, scope: PolicyScope) -> Json:
    _, parent = path_of(policy.parameters.get("newpropertyparentpathtemplate"))
    _, sub = path_of(policy.parameters.get("newpropertysubpathtemplate"))
    if not sub:
        return body
    template = policy.parameters.get("propertyvaluepathtemplate")
    for at, item in list(_objects(body, parent)):
        body = _with(body, at + sub, value_of(template, replace(scope, body=body, item=item)))
    return body


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
    for delimiter in (delimiters := str(policy.parameters.get("delimiterlist") or ";"))[1:]:
        value = value.replace(delimiter, delimiters[0])
    return [{child: piece.strip()} for piece in value.split(delimiters[0]) if piece.strip()]


def _replaced(value: Json, policy: Policy) -> Json | object:
    source = str(policy.parameters.get("sourcestring") or "")
    if not isinstance(value, str) or not source:
        return _ABSENT
    return value.replace(source, str(policy.parameters.get("replacementstring") or ""))


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


def _objects(value: Json, steps: Steps, at: Steps = ()) -> Iterator[tuple[Steps, Json]]:
    """(path, object) of what the steps lead to; a list on the way or at the end stands for each of its items."""
    if isinstance(value, list) and not (steps and isinstance(steps[0], int)):
        for index, item in enumerate(value):
            yield from _objects(item, steps, (*at, index))
    elif not steps:
        if isinstance(value, dict):
            yield at, value
    else:
        inner = found_at(value, steps[:1])
        if inner is not None:
            yield from _objects(inner, steps[1:], (*at, steps[0]))


def _at(value: Json, steps: Steps) -> Json | object:
    if not steps:
        return value
    holder = found_at(value, steps[:-1])
    if isinstance(holder, dict) and isinstance(steps[-1], str):
        return holder.get(steps[-1], _ABSENT)
    return _ABSENT


def _with(value: Json, steps: Steps, new: Json | object) -> Json:
    """The value with another in its place at the path; objects on the way are made where there are none."""
    if not steps:
        return new
    step, rest = steps[0], steps[1:]
    if isinstance(step, int):
        if not isinstance(value, list) or step >= len(value):
            return value
        return [_with(item, rest, new) if index == step else item for index, item in enumerate(value)]
    holder = value if isinstance(value, dict) else {}
    return {**holder, step: _with(holder.get(step), rest, new)}


def _without(value: Json, steps: Steps) -> Json:
    step, rest = (steps[0], steps[1:]) if steps else (None, ())
    if isinstance(value, list) and isinstance(step, int):
        return [_without(item, rest) if index == step else item for index, item in enumerate(value)]
    if not isinstance(value, dict) or step not in value:
        return value
    if rest:
        return {**value, step: _without(value[step], rest)}
    return {name: item for name, item in value.items() if name != step}
