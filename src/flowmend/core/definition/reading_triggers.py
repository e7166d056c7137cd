"""Triggers, from JSON to values."""

from collections.abc import Mapping

from flowmend.core.definition.findings import Findings
from flowmend.core.definition.flow import EMPTY, Trigger
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.definition.step_settings import read_object, read_operation_options, read_runtime_configuration
from flowmend.core.definition.trigger_types import TRIGGER_KINDS, trigger_type
from flowmend.core.json_value import Json

_MOST_TRIGGERS = 10


def read_triggers(raw: Json, pointer: str, findings: Findings) -> dict[str, Trigger]:
    """`{name: Trigger}` in document order; an entry that is no trigger at all is reported and left out."""
    if raw is not None and not isinstance(raw, Mapping):
        findings.error("InvalidTriggers", pointer, "'triggers' is not an object of triggers by name.")
        return {}
    entries = raw or EMPTY
    if not entries:
        findings.error("MissingTrigger", pointer, "The flow has no trigger, so nothing can start it.", "Add a trigger.")
    if len(entries) > _MOST_TRIGGERS:
        findings.warning("LimitExceeded", pointer, f"{len(entries)} triggers are over the limit of {_MOST_TRIGGERS}.")
    triggers = {}
    for name, node in entries.items():
        trigger = _read_trigger(name, node, pointer_to(pointer, name), findings)
        if trigger is not None:
            triggers[name] = trigger
    return triggers


def _read_trigger(name: str, node: Json, pointer: str, findings: Findings) -> Trigger | None:
    if not isinstance(node, Mapping):
        findings.error("InvalidTrigger", pointer, f"Trigger '{name}' is not an object.", "Give it a 'type'.")
        return None
    written = node.get("type")
    if not isinstance(written, str) or not written.strip():
        findings.error(
            "MissingType", pointer, f"Trigger '{name}' has no 'type'.", 'Give its type, for example "Request".'
        )
        return None
    known = trigger_type(written.strip())
    kind = node.get("kind")
    recurrence = read_object(node.get("recurrence"), pointer_to(pointer, "recurrence"), "recurrence", findings)
    if known is not None and known.name == "Recurrence" and not recurrence:
        findings.error("MissingRecurrence", pointer, f"Trigger '{name}' of type Recurrence has no 'recurrence'.")
    return Trigger(
        name=name,
        type=known.name if known else written,
        pointer=pointer,
        kind=TRIGGER_KINDS.get(kind.lower(), kind) if isinstance(kind, str) else "",
        inputs=node.get("inputs"),
        recurrence=recurrence,
        conditions=_read_conditions(node.get("conditions"), pointer_to(pointer, "conditions"), findings),
        split_on=node.get("splitOn"),
        runtime=read_runtime_configuration(
            node.get("runtimeConfiguration"), pointer_to(pointer, "runtimeConfiguration"), findings
        ),
        operation_options=read_operation_options(
            node.get("operationOptions"), pointer_to(pointer, "operationOptions"), findings
        ),
        correlation=read_object(node.get("correlation"), pointer_to(pointer, "correlation"), "correlation", findings),
        metadata=read_object(node.get("metadata"), pointer_to(pointer, "metadata"), "metadata", findings),
        raw=node,
    )


def _read_conditions(raw: Json, pointer: str, findings: Findings) -> tuple[Json, ...]:
    """The expressions of `[{expression}]`, all of which must be true."""
    if raw is None:
        return ()
    if not isinstance(raw, list):
        findings.error("InvalidConditions", pointer, "'conditions' is not a list.")
        return ()
    conditions = []
    for index, condition in enumerate(raw):
        expression = condition.get("expression") if isinstance(condition, Mapping) else condition
        if isinstance(expression, str | Mapping):
            conditions.append(expression)
        else:
            findings.error("InvalidConditions", pointer_to(pointer, index), "The condition has no 'expression'.")
    return tuple(conditions)
