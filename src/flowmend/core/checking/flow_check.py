"""Everything that can be known to be wrong with a flow before it runs."""

from collections.abc import Collection

from flowmend.core.checking.conditions import check_conditions
from flowmend.core.checking.expressions import is_template_expression, strings
from flowmend.core.checking.literal_inputs import check_literal_inputs
from flowmend.core.checking.missing_hosts import check_missing_hosts
from flowmend.core.checking.parameter_values import check_parameter_values
from flowmend.core.checking.parameters import missing_parameters, sign_in_parameters
from flowmend.core.checking.places import Places
from flowmend.core.checking.reachability import check_reachability
from flowmend.core.checking.references import check_references
from flowmend.core.checking.secrets import literal_secrets
from flowmend.core.checking.settings import check_settings
from flowmend.core.checking.steps import check_actions, check_triggers, initialised_variables
from flowmend.core.checking.variable_types import check_variable_types
from flowmend.core.definition.findings import Findings
from flowmend.core.definition.flow import Flow, Packaging
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.problem import Problem


def check_flow(
    flow: Flow,
    *,
    known_connectors: Collection[str] | None = None,
    mapped_references: Collection[str] | None = None,
    embedded: Collection[str] = (),
) -> tuple[Problem, ...]:
    """Every problem of a flow, those of its reading first. Nothing is asked about what is None.

    known_connectors: short names of the connectors that are installed. mapped_references: keys of the connection
    references that have a connection. embedded: keys of inline authentications that a connection was made of. A type, kind or function that Flowmend does not run has a code that begins
    `Unsupported`; what it would run if something were there has one that begins `Missing`, as a warning.
    """
    findings = Findings()
    places = Places(flow.definition)
    variables = initialised_variables(places, findings)
    check_triggers(flow, findings)
    check_actions(places, variables, findings)
    check_variable_types(places, variables, findings)
    check_reachability(flow.definition, places, findings)
    check_references(flow, places, variables, findings)
    check_conditions(flow, findings)
    check_literal_inputs(flow, findings)
    check_settings(flow, findings)
    signed_in = {*embedded, *(mapped_references or ())}
    check_missing_hosts(flow, findings, signed_in=signed_in)
    _check_parameters(flow, findings, signed_in)
    check_parameter_values(flow, findings)
    _check_template_expressions(flow, findings)
    _check_secrets(flow, findings)
    _check_connections(flow, known_connectors, mapped_references, findings)
    return flow.reading_problems + findings.problems


def _check_parameters(flow: Flow, findings: Findings, signed_in: Collection[str]) -> None:
    given = sign_in_parameters(flow, signed_in)
    missing = {name: pointer for name, pointer in missing_parameters(flow).items() if name.lower() not in given}
    for name, pointer in missing.items():
        findings.warning(
            "MissingParameterValue",
            pointer,
            f"Parameter '{name}' has no value and no default; no run can start without one.",
            "Give it one under 'parameters' in the file, or a 'defaultValue'.",
        )


def _check_template_expressions(flow: Flow, findings: Findings) -> None:
    if flow.packaging is not Packaging.ARM:
        return
    for text, pointer in strings(flow.definition.raw, flow.definition.pointer):
        if is_template_expression(text):
            findings.warning(
                "MissingTemplateValue",
                pointer,
                "This expression of the deployment template needs a value that nobody gave; it is taken as plain text.",
                "Import the template with the values it asks for, or write the value itself.",
            )


def _check_secrets(flow: Flow, findings: Findings) -> None:
    for pointer in literal_secrets(flow):
        findings.warning(
            "LiteralSecret",
            pointer,
            "A secret stands here as plain text; whoever has the file can read it.",
            "Use a connection, or a parameter of type securestring whose value is given at import.",
        )


def _check_connections(
    flow: Flow, known: Collection[str] | None, mapped: Collection[str] | None, findings: Findings
) -> None:
    for key, reference in flow.connection_references.items():
        pointer = pointer_to(flow.definition.pointer.removesuffix("/definition"), "connectionReferences", key)
        if known is not None and reference.connector not in known:
            is_provider = reference.connector.startswith("serviceproviders/")
            findings.warning(
                "MissingServiceProvider" if is_provider else "MissingConnector",
                pointer,
                f"Connection reference '{key}' is for connector '{reference.connector}', which is not installed.",
                "Install the connector, then import the flow again.",
            )
        if mapped is not None and key not in mapped:
            findings.warning(
                "MissingConnection",
                pointer,
                f"Connection reference '{key}' has no connection yet.",
                f"Choose a connection to {reference.connector} for it.",
            )
