"""Whether everything an expression refers to exists and can be read there (wdl.md §1 and §2)."""

from collections.abc import Mapping

from flowmend.core.checking.evaluated_parts import EvaluatedPart, evaluated_parts
from flowmend.core.checking.expressions import Reference, read_expressions
from flowmend.core.checking.parameters import GIVEN_PARAMETERS
from flowmend.core.checking.places import Place, Places
from flowmend.core.definition.action_types import action_type
from flowmend.core.definition.findings import Findings
from flowmend.core.definition.flow import Flow, Packaging
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.expression.functions.function import Refers


def check_references(flow: Flow, places: Places, variables: Mapping[str, Place], findings: Findings) -> None:
    """Report expressions that do not parse, and references that lead nowhere or read too early.

    variables: {name in lower case: the action that initialises it}.
    """
    checker = _Checker(flow, places, variables, findings)
    for trigger in flow.definition.triggers.values():
        for part in evaluated_parts(trigger):
            checker.check(part, None)
    for place in places:
        for part in evaluated_parts(place.action):
            checker.check(part, place)
    for name, output in flow.definition.outputs.items():
        value = output.get("value") if isinstance(output, Mapping) else None
        pointer = pointer_to(flow.definition.pointer, "outputs", name, "value")
        checker.check(EvaluatedPart(value=value, pointer=pointer, has_item=True), None)


class _Checker:
    def __init__(self, flow: Flow, places: Places, variables: Mapping[str, Place], findings: Findings) -> None:
        known = (*flow.definition.parameters, *flow.parameter_values)
        self._parameters = {name.lower() for name in known} | GIVEN_PARAMETERS
        self._packaging = flow.packaging
        self._places = places
        self._variables = variables
        self._findings = findings

    def check(self, part: EvaluatedPart, place: Place | None) -> None:
        """place: where the part is evaluated; None for triggers and outputs."""
        is_template = self._packaging is Packaging.ARM
        found = read_expressions(part.value, part.pointer, self._findings, is_template=is_template)
        for reference in dict.fromkeys(found):  # once per string, however often it is named there
            match reference.refers:
                case Refers.ACTION | Refers.RESULT:
                    self._check_action(reference, part, place)
                case Refers.VARIABLE:
                    self._check_variable(reference, place)
                case Refers.PARAMETER:
                    self._check_parameter(reference)
                case Refers.LOOP:
                    self._check_loop(reference, part, place)
                case Refers.ITEM:
                    self._check_item(reference, part, place)
                case _:
                    pass

    def _check_action(self, reference: Reference, part: EvaluatedPart, place: Place | None) -> None:
        if not reference.name:
            return  # `action()` is the action itself
        read = self._places.find(reference.name)
        if read is None:
            self._findings.error(
                "UnknownAction",
                reference.pointer,
                f"There is no action '{reference.name}'.",
                "Name an action of this flow; blanks in its name are written as '_'.",
            )
            return
        if reference.refers is Refers.RESULT and not read.action.branches:
            self._findings.error(
                "InvalidResultReference", reference.pointer, f"'{reference.name}' is no scope: it has no results."
            )
        if place is None or (part.sees_inside and (read is place or place.action in read.containers)):
            return
        if not self._places.has_finished(read, when=place):
            self._findings.warning(
                "ActionNotFinished",
                reference.pointer,
                f"'{place.action.name}' reads '{read.action.name}', which need not have finished before it.",
                f"Let '{place.action.name}', or what it stands in, run after '{read.action.name}'.",
            )

    def _check_variable(self, reference: Reference, place: Place | None) -> None:
        initialised = self._variables.get(reference.name.lower())
        if initialised is None:
            self._findings.error(
                "UnknownVariable",
                reference.pointer,
                f"There is no variable '{reference.name}'.",
                "Initialise it at the top of the flow.",
            )
        elif place is not None and not self._places.has_finished(initialised, when=place):
            self._findings.warning(
                "VariableNotInitialized",
                reference.pointer,
                f"'{place.action.name}' uses variable '{reference.name}', which need not be initialised before it.",
                f"Let it run after '{initialised.action.name}'.",
            )

    def _check_parameter(self, reference: Reference) -> None:
        # A Standard app declares its parameters beside its workflows; missing ones are told as missing values.
        if reference.name.lower() not in self._parameters and self._packaging is not Packaging.STANDARD:
            self._findings.error(
                "UnknownParameter",
                reference.pointer,
                f"There is no parameter '{reference.name}'.",
                "Declare it in the definition's 'parameters'.",
            )

    def _check_loop(self, reference: Reference, part: EvaluatedPart, place: Place | None) -> None:
        loop = self._places.find(reference.name)
        known = action_type(loop.action.type) if loop else None
        if loop is None or known is None or not known.is_loop:
            self._findings.error(
                "UnknownLoop", reference.pointer, f"There is no loop '{reference.name}'.", "Name a Foreach or Until."
            )
            return
        is_inside = place is not None and (
            loop.action in place.containers or (part.sees_inside and loop.action is place.action)
        )
        if not is_inside:
            self._findings.error(
                "ItemsOutsideLoop",
                reference.pointer,
                f"The loop '{reference.name}' is used outside of it.",
                "Move the action into the loop, or read the list itself.",
            )

    def _check_item(self, reference: Reference, part: EvaluatedPart, place: Place | None) -> None:
        if not part.has_item and (place is None or place.enclosing_loop("Foreach") is None):
            # A warning, since the service lets such flows be saved and solutions carry them.
            self._findings.warning(
                "ItemOutsideLoop", reference.pointer, "'item()' is used where no list is gone through."
            )
