"""Which parts of which actions are not to be shown: what is marked as secure, and whoever reads it.

Hidden outputs are hidden as the inputs of their readers too (wdl.md §4). An action that only passes on what it
reads, such as Compose or a variable, hides its outputs with its inputs, and so its readers in turn.
Source: learn.microsoft.com/azure/logic-apps/logic-apps-securing-a-logic-app#obfuscate

Reading is recognised by what an expression calls, as text: that hides rather too much than too little.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from flowmend.core.definition.action_types import ACTION_TYPES, Effect
from flowmend.core.definition.flow import Action, Flow
from flowmend.core.json_value import Json

#: What answers of their own come from; their outputs are hidden only where that is asked for.
_CALLS = frozenset(one.name for one in ACTION_TYPES.values() if one.effect in {Effect.CALL, Effect.CALLBACK})


@dataclass(frozen=True, slots=True)
class Secrecy:
    """parts: `{action name: ("inputs", "outputs")}`, actions with nothing to hide left out. names: texts that read a secret."""

    parts: Mapping[str, tuple[str, ...]]
    names: frozenset[str]

    def is_mentioned(self, raw: Json) -> bool:
        """Whether a part of the definition reads a secret."""
        if not self.names:
            return False
        text = _text(raw)
        return any(name in text for name in self.names)


def find_secrets(flow: Flow) -> Secrecy:
    """What each action of a flow is to hide."""
    names = _declared(flow)
    actions = list(flow.definition.walk())
    hidden: dict[str, tuple[str, ...]] = {}
    if not names and not any(action.runtime.secure_inputs for action in actions):
        return Secrecy(hidden, frozenset())
    texts = {action.name: _text([action.inputs, action.foreach]) for action in actions}
    read_as_item: set[str] = set()  # actions inside a loop over something secret
    known = -1
    while known != len(names) + len(read_as_item):
        known = len(names) + len(read_as_item)
        for action in actions:
            text = texts[action.name]
            reads = any(name in text for name in names) or (action.name in read_as_item and "item()" in text)
            hides_inputs = action.runtime.secure_inputs or reads
            hides_outputs = action.runtime.secure_outputs or (hides_inputs and action.type not in _CALLS)
            marks = (("inputs", hides_inputs), ("outputs", hides_outputs))
            parts = tuple(part for part, is_hidden in marks if is_hidden)
            if parts:
                hidden[action.name] = parts
            if hides_outputs:
                names |= _names_of(action)
                if action.type == "Foreach":
                    read_as_item.update(inner.name for inner in action.walk())
    return Secrecy(hidden, frozenset(names))


def _declared(flow: Flow) -> set[str]:
    names: set[str] = set()
    for action in flow.definition.walk():
        if action.runtime.secure_outputs:
            names |= _names_of(action)
    if any(trigger.runtime.secure_outputs for trigger in flow.definition.triggers.values()):
        names |= {"triggerbody(", "triggeroutputs(", "trigger(", "triggerformdata", "triggermultipart"}
    for parameter in flow.definition.parameters.values():
        # `$authentication` is read by nothing but the sign-in of connectors, which is never recorded.
        if parameter.is_secret and parameter.name != "$authentication":
            names.add(f"parameters('{parameter.name.lower()}')")
    return names


def _names_of(action: Action) -> set[str]:
    if action.type == "Foreach":
        return {f"items('{action.name.lower()}')"}
    names = {f"('{action.name.lower()}'"}
    if action.type.endswith("Variable") and isinstance(action.inputs, Mapping):
        declared = action.inputs.get("variables")
        for variable in declared if isinstance(declared, list) else [action.inputs]:
            if isinstance(variable, Mapping) and isinstance(variable.get("name"), str):
                names.add(f"variables('{variable['name'].lower()}')")
    return names


def _text(raw: Json) -> str:
    return json.dumps(raw, default=str, ensure_ascii=False).lower().replace(" ", "")
