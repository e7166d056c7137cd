"""An operation as a form to fill in: read from its connector's definition when somebody looks, never kept in memory.

A body of named properties becomes a field for each, under the flattened names that flows use (`body/customer/name`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from flowmend.core.connector.dynamic import DynamicCall, read_dynamic
from flowmend.core.connector.local_references import resolved
from flowmend.core.connector.openapi import METHODS
from flowmend.core.connector.openapi3 import as_openapi2
from flowmend.core.connector.operation import Location
from flowmend.core.json_value import Json

_DEEPEST = 6
_MOST_FIELDS = 500
_MOST_NODES = 20_000


class Visibility(StrEnum):
    """Where a field is shown: `x-ms-visibility`."""

    NORMAL = "none"
    IMPORTANT = "important"
    ADVANCED = "advanced"
    INTERNAL = "internal"  # never shown; its default goes out


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """One value of an operation. name: flattened. type: JSON's word for it, or `file`. dynamic: what fills its choices or
    its own fields, None where nothing does.
    """

    name: str
    title: str
    location: Location
    type: str = "string"
    format: str = ""
    description: str = ""
    is_required: bool = False
    default: Json = None
    allowed_values: tuple[Json, ...] = ()
    visibility: Visibility = Visibility.NORMAL
    dynamic: DynamicCall | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationForm:
    """is_batch: of a trigger, whether one event holds all that is new. asks_first: an assistant should ask before it.

    answer: the schema of a good answer; notification: of what a webhook receives; answer_dynamic: what tells the schema.
    Schemas have their `$ref`s followed.
    """

    operation_id: str
    title: str
    description: str
    is_trigger: bool
    is_batch: bool
    is_webhook: bool
    asks_first: bool
    is_deprecated: bool
    fields: tuple[FormField, ...]
    answer: Mapping[str, Json]
    answer_dynamic: DynamicCall | None
    notification: Mapping[str, Json]


def operation_form(definition: Json, operation_id: str) -> OperationForm | None:
    """The form of an operation, None where the definition has none of that id. Errors: none; what is odd is left out."""
    document = as_openapi2(definition)
    for path, item in _mapping(_mapping(document).get("paths")).items():
        for method, node in _mapping(item).items():
            if method.lower() in METHODS and _id_of(node, method, path).lower() == operation_id.lower():
                return _Forms(document).form(_mapping(node), _mapping(item), _id_of(node, method, path))
    return None


def _id_of(node: Json, method: str, path: str) -> str:
    return str(_mapping(node).get("operationId") or f"{method.lower()}_{path.strip('/')}")


class _Forms:
    def __init__(self, document: Json) -> None:
        self._document = document
        self._nodes = 0

    def form(self, node: Mapping[str, Json], item: Mapping[str, Json], operation_id: str) -> OperationForm:
        fields: dict[str, FormField] = {}
        for declared in [*_list(item.get("parameters")), *_list(node.get("parameters"))]:
            for one in self._fields(_mapping(resolved(self._document, declared))):
                fields[one.name] = one
        answer = self._answer(node)
        content = item.get("x-ms-notification-content", node.get("x-ms-notification-content"))
        notification = _mapping(content)
        trigger = str(node.get("x-ms-trigger") or "").lower()
        return OperationForm(
            operation_id=operation_id,
            title=str(node.get("summary") or operation_id),
            description=str(node.get("description") or ""),
            is_trigger=bool(trigger),
            is_batch=trigger == "batch",
            is_webhook=any(_holds_notification_url(one) for one in self._declared(node)),
            asks_first=node.get("x-ms-require-user-confirmation") is True,
            is_deprecated=node.get("deprecated") is True,
            fields=tuple(fields.values())[:_MOST_FIELDS],
            answer=_mapping(self._followed(answer)),
            answer_dynamic=read_dynamic(_mapping(answer)),
            notification=_mapping(self._followed(notification.get("schema"))),
        )

    def _declared(self, node: Mapping[str, Json]) -> Iterator[Json]:
        for one in _list(node.get("parameters")):
            parameter = _mapping(resolved(self._document, one))
            yield parameter
            schema = _mapping(resolved(self._document, parameter.get("schema")))
            yield from _mapping(schema.get("properties")).values()

    def _answer(self, node: Mapping[str, Json]) -> Json:
        answers = _mapping(node.get("responses"))
        good = [name for name in answers if str(name).startswith("2")] or (["default"] if "default" in answers else [])
        chosen = _mapping(resolved(self._document, answers[min(good)])) if good else {}
        return resolved(self._document, chosen.get("schema"))

    def _fields(self, node: Mapping[str, Json]) -> Iterator[FormField]:
        try:
            location = Location(str(node.get("in")))
        except ValueError:
            return
        name = str(node.get("name") or "body")
        if location is not Location.BODY:
            yield _field(name, node, location, is_required=node.get("required") is True)
            return
        yield from self._within(name, node.get("schema"), node, node.get("required") is True, 0)

    def _within(
        self, name: str, schema: Json, outer: Mapping[str, Json], is_required: bool, depth: int
    ) -> Iterator[FormField]:
        followed = _mapping(resolved(self._document, schema))
        dynamic = read_dynamic(followed)
        properties = _mapping(followed.get("properties"))
        if dynamic is not None or not properties or depth >= _DEEPEST:
            merged = {**followed, **{key: value for key, value in outer.items() if key != "schema"}}
            yield _field(name, merged, Location.BODY, is_required=is_required)
            return
        wanted = frozenset(str(one) for one in _list(followed.get("required")))
        for key, inner in properties.items():
            self._nodes += 1
            if self._nodes > _MOST_NODES:
                return
            node = _mapping(inner)
            if node.get("x-ms-notification-url") is not True:  # filled in by whoever subscribes
                yield from self._within(f"{name}/{key}", inner, node, is_required and key in wanted, depth + 1)

    def _followed(self, schema: Json, depth: int = 0) -> Json:
        """A schema without `$ref`s, cut off where it goes too deep or grows too large."""
        self._nodes += 1
        node = resolved(self._document, schema)
        if depth > 2 * _DEEPEST or self._nodes > _MOST_NODES:
            return {}
        if isinstance(node, dict):
            return {key: self._followed(value, depth + 1) for key, value in node.items()}
        return [self._followed(one, depth + 1) for one in node] if isinstance(node, list) else node


def _field(name: str, node: Mapping[str, Json], location: Location, *, is_required: bool) -> FormField:
    shown = str(node.get("x-ms-visibility") or "none").lower()
    return FormField(
        name=name,
        title=str(node.get("x-ms-summary") or node.get("title") or name.rpartition("/")[2]),
        location=location,
        type=str(node.get("type") or ("object" if location is Location.BODY else "string")),
        format=str(node.get("format") or ""),
        description=str(node.get("description") or ""),
        is_required=is_required,
        default=node.get("default"),
        allowed_values=tuple(_list(node.get("enum"))),
        visibility=Visibility(shown) if shown in set(Visibility) else Visibility.NORMAL,
        dynamic=read_dynamic(node),
    )


def _holds_notification_url(node: Json) -> bool:
    return _mapping(node).get("x-ms-notification-url") is True


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
