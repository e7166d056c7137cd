"""OpenAPI 3.0 and 3.1 documents as 2.0 ones, so that one reader reads them all.

What 2.0 has no word for: several servers and variables in them become parameters of the connection and a policy for the
host; sign-in is read from its own place (`openapi3_sign_in`). `$ref`s keep pointing into `components`.
Source: spec.openapis.org/oas/v3.0, spec.openapis.org/oas/v3.1
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from flowmend.core.connector.body_kinds import BodyKind, body_kind
from flowmend.core.connector.local_references import resolved
from flowmend.core.connector.operation import ConnectionParameter, Policy
from flowmend.core.errors import InvalidDocument
from flowmend.core.json_value import Json

_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch"})
#: The parameter that chooses among several servers.
SERVER = "server"
_FORMATS = {"spaceDelimited": "ssv", "pipeDelimited": "pipes"}
#: The largest connectors that are published have some thousands.
_MOST_PARAMETERS = 100_000
_KEPT_OF_SCHEMA = ("type", "format", "default", "enum")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where requests go. base: of the first server with its variables' defaults, "" where it is not absolute."""

    base: str
    policies: tuple[Policy, ...] = ()
    parameters: tuple[ConnectionParameter, ...] = ()


def is_openapi3(document: Json) -> bool:
    return isinstance(document, dict) and str(document.get("openapi") or "").startswith("3.")


def as_openapi2(document: Json) -> Json:
    """The document as OpenAPI 2.0; one that is no OpenAPI 3 stays as it is.

    Errors: InvalidDocument `DocumentTooLarge` for one that is small only as long as nobody follows its `$ref`s.
    """
    if not is_openapi3(document):
        return document
    try:
        parts = urlsplit(placed_at(document).base)
    except ValueError:  # brackets around what is no address: a host that nothing can be sent to
        parts = urlsplit("")
    paths = _mapping(document.get("paths"))
    return {
        **{name: value for name, value in document.items() if name not in {"openapi", "servers", "paths"}},
        "swagger": "2.0",
        "host": parts.netloc,
        "basePath": parts.path,
        "schemes": [parts.scheme] if parts.scheme else ["https"],
        "securityDefinitions": {
            name: {"type": "oauth2"}  # so that an operation's scopes are known; the rest is read elsewhere
            for name, scheme in _mapping(_mapping(document.get("components")).get("securitySchemes")).items()
            if _mapping(scheme).get("type") in ("oauth2", "openIdConnect")
        },
        "paths": dict(_bounded((path, _path_item(document, item)) for path, item in paths.items())),
    }


def _bounded(items: Iterable[tuple[str, Json]]) -> Iterator[tuple[str, Json]]:
    """The path items as long as they are few enough to be read: thousands of paths may refer to one large item."""
    parameters = 0
    for path, item in items:
        held = [item, *(node for name, node in item.items() if name.lower() in _METHODS)]
        parameters += sum(len(_list(_mapping(one).get("parameters"))) + 1 for one in held)
        if parameters > _MOST_PARAMETERS:
            message = f"The document's paths have more than {_MOST_PARAMETERS:,} parameters, their references followed."
            raise InvalidDocument(message, code="DocumentTooLarge")
        yield path, item


def placed_at(document: Mapping[str, Json]) -> Placed:
    """Where a document's requests go, and what its connections are asked for that."""
    servers = [_mapping(one) for one in _list(document.get("servers")) if isinstance(_mapping(one).get("url"), str)]
    urls = [_filled(one) for one in servers] or [""]
    parameters, policies = [], []
    variables = _mapping(servers[0].get("variables")) if servers else {}
    if "://" not in urls[0]:  # whoever runs the service says where it is
        parameters.append(ConnectionParameter(name=SERVER, title="Server", description="Its address: https://…"))
        policies.append(_host(f"@connectionParameters('{SERVER}')/{urls[0].lstrip('/')}".rstrip("/")))
    elif variables:
        template = str(servers[0]["url"])
        for name, node in variables.items():
            parameters.append(_variable(name, _mapping(node)))
            template = template.replace(f"{{{name}}}", f"@connectionParameters('{name}','{_default(node)}')")
        policies.append(_host(template))
    elif len(set(urls)) > 1:
        parameters.append(
            ConnectionParameter(
                name=SERVER,
                title="Server",
                is_required=False,
                default=urls[0],
                allowed_values=tuple(dict.fromkeys(urls)),
            )
        )
        policies.append(_host(f"@connectionParameters('{SERVER}','{urls[0]}')"))
    policies += _elsewhere(document)
    base = urls[0] if "://" in urls[0] else ""
    return Placed(base=base.rstrip("/"), policies=tuple(policies), parameters=tuple(parameters))


def _elsewhere(document: Mapping[str, Json]) -> Iterator[Policy]:
    """Policies for the paths and operations that name a server of their own."""
    for path, item in _mapping(document.get("paths")).items():
        for method, node in _mapping(item).items():
            if method.lower() in _METHODS:
                servers = _list(_mapping(node).get("servers")) or _list(_mapping(item).get("servers"))
                if servers and "://" in (url := _filled(_mapping(servers[0]))):
                    operation_id = str(_mapping(node).get("operationId") or f"{method.lower()}_{path.strip('/')}")
                    yield _host(url, operation_id)


