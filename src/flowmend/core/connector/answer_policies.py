"""What a connector changes about an answer, and what it says of it: policies whose section is the response."""

from collections.abc import Callable, Mapping

from flowmend.core.connector.body_policies import changed_body, changes_body
from flowmend.core.connector.call_mapping import mapped_answer, said_failure
from flowmend.core.connector.draft import text_of
from flowmend.core.connector.mapping_facts import AnswerMapping
from flowmend.core.connector.operation import Connector
from flowmend.core.connector.policy_expressions import PolicyScope, fill
from flowmend.core.json_value import Json
from flowmend.core.outcome import ErrorDetail


def changed_answer(
    connector: Connector,
    operation_id: str,
    outputs: Json,
    connection_parameters: Mapping[str, Json],
    arguments: Mapping[str, Json] | None = None,
) -> Json:
    """The outputs `{statusCode, headers, body}` of a call as its connector wants them seen; the same ones where it does not care.

    A body that is no JSON stays as it is. What its operation's mapping says comes last. arguments: of the call, as its
    mapping names them. Errors: ExpressionError where the answer is not of the form that the connector's data expects.
    """
    if not isinstance(outputs, dict):
        return outputs
    for policy in connector.policies:
        if not policy.is_for_response or not policy.concerns(operation_id):
            continue
        headers, body = outputs.get("headers") or {}, outputs.get("body")
        scope = PolicyScope(connection_parameters=connection_parameters, header=_reading(headers), body=body)
        if policy.template == "setheader":
            name = text_of(policy.parameters.get("name", ""))
            value = fill(text_of(policy.parameters.get("value", "")), scope)
            action = str(policy.parameters.get("existsaction", "override")).lower()
            outputs = {**outputs, "headers": _with_header(headers, name, value, action)}
        elif changes_body(policy.template) and isinstance(body, dict | list):
            outputs = {**outputs, "body": changed_body(policy, body, scope)}
    mapping = _mapping(connector, operation_id, outputs)
    if mapping is None or mapping.body is None:
        return outputs
    return {**outputs, "body": mapped_answer(mapping, outputs, connection_parameters, arguments or {})}


def failure_in(
    connector: Connector,
    operation_id: str,
    outputs: Json,
    connection_parameters: Mapping[str, Json],
    arguments: Mapping[str, Json],
) -> ErrorDetail | None:
    """What a call's outputs, for all their good status, say went wrong. Errors: ExpressionError."""
    mapping = _mapping(connector, operation_id, outputs) if isinstance(outputs, dict) else None
    return said_failure(mapping, outputs, connection_parameters, arguments) if mapping is not None else None


def _mapping(connector: Connector, operation_id: str, outputs: Mapping[str, Json]) -> AnswerMapping | None:
    operation = connector.operations.get(operation_id)
    mapping = operation.answer_mapping if operation is not None else None
    return mapping if mapping is not None and mapping.concerns(outputs.get("statusCode")) else None


def is_refusal(connector: Connector, operation_id: str, status: int) -> bool:
    """Whether the connector says this status means that its credential no longer serves."""
    return any(
        policy.template == "setconnectionstatustounauthenticated"
        and policy.concerns(operation_id)
        and str(policy.parameters.get("statuscode", "")).strip() == str(status)
        for policy in connector.policies
    )


def _reading(headers: Mapping[str, str]) -> Callable[[str], str | None]:
    by_name = {name.lower(): text for name, text in headers.items()}
    return lambda name: by_name.get(name.lower())


def _with_header(headers: Mapping[str, str], name: str, value: str, action: str) -> dict[str, str]:
    present = next((text for key, text in headers.items() if key.lower() == name.lower()), None)
    if not name or not value or (present is not None and action == "skip"):
        return dict(headers)
    kept = {key: text for key, text in headers.items() if key.lower() != name.lower()}
    return {**kept, name: f"{present},{value}" if present is not None and action == "append" else value}
