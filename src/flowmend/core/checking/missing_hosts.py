"""What steps call that is not there: a function or API without an address, a sign-in nobody built yet."""

from collections.abc import Iterator, Mapping

from flowmend.core.checking.expressions import is_literal
from flowmend.core.connector.http_action import AUTHENTICATION_TYPES
from flowmend.core.definition.action_types import action_type
from flowmend.core.definition.findings import Findings
from flowmend.core.definition.flow import Action, Flow, Trigger
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.json_value import Json

# Where an action of the type names its connection, and which field of that says the address.
_ADDRESSES: Mapping[str, tuple[str, str, str]] = {
    "Function": ("function", "connectionName", "triggerUrl"),
    "ApiManagement": ("apiManagement", "connection", "baseUrl"),
}
_HTTP_TYPES = frozenset({"Http", "HttpWebhook", "Function", "ApiManagement"})


def check_missing_hosts(flow: Flow, findings: Findings) -> None:
    """Report calls whose address is nowhere, and inline sign-ins that Flowmend does not perform yet."""
    for action in flow.definition.walk():
        _check_address(flow, action, findings)
    steps: tuple[Action | Trigger, ...] = (*flow.definition.triggers.values(), *flow.definition.walk())
    for step in steps:
        for kind, pointer in _inline_sign_ins(step):
            if kind.lower() not in AUTHENTICATION_TYPES:
                findings.warning(
                    "MissingSignIn",
                    pointer,
                    f"'{step.name}' signs in by {kind}, which Flowmend cannot do yet; its calls will fail.",
                    "Use Basic or Raw, or a connection.",
                )


def _check_address(flow: Flow, action: Action, findings: Findings) -> None:
    known, place = action_type(action.type), _ADDRESSES.get(action.type)
    if known is None or place is None or not isinstance(action.inputs, Mapping):
        return
    section, name, field = place
    named = action.inputs.get(section)
    # Consumption names the resource, Standard a connection of the app.
    key = str(named.get(name) or named.get("id") or "") if isinstance(named, Mapping) else ""
    references = flow.connection_references
    declared = references.get(f"{section}Connections/{key}") or references.get(key)
    address = declared.raw.get(field) if declared is not None else None
    if not isinstance(address, str) or not address.startswith("http"):
        findings.warning(
            known.missing_code,
            pointer_to(action.pointer, "inputs"),
            f"'{action.name}' of type {action.type} calls '{key.rpartition('/')[2] or '?'}', whose address is nowhere in the file.",
            f"Give '{field}' in the connections of the app the flow comes from, or call it with an Http action.",
        )


def _inline_sign_ins(step: Action | Trigger) -> Iterator[tuple[str, str]]:
    """(type, pointer) of each inline `authentication` whose type is written out."""
    if step.type not in _HTTP_TYPES or not isinstance(step.inputs, Mapping):
        return
    pointer = pointer_to(step.pointer, "inputs")
    holders: list[tuple[Json, str]] = [(step.inputs, pointer)]
    holders += [(step.inputs.get(key), pointer_to(pointer, key)) for key in ("subscribe", "unsubscribe")]
    for holder, place in holders:
        authentication = holder.get("authentication") if isinstance(holder, Mapping) else None
        kind = authentication.get("type") if isinstance(authentication, Mapping) else None
        if isinstance(kind, str) and is_literal(kind):
            yield kind, pointer_to(place, "authentication")