def _host(template: str, *operations: str) -> Policy:
    limited = frozenset(one.lower() for one in operations)
    return Policy(template="dynamichosturl", parameters={"urltemplate": template}, operations=limited)


def _filled(server: Mapping[str, Json]) -> str:
    url = str(server.get("url") or "")
    for name, node in _mapping(server.get("variables")).items():
        url = url.replace(f"{{{name}}}", _default(node))
    return url.rstrip("/")


def _default(node: Json) -> str:
    # The quote would end the text of the policy's expression; no host or path holds one.
    return str(_mapping(node).get("default") or "").replace("'", "")


def _variable(name: str, node: Mapping[str, Json]) -> ConnectionParameter:
    return ConnectionParameter(
        name=name,
        title=name,
        description=str(node.get("description") or ""),
        is_required=False,
        default=_default(node),
        allowed_values=tuple(str(one) for one in _list(node.get("enum"))),
    )


def _path_item(document: Mapping[str, Json], item: Json) -> Json:
    item = _mapping(resolved(document, item))
    shared = list(_parameters(document, item))
    changed = {name: value for name, value in item.items() if name not in {"parameters", "servers"}}
    for method in [name for name in item if name.lower() in _METHODS]:
        node = _mapping(item[method])
        changed[method] = _operation(document, node)
    return {**changed, "parameters": shared}


def _operation(document: Mapping[str, Json], node: Mapping[str, Json]) -> dict[str, Json]:
    parameters = list(_parameters(document, node))
    body = _mapping(resolved(document, node.get("requestBody")))
    content = _mapping(body.get("content"))
    consumes = _preferred(list(content))
    if consumes:
        schema = _mapping(content[consumes[0]]).get("schema")
        parameters += _body_parameters(document, schema, consumes[0], is_required=body.get("required") is True)
    answers = {code: _answer(document, one) for code, one in _mapping(node.get("responses")).items()}
    produces = [kind for one in answers.values() for kind in one.pop("produces")]
    kept = {name: value for name, value in node.items() if name not in {"requestBody", "servers"}}
    return {
        **kept,
        "parameters": parameters,
        "consumes": consumes,
        "produces": list(dict.fromkeys(produces)),
        "responses": answers,
    }


def _preferred(kinds: list[str]) -> list[str]:
    """The media types of a body, first the one that is sent."""
    wanted = body_kind(kinds)
    return sorted(kinds, key=lambda kind: body_kind([kind]) is not wanted)


def _body_parameters(
    document: Mapping[str, Json], schema: Json, kind: str, *, is_required: bool
) -> Iterator[dict[str, Json]]:
    followed = _mapping(resolved(document, schema))
    properties = _mapping(followed.get("properties"))
    if body_kind([kind]) not in {BodyKind.FORM, BodyKind.MULTIPART} or not properties:
        yield {"name": "body", "in": "body", "required": is_required, "schema": schema or {}}
        return
    wanted = frozenset(str(one) for one in _list(followed.get("required")))
    for name, inner in properties.items():
        node = _mapping(resolved(document, inner))
        is_file = node.get("format") in ("binary", "base64") or "contentMediaType" in node
        yield {
            **_described(node),
            **_typed(node),
            **({"type": "file"} if is_file else {}),
            "name": name,
            "in": "formData",
            "required": name in wanted,
            "collectionFormat": "multi",
        }


def _parameters(document: Mapping[str, Json], holder: Mapping[str, Json]) -> Iterator[Json]:
    for declared in _list(holder.get("parameters")):
        node = _mapping(resolved(document, declared))
        schema = _mapping(resolved(document, node.get("schema")))
        if node.get("style") == "deepObject" and _mapping(schema.get("properties")):
            for name, inner in schema["properties"].items():
                inner = _mapping(resolved(document, inner))
                yield {**_described(inner), **_typed(inner), "name": f"{node.get('name')}[{name}]", "in": "query"}
            continue
        explodes = node.get("explode", node.get("style", "form") == "form") and node.get("in") == "query"
        yield {
            **{name: value for name, value in node.items() if name not in {"schema", "content", "style", "explode"}},
            **_typed(schema),
            "collectionFormat": "multi" if explodes else _FORMATS.get(str(node.get("style")), "csv"),
        }


def _answer(document: Mapping[str, Json], declared: Json) -> dict[str, Json]:
    node = _mapping(resolved(document, declared))
    content = _mapping(node.get("content"))
    kinds = _preferred(list(content))
    kept = {name: value for name, value in node.items() if name not in {"content", "links"}}
    return {**kept, "schema": _mapping(content[kinds[0]]).get("schema") if kinds else None, "produces": kinds}


def _typed(schema: Mapping[str, Json]) -> dict[str, Json]:
    """What 2.0 writes beside a parameter's name; of 3.1's several types the first that is one."""
    found = {name: schema[name] for name in _KEPT_OF_SCHEMA if name in schema}
    kind = found.get("type")
    if isinstance(kind, list):
        found["type"] = next((one for one in kind if one != "null"), "string")
    if "items" in schema:
        found["items"] = schema["items"]
    return found


def _described(node: Mapping[str, Json]) -> dict[str, Json]:
    return {
        name: value
        for name, value in node.items()
        if name in {"description", "title"} or (name.startswith("x-") and name != "x-ms-notification-url")
    }


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
