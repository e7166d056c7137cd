"""Which parts of a step are evaluated, and what each of them may see."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flowmend.core.definition.action_types import action_type
from flowmend.core.definition.flow import Action, Trigger
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.json_value import Json

# Data that only looks like templates: `@` has no meaning in a schema or in program text.
_NOT_EVALUATED = frozenset({"schema", "code"})
# Where `item()` means the element at hand without a loop around the action.
_WITH_ITEM: Mapping[str, frozenset[str]] = {
    "Query": frozenset({"where"}),
    "Select": frozenset({"select"}),
    "Table": frozenset({"columns"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedPart:
    """One value that is evaluated. has_item: `item()` is at hand. sees_inside: the actions of its own branches too."""

    value: Json
    pointer: str
    has_item: bool = False
    sees_inside: bool = False


def evaluated_parts(step: Action | Trigger) -> Iterator[EvaluatedPart]:
    """Everything in a step that may hold expressions."""
    if isinstance(step, Trigger):
        yield from _parts_of_trigger(step)
        return
    yield from _inputs(step)
    known = action_type(step.type)
    if known is not None and known.condition:
        condition = step.foreach if known.condition == "foreach" else step.condition
        is_until = known.name == "Until"
        yield EvaluatedPart(
            value=condition, pointer=pointer_to(step.pointer, known.condition), sees_inside=is_until, has_item=is_until
        )
    yield EvaluatedPart(
        value=dict(step.tracked_properties), pointer=pointer_to(step.pointer, "trackedProperties"), sees_inside=True
    )


def _parts_of_trigger(trigger: Trigger) -> Iterator[EvaluatedPart]:
    yield from _inputs(trigger)
    for index, condition in enumerate(trigger.conditions):
        yield EvaluatedPart(value=condition, pointer=pointer_to(trigger.pointer, "conditions", index, "expression"))
    yield EvaluatedPart(value=trigger.split_on, pointer=pointer_to(trigger.pointer, "splitOn"))
    yield EvaluatedPart(value=dict(trigger.correlation), pointer=pointer_to(trigger.pointer, "correlation"))


def _inputs(step: Action | Trigger) -> Iterator[EvaluatedPart]:
    pointer = pointer_to(step.pointer, "inputs")
    if not isinstance(step.inputs, Mapping) or step.type == "Compose":
        yield EvaluatedPart(value=step.inputs, pointer=pointer)
        return
    for key, value in step.inputs.items():
        if key not in _NOT_EVALUATED:
            has_item = key in _WITH_ITEM.get(step.type, ())
            yield EvaluatedPart(value={key: value}, pointer=pointer, has_item=has_item)
