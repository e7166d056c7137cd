"""What a call is made of: an outward action's evaluated inputs, without its secrets, and the call they mean.

The two steps are apart because a repeat sends exactly the inputs that were journalled. Only the
authentication is evaluated each time: it is never journalled, the record shows it sanitized.
"""

from collections.abc import Mapping

import msgspec

from flowmend.core.definition.connection_references import connection_key, connector_name
from flowmend.core.errors import ExpressionError
from flowmend.core.expression import to_text
from flowmend.core.json_value import Json
from flowmend.core.run.compiling import CompiledFlow, Node
from flowmend.core.run.events import Call, ConnectorCall, HttpCall, TypedCall
from flowmend.core.run.scope import RunScope
from flowmend.core.run.views import SANITIZED

#: Inputs that are evaluated by themselves or not at all.
_APART = frozenset({"authentication", "retryPolicy", "schema"})

#: Parts of an authentication that are no secrets (wdl.md §4, Http).
_SHOWN_PARTS = frozenset({"type", "username", "tenant", "audience", "clientId", "authority", "identity"})


class CallInputs(msgspec.Struct, frozen=True, kw_only=True):
    """recorded: as the journal and people see them. authentication: with its secrets, for the call alone."""

    recorded: dict[str, Json]
    authentication: Json


def evaluate_inputs(node: Node, scope: RunScope, *, is_mock: bool = False) -> CallInputs:
    """The inputs of an outward action. is_mock: nothing is sent, so a missing address does not matter.

    Errors: ExpressionError, also where the inputs make no call.
    """
    raw = node.action.inputs
    if isinstance(raw, Mapping):
        is_connector = node.type in {"ApiConnection", "OpenApiConnection"}
        apart = _APART | {"host"} if is_connector else _APART
        template = node.template("call", {key: value for key, value in raw.items() if key not in apart})
        recorded = dict(template.evaluate(scope))
        if is_connector and "host" in raw:
            recorded["host"] = _recorded_host(node, raw["host"])
        authentication = evaluate_authentication(node, scope)
    else:
        inputs = node.template("inputs", raw).evaluate(scope)
        if not isinstance(inputs, dict):
            raise ExpressionError(f"The inputs of action '{node.name}' are not an object.")
        recorded = {key: value for key, value in inputs.items() if key not in _APART}
        authentication = inputs.get("authentication")
    if node.type == "Http" and not is_mock:
        _require_text(node, recorded, "method")
        _require_text(node, recorded, "uri")
    if authentication is not None:
        recorded["authentication"] = _sanitized(authentication)
    return CallInputs(recorded=recorded, authentication=authentication)


def evaluate_authentication(node: Node, scope: RunScope) -> Json:
    """The authentication an action's inputs say, with its secrets; None for none. Errors: ExpressionError."""
    raw = node.action.inputs
    if not isinstance(raw, Mapping):
        inputs = node.template("inputs", raw).evaluate(scope)
        return inputs.get("authentication") if isinstance(inputs, dict) else None
    authentication = raw.get("authentication")
    if authentication is None:
        return None
    return node.template("authentication", authentication).evaluate(scope)


def call_of(compiled: CompiledFlow, node: Node, recorded: Mapping[str, Json], authentication: Json) -> Call:
    """The call that recorded inputs and an authentication mean."""
    if node.type == "Http":
        return HttpCall(
            method=to_text(recorded.get("method")),
            uri=to_text(recorded.get("uri")),
            headers=_object(recorded.get("headers")),
            queries=_object(recorded.get("queries")),
            body=recorded.get("body"),
            has_body="body" in recorded,
            authentication=authentication,
            options=node.action.operation_options,
        )
    if node.type not in {"ApiConnection", "OpenApiConnection"}:
        return TypedCall(type=node.type, inputs=dict(recorded))
    host = _object(recorded.get("host"))
    reference = node.reference or connection_key(recorded) or ""
    declared = compiled.flow.connection_references.get(reference)
    connector = declared.connector if declared else connector_name(str(host.get("apiId") or reference))
    if node.type == "OpenApiConnection":
        return ConnectorCall(
            reference=reference,
            connector=connector,
            operation_id=str(host.get("operationId") or ""),
            parameters=_object(recorded.get("parameters")),
            authentication=authentication,
            options=node.action.operation_options,
        )
    return ConnectorCall(
        reference=reference,
        connector=connector,
        method=str(recorded.get("method") or "get"),
        path=str(recorded.get("path") or ""),
        queries=_object(recorded.get("queries")),
        headers=_object(recorded.get("headers")),
        body=recorded.get("body"),
        authentication=authentication,
        options=node.action.operation_options,
    )


def _recorded_host(node: Node, host: Json) -> Json:
    # The connection is told by its reference, not by an id in a parameter; the service records it so too.
    if not isinstance(host, Mapping) or node.type != "OpenApiConnection":
        return host
    kept = {key: value for key, value in host.items() if key != "connectionName"}
    return kept | {"connectionReferenceName": node.reference}


def _require_text(node: Node, recorded: Mapping[str, Json], key: str) -> None:
    value = recorded.get(key)
    if not isinstance(value, str) or not value:
        raise ExpressionError(f"The '{key}' of action '{node.name}' is not a text with something in it.")


def _sanitized(authentication: Json) -> Json:
    if not isinstance(authentication, Mapping):
        return SANITIZED
    return {key: value if key in _SHOWN_PARTS else SANITIZED for key, value in authentication.items()}


def _object(value: Json) -> dict[str, Json]:
    return dict(value) if isinstance(value, Mapping) else {}
