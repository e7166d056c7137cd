"""What a call is made of: an outward action's evaluated inputs, without its secrets.

Evaluating and making the call (`call_making`) are apart because a repeat sends exactly the inputs that were journalled.
Only the authentication is evaluated each time: it is never journalled, the record shows it sanitized.
"""

from collections.abc import Mapping

import msgspec

from flowmend.core.errors import ExpressionError
from flowmend.core.json_value import Json
from flowmend.core.run.compiling import Node
from flowmend.core.run.scope import RunScope
from flowmend.core.run.views import SANITIZED

#: Inputs that are evaluated by themselves or not at all.
_APART = frozenset({"authentication", "retryPolicy", "schema"})

#: Types whose `host` names a connection, told by its reference.
_CONNECTORS = frozenset({"ApiConnection", "OpenApiConnection", "ApiConnectionWebhook", "OpenApiConnectionWebhook"})

#: Parts of an authentication that are no secrets (wdl.md §4, Http).
_SHOWN_PARTS = frozenset({"type", "username", "tenant", "audience", "clientId", "authority", "identity"})

#: The two requests of an HttpWebhook, each with an authentication of its own.
SUBSCRIBE = "subscribe"
UNSUBSCRIBE = "unsubscribe"


class CallInputs(msgspec.Struct, frozen=True, kw_only=True):
    """recorded: as the journal and people see them. authentication: with its secrets, for the call alone."""

    recorded: dict[str, Json]
    authentication: Json


def evaluate_inputs(node: Node, scope: RunScope, *, is_mock: bool = False) -> CallInputs:
    """The inputs of an outward action. is_mock: nothing is sent, so a missing address does not matter.

    Errors: ExpressionError, also where the inputs make no call.
    """
    if node.type == "HttpWebhook":
        called = evaluate_request(node, scope, SUBSCRIBE)
        if not is_mock:
            _require_address(node, called.recorded)
        return CallInputs(recorded={SUBSCRIBE: called.recorded}, authentication=called.authentication)
    raw = node.action.inputs
    if isinstance(raw, Mapping):
        is_connector = node.type in _CONNECTORS
        apart = _APART | {"host"} if is_connector else _APART
        template = node.template("call", {key: value for key, value in raw.items() if key not in apart})
        recorded = dict(template.evaluate(scope))
        if is_connector and "host" in raw:
            recorded["host"] = _recorded_host(node, raw["host"])
        authentication = evaluate_authentication(node, scope)
        if is_connector and raw.get("authentication") is not None:
            recorded["authentication"] = SANITIZED
    else:
        inputs = node.template("inputs", raw).evaluate(scope)
        if not isinstance(inputs, dict):
            raise ExpressionError(f"The inputs of action '{node.name}' are not an object.")
        recorded = {key: value for key, value in inputs.items() if key not in _APART}
        authentication = inputs.get("authentication")
    if node.type == "Http" and not is_mock:
        _require_address(node, recorded)
    if authentication is not None:
        recorded["authentication"] = _sanitized(authentication)
    return CallInputs(recorded=recorded, authentication=authentication)


def evaluate_request(node: Node, scope: RunScope, part: str) -> CallInputs:
    """One of the two requests of an HttpWebhook, `{method, uri, headers, body}`. Errors: ExpressionError."""
    raw = _request(node, part)
    template = node.template(part, {key: value for key, value in raw.items() if key not in _APART})
    recorded = dict(template.evaluate(scope))
    recorded.setdefault("method", "POST")
    authentication = evaluate_authentication(node, scope, part)
    if authentication is not None:
        recorded["authentication"] = _sanitized(authentication)
    return CallInputs(recorded=recorded, authentication=authentication)


def evaluate_authentication(node: Node, scope: RunScope, part: str = "") -> Json:
    """The authentication an action's inputs say, with its secrets; None for none. Errors: ExpressionError.

    A connector's is none: its connection signs in, and what Power Automate writes there, such as a token of its gateway in
    a header of the trigger, is nowhere else. part: of an HttpWebhook, which of its requests.
    """
    if node.type in _CONNECTORS:
        return None
    raw = node.action.inputs
    if not isinstance(raw, Mapping):
        inputs = node.template("inputs", raw).evaluate(scope)
        return inputs.get("authentication") if isinstance(inputs, dict) else None
    if node.type == "HttpWebhook":
        part = part or SUBSCRIBE
        raw = _request(node, part)
    authentication = raw.get("authentication")
    if authentication is None:
        return None
    return node.template(f"{part}.authentication", authentication).evaluate(scope)


def written_policy(node: Node) -> Json:
    """The retry policy as the action writes it, None where it writes none."""
    inputs = node.action.inputs
    if isinstance(inputs, Mapping) and node.type == "HttpWebhook":
        inputs = inputs.get(SUBSCRIBE)
    return inputs.get("retryPolicy") if isinstance(inputs, Mapping) else None


def _request(node: Node, part: str) -> Mapping[str, Json]:
    inputs = node.action.inputs
    raw = inputs.get(part) if isinstance(inputs, Mapping) else None
    if not isinstance(raw, Mapping):
        raise ExpressionError(f"The '{part}' of action '{node.name}' is not an object with 'method' and 'uri'.")
    return raw


def _recorded_host(node: Node, host: Json) -> Json:
    # The connection is told by its reference, not by an id in a parameter; the service records it so too.
    if not isinstance(host, Mapping) or not node.type.startswith("OpenApi"):
        return host
    kept = {key: value for key, value in host.items() if key != "connectionName"}
    return kept | {"connectionReferenceName": node.reference}


def _require_address(node: Node, recorded: Mapping[str, Json]) -> None:
    for key in ("method", "uri"):
        value = recorded.get(key)
        if not isinstance(value, str) or not value:
            raise ExpressionError(f"The '{key}' of action '{node.name}' is not a text with something in it.")


def _sanitized(authentication: Json) -> Json:
    if not isinstance(authentication, Mapping):
        return SANITIZED
    return {key: value if key in _SHOWN_PARTS else SANITIZED for key, value in authentication.items()}
