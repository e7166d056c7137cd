"""The call that recorded inputs mean, by the type of the action."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from flowmend.core.definition.action_types import action_type
from flowmend.core.definition.connection_references import connection_key, connector_name
from flowmend.core.definition.flow import ConnectionReference
from flowmend.core.expression import to_text
from flowmend.core.json_value import Json
from flowmend.core.run.call_inputs import SUBSCRIBE
from flowmend.core.run.compiling import CompiledFlow, Node
from flowmend.core.run.events import BatchCall, Call, ChildCall, ConnectorCall, HttpCall, TypedCall

Recorded = Mapping[str, Json]

#: What a caller and a child flow may be told apart by: `…/workflows/{name}`, also with a trigger behind it.
_WORKFLOWS = "/workflows/"


def call_of(compiled: CompiledFlow, node: Node, recorded: Recorded, authentication: Json) -> Call:
    """The call that recorded inputs and an authentication mean."""
    make = _CALLS.get(node.type)
    if make is None:
        return TypedCall(type=node.type, inputs=dict(recorded), code=_missing(node))
    return make(compiled, node, recorded, authentication)


def http_call(node: Node, recorded: Recorded, authentication: Json, part: str = "") -> HttpCall:
    """The request that `{method, uri, headers, queries, body}` means. part: of an HttpWebhook, which of its requests."""
    return HttpCall(
        method=to_text(recorded.get("method")),
        uri=to_text(recorded.get("uri")),
        headers=_object(recorded.get("headers")),
        queries=_object(recorded.get("queries")),
        body=recorded.get("body"),
        has_body="body" in recorded,
        authentication=authentication,
        embedded=node.embedded(part) if authentication else "",
        options=node.action.operation_options,
        minimum_items=node.action.runtime.minimum_item_count,
        is_chunked=node.action.runtime.is_chunked and not node.is_webhook,
    )


def _http(_compiled: CompiledFlow, node: Node, recorded: Recorded, authentication: Json) -> Call:
    return http_call(node, recorded, authentication)


def _http_webhook(_compiled: CompiledFlow, node: Node, recorded: Recorded, authentication: Json) -> Call:
    return http_call(node, _object(recorded.get(SUBSCRIBE)), authentication, SUBSCRIBE)


def _open_api(compiled: CompiledFlow, node: Node, recorded: Recorded, _authentication: Json) -> Call:
    host = _object(recorded.get("host"))
    reference, connector = _connection(compiled, node, recorded, str(host.get("apiId") or ""))
    return ConnectorCall(
        reference=reference,
        connector=connector,
        operation_id=str(host.get("operationId") or ""),
        parameters=_object(recorded.get("parameters")),
        options=node.action.operation_options,
        minimum_items=node.action.runtime.minimum_item_count,
        is_chunked=node.action.runtime.is_chunked and not node.is_webhook,
    )


def _api(compiled: CompiledFlow, node: Node, recorded: Recorded, _authentication: Json) -> Call:
    host = _object(recorded.get("host"))
    reference, connector = _connection(compiled, node, recorded, str(host.get("apiId") or ""))
    return ConnectorCall(
        reference=reference,
        connector=connector,
        method=str(recorded.get("method") or ("post" if node.is_webhook else "get")),
        path=str(recorded.get("path") or ""),
        queries=_object(recorded.get("queries")),
        headers=_object(recorded.get("headers")),
        body=recorded.get("body"),
        options=node.action.operation_options,
        minimum_items=node.action.runtime.minimum_item_count,
        is_chunked=node.action.runtime.is_chunked and not node.is_webhook,
    )


def _service_provider(compiled: CompiledFlow, node: Node, recorded: Recorded, _authentication: Json) -> Call:
    configuration = _object(recorded.get("serviceProviderConfiguration"))
    provider = str(configuration.get("serviceProviderId") or "").rstrip("/").rpartition("/")[2].lower()
    reference, connector = _connection(compiled, node, recorded, "")
    return ConnectorCall(
        reference=reference,
        connector=connector if node.reference else f"serviceproviders/{provider}",
        operation_id=str(configuration.get("operationId") or ""),
        parameters=_object(recorded.get("parameters")),
        options=node.action.operation_options,
    )


def _function(compiled: CompiledFlow, node: Node, recorded: Recorded, authentication: Json) -> Call:
    """A request to the function's own URL, where the flow's connections say it."""
    named = str(_object(recorded.get("function")).get("connectionName") or "")
    declared = _declared(compiled, "functionConnections", named)
    url = declared.raw.get("triggerUrl") if declared is not None else None
    if not isinstance(url, str) or not url.startswith("http"):
        return TypedCall(type=node.type, inputs=dict(recorded), code=_missing(node))
    return http_call(node, {"method": "POST", **recorded, "uri": url}, authentication)


def _api_management(compiled: CompiledFlow, node: Node, recorded: Recorded, authentication: Json) -> Call:
    """A request to the API's own URL, where the flow's connections say it."""
    named = str(_object(recorded.get("apiManagement")).get("connection") or "")
    declared = _declared(compiled, "apiManagementConnections", named)
    base = declared.raw.get("baseUrl") if declared is not None else None
    if not isinstance(base, str) or not base.startswith("http"):
        return TypedCall(type=node.type, inputs=dict(recorded), code=_missing(node))
    template = _object(recorded.get("pathTemplate"))
    path = str(template.get("template") or "")
    for name, value in _object(template.get("parameters")).items():
        path = path.replace(f"{{{name}}}", to_text(value))
    uri = f"{base.rstrip('/')}/{path.lstrip('/')}"
    return http_call(node, {"method": "GET", **recorded, "uri": uri}, authentication)


def _workflow(_compiled: CompiledFlow, node: Node, recorded: Recorded, _authentication: Json) -> Call:
    return ChildCall(
        flow=_flow_named(recorded),
        trigger=_trigger_named(recorded),
        headers=_object(recorded.get("headers")),
        body=recorded.get("body"),
        has_body="body" in recorded,
        is_awaited="disableasyncpattern" not in node.action.operation_options,
    )


def _send_to_batch(_compiled: CompiledFlow, _node: Node, recorded: Recorded, _authentication: Json) -> Call:
    return BatchCall(
        flow=_flow_named(recorded),
        trigger=_trigger_named(recorded),
        batch=to_text(recorded.get("batchName")),
        partition=to_text(recorded.get("partitionName")) or "DEFAULT",
        message_id=to_text(recorded.get("messageId")),
        content=recorded.get("content"),
    )


_CALLS: Mapping[str, Callable[[CompiledFlow, Node, Recorded, Json], Call]] = MappingProxyType(
    {
        "Http": _http,
        "HttpWebhook": _http_webhook,
        "ApiConnection": _api,
        "ApiConnectionWebhook": _api,
        "OpenApiConnection": _open_api,
        "OpenApiConnectionWebhook": _open_api,
        "ServiceProvider": _service_provider,
        "Function": _function,
        "ApiManagement": _api_management,
        "Workflow": _workflow,
        "SendToBatch": _send_to_batch,
    }
)

#: The types whose calls can be made.
CALLED_TYPES = frozenset(_CALLS)


def _connection(compiled: CompiledFlow, node: Node, recorded: Recorded, api_id: str) -> tuple[str, str]:
    """(reference, connector) of a connector action."""
    reference = node.reference or connection_key(recorded) or ""
    declared = compiled.flow.connection_references.get(reference)
    return reference, declared.connector if declared else connector_name(api_id or reference)


def _declared(compiled: CompiledFlow, section: str, key: str) -> ConnectionReference | None:
    references = compiled.flow.connection_references
    return references.get(f"{section}/{key}") or references.get(key)


def _missing(node: Node) -> str:
    known = action_type(node.type)
    return known.missing_code if known is not None and known.missing_code else "UnsupportedAction"


def _flow_named(recorded: Recorded) -> str:
    """A child flow's id or name, in the spellings of wdl.md §4: a resource id, a reference name, or the bare name."""
    host = _object(recorded.get("host"))
    named = host.get("workflowReferenceName")
    workflow = host.get("workflow")
    if named is None:
        named = _object(workflow).get("id") or _object(workflow).get("name") if workflow is not None else host.get("id")
    text = to_text(named).rstrip("/")
    _, found, rest = text.rpartition(_WORKFLOWS)
    return rest.partition("/")[0] if found else text.rpartition("/")[2]


def _trigger_named(recorded: Recorded) -> str:
    return to_text(_object(recorded.get("host")).get("triggerName"))


def _object(value: Json) -> dict[str, Json]:
    return dict(value) if isinstance(value, Mapping) else {}
