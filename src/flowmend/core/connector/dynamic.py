"""What a form asks a service for while it is filled in: choices, trees of choices, and the fields of a chosen thing.

`x-ms-dynamic-values`/`-list` and `-tree` give choices, `x-ms-dynamic-schema`/`-properties` a schema; each is a call of one
of the connector's own operations. The newer spelling of a pair wins, since it alone can name fields within a body.
Source: learn.microsoft.com/connectors/custom-connectors/openapi-extensions
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from flowmend.core.connector.draft import text_of
from flowmend.core.connector.policy_expressions import Steps, found_at
from flowmend.core.json_value import Json

_MOST_CHOICES = 5_000
_USUAL_LISTS = ("value", "items", "data")
_USUAL_VALUES = ("id", "Id", "value", "key", "name", "Name")
_USUAL_TITLES = ("displayName", "title", "Title", "name", "Name")


class DynamicKind(StrEnum):
    """What the answer of a call is."""

    CHOICES = "choices"
    TREE = "tree"  # choices, some of which hold more of them
    SCHEMA = "schema"


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicCall:
    """A call that fills a form. arguments: fixed ones. fields: {argument: the form's field it comes from}, flattened names.

    from_chosen: {argument: where in a chosen branch of a tree its value is}. optional: arguments that may be missing.
    items, value, title, is_branch: where the list is in the answer, and what of an item is what. below: of a tree, how a
    branch is opened.
    """

    kind: DynamicKind
    operation_id: str
    arguments: Mapping[str, Json] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    from_chosen: Mapping[str, Steps] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    items: Steps = ()
    value: Steps = ()
    title: Steps = ()
    is_branch: Steps = ()
    below: "DynamicCall | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One value to choose. item: as answered, for opening a branch of a tree."""

    value: Json
    title: str
    is_branch: bool = False
    item: Json = None


def read_dynamic(node: Mapping[str, Json]) -> DynamicCall | None:
    """The call that a parameter's or schema's node declares; None where it declares none."""
    tree = _mapping(node.get("x-ms-dynamic-tree"))
    if tree:
        opening = _choices(_mapping(tree.get("open")), DynamicKind.TREE)
        below = _choices(_mapping(tree.get("browse")), DynamicKind.TREE)
        return replace(opening, below=below) if opening is not None else None
    for name in ("x-ms-dynamic-list", "x-ms-dynamic-values"):
        found = _choices(_mapping(node.get(name)), DynamicKind.CHOICES)
        if found is not None:
            return found
    for name in ("x-ms-dynamic-properties", "x-ms-dynamic-schema"):
        declared = _mapping(node.get(name))
        found = _call(declared, DynamicKind.SCHEMA)
        if found is not None:
            return replace(found, value=_path(declared, "itemValuePath", "value-path"))
    return None


def arguments_of(call: DynamicCall, given: Mapping[str, Json], chosen: Json = None) -> dict[str, Json] | None:
    """The arguments of the call, None while a field it needs is empty.

    given: the form's values by flattened name. chosen: the item of the branch to open.
    """
    arguments = dict(call.arguments)
    for name, source in call.fields.items():
        value = _given(given, source)
        if value is None or value == "":
            if name not in call.optional:
                return None
            continue
        arguments[name] = value
    for name, path in call.from_chosen.items():
        arguments[name] = found_at(chosen, path)
    return arguments


def choices_of(call: DynamicCall, body: Json) -> tuple[Choice, ...]:
    """The choices an answer holds, those that have no value left out."""
    found = found_at(body, call.items) if call.items else _list_in(body)
    choices = (_choice(call, item) for item in (found if isinstance(found, list) else ())[:_MOST_CHOICES])
    return tuple(choice for choice in choices if choice.value is not None)


def schema_of(call: DynamicCall, body: Json) -> Mapping[str, Json]:
    """The schema an answer holds, empty where it holds none."""
    found = found_at(body, call.value)
    return _mapping(found)


def _choice(call: DynamicCall, item: Json) -> Choice:
    if not isinstance(item, dict):
        return Choice(value=item, title=text_of(item), item=item)
    value = found_at(item, call.value) if call.value else _first(item, _USUAL_VALUES)
    title = found_at(item, call.title) if call.title else _first(item, _USUAL_TITLES)
    return Choice(
        value=value,
        title=text_of(value if title is None else title),
        is_branch=bool(found_at(item, call.is_branch)) if call.is_branch else False,
        item=item,
    )


def _choices(declared: Mapping[str, Json], kind: DynamicKind) -> DynamicCall | None:
    found = _call(declared, kind)
    if found is None:
        return None
    return replace(
        found,
        items=_path(declared, "itemsPath", "value-collection"),
        value=_path(declared, "itemValuePath", "value-path"),
        title=_path(declared, "itemTitlePath", "value-title"),
        is_branch=_path(declared, "itemIsParent", "value-folder-property"),
    )


def _call(declared: Mapping[str, Json], kind: DynamicKind) -> DynamicCall | None:
    operation_id = declared.get("operationId")
    if not isinstance(operation_id, str) or not operation_id:
        return None
    arguments: dict[str, Json] = {}
    fields: dict[str, str] = {}
    chosen: dict[str, Steps] = {}
    optional: set[str] = set()
    for name, value in _mapping(declared.get("parameters")).items():
        source = value if isinstance(value, dict) else {"value": value}
        reference = source.get("parameterReference", source.get("parameter"))
        if isinstance(reference, str):
            fields[name] = reference
            if source.get("required") is False:
                optional.add(name)
        elif isinstance(source.get("selectedItemValuePath"), str):
            chosen[name] = _steps(source["selectedItemValuePath"])
        else:
            arguments[name] = source.get("value")
    return DynamicCall(
        kind=kind,
        operation_id=operation_id,
        arguments=arguments,
        fields=fields,
        from_chosen=chosen,
        optional=frozenset(optional),
    )


def _path(declared: Mapping[str, Json], *names: str) -> Steps:
    return next((_steps(text) for name in names if isinstance(text := declared.get(name), str) and text), ())


def _steps(text: str) -> Steps:
    """`a/b` here, unlike the paths of policies; an expression before it is a habit without meaning."""
    return tuple(step for step in text.removeprefix("@").split("/") if step)


def _given(given: Mapping[str, Json], source: str) -> Json:
    """A field by its flattened name; of a plain name also one inside the body, as the older spelling has it."""
    if source in given:
        return given[source]
    inside = (value for name, value in given.items() if "/" in name and name.rpartition("/")[2] == source)
    return next(inside, None)


def _list_in(body: Json) -> Json:
    if isinstance(body, dict):
        named = next((body[name] for name in _USUAL_LISTS if isinstance(body.get(name), list)), None)
        return named if named is not None else next((one for one in body.values() if isinstance(one, list)), None)
    return body


def _first(item: Mapping[str, Json], names: tuple[str, ...]) -> Json:
    return next((item[name] for name in names if item.get(name) is not None), None)


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}
