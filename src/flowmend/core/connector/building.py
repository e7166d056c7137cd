"""An operation and its arguments to one request, in both spellings a flow may use.

OpenApiConnection names an operation and gives flattened parameters (`id`, `body/title`); ApiConnection gives
method, path, queries, headers and body, and the operation is found by matching the path. Either way the order
is: arguments, then sign-in, then policies, then the checks on what would really be sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlsplit

from msgspec.structs import replace

from flowmend.core.connector.arguments import place
from flowmend.core.connector.body_kinds import body_of
from flowmend.core.connector.call_mapping import map_request
from flowmend.core.connector.draft import RequestDraft, check_header, check_method, check_path, text_of
from flowmend.core.connector.matching import match_operation
from flowmend.core.connector.operation import Connector, Location, Operation
from flowmend.core.connector.policies import apply_policies, hosts_of
from flowmend.core.connector.request import ClientCertificate, HttpRequest, UnbuildableRequest, ValueLookup, origin_of
from flowmend.core.connector.server import PROTOCOLS, server_of
from flowmend.core.errors import ExpressionError
from flowmend.core.json_value import Json

_NEVER_FROM_A_FLOW = frozenset({"host", "content-length", "transfer-encoding", "connection", "cookie"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInParts:
    """What a credential adds to every request. The repr shows names only."""

    headers: Mapping[str, str] = field(default_factory=dict)
    queries: Mapping[str, str] = field(default_factory=dict)
    client_certificate: ClientCertificate | None = None

    def __repr__(self) -> str:
        return f"SignInParts(headers={sorted(self.headers)}, queries={sorted(self.queries)})"


NO_SIGN_IN = SignInParts()


def build_request(
    connector: Connector,
    operation: Operation,
    parameters: Mapping[str, Json],
    connection_parameters: Mapping[str, Json],
    *,
    sign_in: SignInParts = NO_SIGN_IN,
    key: str = "",
) -> HttpRequest | UnbuildableRequest:
    """The request of an OpenApiConnection action.

    parameters: flattened, as the flow spells them. connection_parameters: secrets among them. key: the call's own.
    """
    if operation.unsupported:
        return _unsupported(operation)
    draft = RequestDraft(method=operation.method, base_url=connector.base_url, path=operation.path, key=key)
    try:
        refusal = place(operation, parameters, draft)
    except ExpressionError as error:  # an envelope whose content is not base64
        return UnbuildableRequest(code=error.code, message=error.message)
    if refusal is not None:
        return refusal
    return _finish(connector, operation, draft, connection_parameters, sign_in)


def build_path_request(
    connector: Connector,
    method: str,
    path: str,
    connection_parameters: Mapping[str, Json],
    *,
    queries: Mapping[str, Json] | None = None,
    headers: Mapping[str, Json] | None = None,
    body: Json = None,
    sign_in: SignInParts = NO_SIGN_IN,
    key: str = "",
) -> HttpRequest | UnbuildableRequest:
    """The request of an ApiConnection action. path: relative to the connector, values encoded by its author."""
    bare_path, _, query = path.partition("?")
    bare_path = quote(bare_path if bare_path.startswith("/") else f"/{bare_path}", safe="/%!$&'()*+,;=:@\\-._~")
    found = match_operation(connector, method, bare_path)
    draft = RequestDraft(method=method.upper() or "GET", base_url=connector.base_url, path=bare_path, key=key)
    if found is not None:
        if found.operation.unsupported:
            return _unsupported(found.operation)
        draft.path, draft.path_values = found.operation.path, dict(found.path_values)
    draft.queries = parse_qsl(query, keep_blank_values=True)
    draft.queries.extend((name, text_of(value)) for name, value in (queries or {}).items() if value is not None)
    for name, value in (headers or {}).items():
        if value is not None and name.lower() not in _NEVER_FROM_A_FLOW:
            draft.set_header(name, text_of(value))
    if body is not None:
        try:
            declared = found.operation.at(Location.BODY) if found is not None else ()
            consumes = found.operation.consumes if found is not None else ()
            draft.body, content_type = body_of(
                body, consumes, *((declared[0].xml, declared[0].name) if declared else ())
            )
        except ExpressionError as error:
            return UnbuildableRequest(code=error.code, message=error.message)
        except ValueError as error:
            return UnbuildableRequest(code="InvalidBody", message=f"The body cannot be written as XML: {error}.")
        if content_type and draft.header("content-type") is None:
            draft.set_header("Content-Type", content_type)
    return _finish(connector, found.operation if found is not None else None, draft, connection_parameters, sign_in)


def allowed_origins(connector: Connector, connection_parameters: Mapping[str, Json]) -> tuple[str, ...]:
    """The origins a credential with these parameters is bound to: of the API, and of its token endpoints.

    A connection keeps them; a call whose request leads elsewhere is refused.
    """
    if connector.protocol in PROTOCOLS:
        server = server_of(connector.protocol, connection_parameters)
        return () if isinstance(server, UnbuildableRequest) else (server.origin,)
    urls = hosts_of(connector, connection_parameters)
    for method in connector.sign_in:
        if method.oauth is not None:
            endpoints = (method.oauth.token_url, method.oauth.refresh_url)
            urls.extend(fill_url(template, connection_parameters) for template in endpoints)
    return tuple(dict.fromkeys(origin for url in urls if (origin := origin_of(url))))


def fill_url(template: str, parameters: Mapping[str, Json]) -> str:
    """A provider's URL with its `{name}` places filled from connection parameters (`name` or `token:name`)."""
    by_name = {key.lower().removeprefix("token:"): text_of(value) for key, value in parameters.items()}
    pieces = template.split("{")
    filled = pieces[0]
    for piece in pieces[1:]:
        name, closing, rest = piece.partition("}")
        filled += (by_name.get(name.lower(), "") if closing else "{" + name) + rest
    return filled


