"""The requests a trigger makes by itself: the poll, or the requests of its subscription, with its inputs evaluated."""

from collections.abc import Mapping

import msgspec

from flowmend.core.definition.connection_references import connection_key, find_reference
from flowmend.core.definition.flow import Action, Trigger
from flowmend.core.json_value import Json
from flowmend.core.run import Call, ConnectorCall, HttpCall, new_state
from flowmend.core.run.call_inputs import evaluate_inputs, evaluate_request
from flowmend.core.run.call_making import call_of, http_call
from flowmend.core.run.compiling import Branch, Node
from flowmend.core.run.naming import run_name
from flowmend.core.run.scope import RunScope
from flowmend.use_cases.loaded_flows import LoadedFlow
from flowmend.use_cases.ports import Services
from flowmend.use_cases.start_run import new_start

#: The parts of a trigger that is told that there is news, and then fetches it.
FETCH = "fetch"
SUBSCRIBE = "subscribe"

#: Where a service would call that cannot: the URL of a trigger that is polled instead.
_NOBODY_CALLS = "about:blank"

_AS_ACTION: Mapping[str, str] = {
    "ApiConnectionNotification": "ApiConnection",
    "OpenApiConnectionNotification": "OpenApiConnection",
}


def polling_call(services: Services, loaded: LoadedFlow, trigger: Trigger) -> Call:
    """The request a trigger polls by. Errors: ExpressionError; AskedWrongly where a parameter has no value."""
    node = _node(loaded, trigger, _part_of(trigger.inputs, FETCH))
    scope = trigger_scope(services, loaded, trigger, callback=_NOBODY_CALLS if node.is_webhook else "")
    inputs = evaluate_inputs(node, scope)
    return call_of(loaded.compiled, node, inputs.recorded, inputs.authentication)


def subscribing_call(services: Services, loaded: LoadedFlow, trigger: Trigger, callback: str) -> Call:
    """The request that subscribes a trigger. callback: stands for the callback URL. Errors: as `polling_call`."""
    node = _node(loaded, trigger, _part_of(trigger.inputs, SUBSCRIBE) if _is_notified(trigger) else trigger.inputs)
    scope = trigger_scope(services, loaded, trigger, callback=callback)
    if trigger.type == "HttpWebhook":
        return _request_of(node, scope, SUBSCRIBE)
    inputs = evaluate_inputs(node, scope)
    call = call_of(loaded.compiled, node, inputs.recorded, inputs.authentication)
    if isinstance(call, ConnectorCall):
        method = call.method if _says_method(node) or not call.path else "post"
        call = msgspec.structs.replace(call, notification_url=callback, method=method)
    return call


def unsubscribing_call(
    services: Services, loaded: LoadedFlow, trigger: Trigger, callback: str, subscribed: Json
) -> HttpCall | None:
    """The request that an HttpWebhook trigger writes out for its end; None where it writes none.

    subscribed: the outputs of the subscribing call, which its expressions may read. Errors: as `polling_call`.
    """
    inputs = trigger.inputs
    if trigger.type != "HttpWebhook" or not isinstance(inputs, Mapping) or not inputs.get("unsubscribe"):
        return None
    scope = trigger_scope(services, loaded, trigger, callback=callback, outputs=subscribed)
    return _request_of(_node(loaded, trigger, inputs), scope, "unsubscribe")


def trigger_scope(
    services: Services, loaded: LoadedFlow, trigger: Trigger, *, callback: str = "", outputs: Json = None
) -> RunScope:
    """What the expressions in a trigger's inputs see: the parameters, the flow, and nothing of a run."""
    view: dict[str, Json] = {"name": trigger.name, **({} if outputs is None else {"outputs": outputs})}
    name = run_name(services.clock.ticks(), services.clock.draw())
    start = new_start(services, loaded, trigger=view, name=name, client_tracking_id=name)
    return RunScope(new_state(loaded.compiled, start), services.clock, (), (), callback_url=callback)


def _request_of(node: Node, scope: RunScope, part: str) -> HttpCall:
    request = evaluate_request(node, scope, part)
    return http_call(node, request.recorded, request.authentication, part)


def _says_method(node: Node) -> bool:
    return isinstance(node.action.inputs, Mapping) and bool(node.action.inputs.get("method"))


def _is_notified(trigger: Trigger) -> bool:
    return trigger.type.endswith("Notification")


def _part_of(inputs: Json, part: str) -> Json:
    """A part of a notified trigger's inputs with the connection that is written beside it; other inputs as they are."""
    inner = inputs.get(part) if isinstance(inputs, Mapping) else None
    if not isinstance(inner, Mapping):
        return inputs
    return {"host": inputs.get("host"), **inner}


def _node(loaded: LoadedFlow, trigger: Trigger, inputs: Json) -> Node:
    """The trigger as the engine's evaluation of inputs knows actions."""
    kind = _AS_ACTION.get(trigger.type, trigger.type)
    action = Action(
        name=trigger.name,
        type=kind,
        pointer=trigger.pointer,
        inputs=_with_path(inputs),
        runtime=trigger.runtime,
        operation_options=trigger.operation_options,
    )
    key = connection_key(trigger.inputs) or ""
    declared = find_reference(key, loaded.flow.connection_references)
    return Node(
        action=action,
        index=0,
        branch=Branch(number=0, name="triggers", owner=None),
        loops=(),
        name=trigger.name,
        type=kind,
        depth=0,
        is_container=False,
        is_webhook=kind.endswith("Webhook"),
        reference=declared.key if declared else key,
    )


def _with_path(inputs: Json) -> Json:
    """Inputs with the `path` that a `pathTemplate: {template, parameters}` means."""
    written = inputs.get("pathTemplate") if isinstance(inputs, Mapping) else None
    if not isinstance(written, Mapping) or not isinstance(inputs, Mapping):
        return inputs
    path = str(written.get("template") or "")
    given = written.get("parameters")
    for name, value in given.items() if isinstance(given, Mapping) else ():
        text = str(value)
        piece = f"@{{{text[1:]}}}" if text.startswith("@") and not text.startswith(("@{", "@@")) else text
        path = path.replace(f"{{{name}}}", piece)
    return {key: value for key, value in inputs.items() if key != "pathTemplate"} | {"path": path}
