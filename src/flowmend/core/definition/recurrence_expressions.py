"""Expressions in a recurrence: `"interval": "@parameters('minutes')"`, computed before any run begins.

They see the flow's parameters and what functions make of fixed values. There is no event, action or run yet, and the
time at which a trigger is scheduled is no part of what it says, so everything else is refused, as the service does when
the flow is saved (wdl.md §2, §3).
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from flowmend.core.definition.findings import Findings
from flowmend.core.definition.flow import Flow, Trigger
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.definition.parameters_alone import MissingValue, ParametersAlone
from flowmend.core.errors import ExpressionError
from flowmend.core.expression import compile_template
from flowmend.core.json_value import Json

_WHO = "A recurrence"
#: Parts of a recurrence go no deeper: `schedule.monthlyOccurrences[0].day`.
_DEEPEST = 8
#: Of these triggers the inputs say when they fire too: a window's delay.
_TIMED_BY_INPUTS = frozenset({"SlidingWindow"})


def with_evaluated_recurrences(flow: Flow, parameters: Mapping[str, Json], *, unknown: Collection[str] = ()) -> Flow:
    """The flow with what its triggers' recurrences come to; what does not compute stays as it is written.

    parameters: values by name, defaults applied. unknown: names of those that nobody has given a value. Where nothing is
    computed the flow itself is given back.
    """
    triggers = {
        name: evaluated_trigger(one, parameters, unknown=unknown) for name, one in flow.definition.triggers.items()
    }
    if all(triggers[name] is one for name, one in flow.definition.triggers.items()):
        return flow
    return replace(flow, definition=replace(flow.definition, triggers=triggers))


def evaluated_trigger(
    trigger: Trigger,
    parameters: Mapping[str, Json],
    *,
    unknown: Collection[str] = (),
    findings: Findings | None = None,
) -> Trigger:
    """The trigger with what its recurrence comes to. parameters, unknown: as above.

    findings: told of each part that does not compute; it stays as it is written.
    """
    evaluator = _Evaluator(ParametersAlone(_WHO, parameters, unknown), findings or Findings())
    changes: dict[str, Json] = {}
    for part in ("recurrence", "inputs"):
        written = getattr(trigger, part)
        if part == "inputs" and trigger.type not in _TIMED_BY_INPUTS:
            continue
        value = evaluator.evaluate(written, pointer_to(trigger.pointer, part), 0)
        if value != written:
            changes[part] = value
    return replace(trigger, **changes) if changes else trigger


class _Evaluator:
    def __init__(self, scope: ParametersAlone, findings: Findings) -> None:
        self._scope = scope
        self._findings = findings

    def evaluate(self, value: Json, pointer: str, depth: int) -> Json:
        if isinstance(value, str):
            return self._text(value, pointer) if "@" in value else value
        if depth < _DEEPEST and isinstance(value, Mapping):
            return {key: self.evaluate(inner, pointer_to(pointer, key), depth + 1) for key, inner in value.items()}
        if depth < _DEEPEST and isinstance(value, list):
            return [self.evaluate(inner, pointer_to(pointer, index), depth + 1) for index, inner in enumerate(value)]
        return value

    def _text(self, text: str, pointer: str) -> Json:
        try:
            return compile_template(text).evaluate(self._scope)
        except MissingValue as missing:
            self._findings.warning(
                "MissingRecurrenceValue",
                pointer,
                f"When the trigger fires depends on parameter '{missing.name}', which has no value.",
                "Give the parameter a value.",
            )
        except ExpressionError as error:
            self._findings.error(
                "InvalidRecurrenceExpression", pointer, error.message, "Use parameters and fixed values alone."
            )
        return text