def _unsupported(operation: Operation) -> UnbuildableRequest:
    code, _, message = operation.unsupported.partition(": ")
    return UnbuildableRequest(code=code, message=message[:1].upper() + message[1:])


def _finish(
    connector: Connector,
    operation: Operation | None,
    draft: RequestDraft,
    connection_parameters: Mapping[str, Json],
    sign_in: SignInParts,
) -> HttpRequest | UnbuildableRequest:
    if operation is not None and operation.request_mapping is not None:
        refusal = map_request(operation.request_mapping, operation.parameters, draft, connection_parameters)
        if refusal is not None:
            return refusal
    for name, value in sign_in.headers.items():
        draft.set_header(name, value)
    for name, value in sign_in.queries.items():
        draft.set_query(name, value)
    operation_id = operation.operation_id if operation is not None else ""
    try:
        refusal = apply_policies(connector, operation_id, draft, connection_parameters)
    except ExpressionError as error:
        return UnbuildableRequest(code=error.code, message=error.message)
    if refusal is not None:
        return refusal
    path = draft.path
    for name, value in draft.path_values.items():
        path = path.replace("{" + name + "}", value)
    if "{" in path:
        name = path.partition("{")[2].partition("}")[0]
        return UnbuildableRequest(
            code="MissingParameter", message=f"The path of the request needs a value for '{name}'."
        )
    path = quote(path, safe="/%!$&'()*+,;=:@\\-._~")
    lookups = tuple(_signed_in(lookup, sign_in, draft.base_url) for lookup in draft.lookups)
    refusal = _check(draft.method, path, draft.headers)
    for lookup in lookups:
        asked = lookup.request
        refusal = refusal or _check(asked.method, urlsplit(asked.url).path, asked.headers)
    if refusal is not None:
        return refusal
    url = draft.base_url + path
    if draft.queries:
        url += "?" + "&".join(f"{quote(name, safe='$')}={quote(value, safe='')}" for name, value in draft.queries)
    if not origin_of(url) or origin_of(url) != origin_of(draft.base_url):
        return UnbuildableRequest(code="InvalidHost", message="The connector names no valid host for this request.")
    return HttpRequest(
        method=draft.method,
        url=url,
        headers=draft.headers,
        body=draft.body,
        client_certificate=sign_in.client_certificate,
        lookups=lookups,
        answer=draft.answer,
        arguments=draft.arguments,
    )


def _check(method: str, path: str, headers: Mapping[str, str]) -> UnbuildableRequest | None:
    refusal = check_method(method) or check_path(path)
    for name, value in headers.items():
        refusal = refusal or check_header(name, value)
    return refusal


def _signed_in(lookup: ValueLookup, sign_in: SignInParts, base_url: str) -> ValueLookup:
    """A lookup signed in as the request it serves, at the same host where it names none."""
    url = lookup.request.url
    url = f"{base_url}{url}" if url.startswith("/") else url
    for name, value in sign_in.queries.items():
        url += f"{'&' if '?' in url else '?'}{quote(name, safe='$')}={quote(value, safe='')}"
    headers = {**lookup.request.headers, **(sign_in.headers if lookup.is_placeholder else {})}
    request = replace(lookup.request, url=url, headers=headers, client_certificate=sign_in.client_certificate)
    return replace(lookup, request=request)
