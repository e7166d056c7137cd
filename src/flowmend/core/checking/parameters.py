"""Parameters a flow reads, and those of them that have no value."""

from collections.abc import Collection, Iterator

from flowmend.core.checking.evaluated_parts import EvaluatedPart, evaluated_parts
from flowmend.core.checking.expressions import read_expressions
from flowmend.core.checking.inline_authentication import inline_authentications
from flowmend.core.definition.findings import Findings
from flowmend.core.definition.flow import Action, Flow, Packaging, Trigger
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.expression.functions.function import Refers

#: Parameters every flow has, whether it declares them or not (wdl.md §1).
GIVEN_PARAMETERS = frozenset({"$connections", "$authentication"})


def missing_parameters(flow: Flow) -> dict[str, str]:
    """`{name: pointer}` of the parameters that have neither a value nor a default, sorted by name.

    A Standard app declares parameters in a file beside its workflows, so there an undeclared one that an
    expression reads is missing too; the pointer is then that of the expression.
    """
    definition = flow.definition
    have = {name.lower() for name in flow.parameter_values} | GIVEN_PARAMETERS
    missing = {
        name: pointer_to(definition.pointer, "parameters", name)
        for name, parameter in definition.parameters.items()
        if not parameter.has_default and name.lower() not in have
    }
    if flow.packaging is Packaging.STANDARD:
        have |= {name.lower() for name in definition.parameters}
        for name, pointer in _read_parameters(flow):
            if name.lower() not in have:
                have.add(name.lower())
                missing[name] = pointer
    return dict(sorted(missing.items()))


def sign_in_parameters(flow: Flow, keys: Collection[str]) -> frozenset[str]:
    """The names, lower case, of the parameters that nothing reads but authentications with these keys.

    Who signs in to the connections made of those need not give the same again as a value.
    """
    inside = tuple(one.pointer for one in inline_authentications(flow) if one.key in keys)
    if not inside:
        return frozenset()
    within: set[str] = set()
    elsewhere: set[str] = set()
    for name, pointer in (*_read_parameters(flow), *_read_by_outputs(flow)):
        is_inside = any(pointer == place or pointer.startswith(f"{place}/") for place in inside)
        (within if is_inside else elsewhere).add(name.lower())
    return frozenset(within - elsewhere)


def _read_by_outputs(flow: Flow) -> Iterator[tuple[str, str]]:
    definition, ignored = flow.definition, Findings()
    for reference in read_expressions(dict(definition.outputs), pointer_to(definition.pointer, "outputs"), ignored):
        if reference.refers is Refers.PARAMETER:
            yield reference.name, reference.pointer


def _recurrence(step: Action | Trigger) -> Iterator[EvaluatedPart]:
    # Its expressions are checked by computing them (`steps`).
    if isinstance(step, Trigger):
        yield EvaluatedPart(value=dict(step.recurrence), pointer=pointer_to(step.pointer, "recurrence"))


def _read_parameters(flow: Flow) -> Iterator[tuple[str, str]]:
    ignored = Findings()  # what is wrong with an expression is reported elsewhere
    steps: tuple[Action | Trigger, ...] = (*flow.definition.triggers.values(), *flow.definition.walk())
    for step in steps:
        for part in (*evaluated_parts(step), *_recurrence(step)):
            for reference in read_expressions(part.value, part.pointer, ignored):
                if reference.refers is Refers.PARAMETER:
                    yield reference.name, reference.pointer
