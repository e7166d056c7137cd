"""The workflows of an Azure Resource Manager template, nested templates and copy loops included.

    {"$schema": …/deploymentTemplate.json#, "parameters", "variables", "resources": [{"type": "Microsoft.Logic/workflows",
     "name", "properties": {"definition", "parameters": {name: {"value"}}}}, {"type": "Microsoft.Resources/deployments",
     "properties": {"template": {…}, "parameters"}}]}

Source: learn.microsoft.com/azure/azure-resource-manager/templates/syntax
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from flowmend.core.definition.flow import EMPTY
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.definition.template_copies import MOST_COPIES, passes_of, resource_copy
from flowmend.core.definition.template_expressions import TemplateEvaluator, TemplateScope, find
from flowmend.core.definition.template_functions import GROUP_NAME, LOCATION, SUBSCRIPTION_ID, TENANT_ID, unresolved_in
from flowmend.core.errors import TooLarge
from flowmend.core.json_value import Json

_DEEPEST = 8
_STEPS_A_PASS = 100
_WORKFLOW = "microsoft.logic/workflows"
# What a connection's id says of subscription and group is a hint about where it was, which no run reads.
_SOMEWHERE: Mapping[str, Json] = {
    SUBSCRIPTION_ID: "00000000-0000-0000-0000-000000000000",
    TENANT_ID: "00000000-0000-0000-0000-000000000000",
    GROUP_NAME: "resource-group",
    LOCATION: "location",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingValue:
    """A value that nobody said: a template parameter without default, or a fact of the place it deploys to.

    description: what the template says of it, else "". type: lower case, else "".
    """

    name: str
    type: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateWorkflow:
    """One workflow of a template. document: the resource, its expressions evaluated. pointer: where it stands.

    name: as deployed, "" where its expression needs a value. missing: values its definition needs.
    """

    document: Json
    pointer: str
    name: str
    missing: tuple[MissingValue, ...]


def is_template(document: Json) -> bool:
    """Whether a document is a deployment template."""
    if not isinstance(document, Mapping) or not isinstance(document.get("resources"), list | Mapping):
        return False
    return "deploymenttemplate" in str(document.get("$schema", "")).lower() or "contentVersion" in document


def workflows_of(template: Mapping[str, Json], values: Mapping[str, Json]) -> Iterator[TemplateWorkflow]:
    """The workflows a template deploys, in document order.

    values: of template parameters and facts (`resourceGroup().location`), by name. A resource whose condition is
    false with them is left out.
    Errors: TooLarge, InvalidDocument for a copy loop that no deployment goes through, or too much to compute.
    """
    scope = TemplateScope(
        parameters=_section(template, "parameters"), variables=_section(template, "variables"), values=values
    )
    for count, workflow in enumerate(_in_resources(template.get("resources"), "/resources", scope, depth=1)):
        if count == MOST_COPIES:  # which is also how many resources a deployment has at most
            message = f"The template deploys more than {MOST_COPIES} workflows, and no deployment does that."
            raise TooLarge(message, code="TemplateCopyLimitExceeded")
        yield workflow


def parameter_values(document: Json) -> dict[str, Json]:
    """The values of a deployment parameters file, `{name: value}`; references to a key vault are left out."""
    entries = _section(document, "parameters") if isinstance(document, Mapping) else EMPTY
    return {name: entry["value"] for name, entry in entries.items() if isinstance(entry, Mapping) and "value" in entry}


def _in_resources(raw: Json, pointer: str, scope: TemplateScope, *, depth: int) -> Iterator[TemplateWorkflow]:
    entries = raw.items() if isinstance(raw, Mapping) else enumerate(raw) if isinstance(raw, list) else ()
    for key, resource in entries:
        if isinstance(resource, Mapping) and depth <= _DEEPEST:
            yield from _in_resource(resource, pointer_to(pointer, key), scope, depth=depth)


def _in_resource(
    resource: Mapping[str, Json], pointer: str, scope: TemplateScope, *, depth: int
) -> Iterator[TemplateWorkflow]:
    """The workflows of a resource, in each pass of its copy loop."""
    copy = resource_copy(resource)
    if copy is None:
        yield from _in_copy(resource, pointer, scope, depth=depth)
        return
    count = TemplateEvaluator(scope).resolve(copy.count) if isinstance(copy.count, str) else copy.count
    unknown = unresolved_in(count)
    for index in range(1) if unknown else passes_of(copy, count):
        inside = replace(scope, passes={**scope.passes, copy.name.lower(): index, "": index})
        TemplateEvaluator(inside).spend(_STEPS_A_PASS)
        for workflow in _in_copy(resource, pointer, inside, depth=depth):
            # How often it is deployed depends on these too; until they are said it is shown once.
            missing = [_described(name, scope.parameters) for name in unknown]
            missing = [one for one in missing if one not in workflow.missing]
            yield replace(workflow, missing=(*workflow.missing, *missing)) if missing else workflow


def _in_copy(
    resource: Mapping[str, Json], pointer: str, scope: TemplateScope, *, depth: int
) -> Iterator[TemplateWorkflow]:
    if TemplateEvaluator(scope).evaluate(resource.get("condition", True)) is False:
        return
    properties = _section(resource, "properties")
    if str(resource.get("type", "")).lower() == _WORKFLOW and isinstance(properties.get("definition"), Mapping):
        yield _workflow(resource, properties, pointer, scope)
    for key in ("template", "mainTemplate"):
        nested = properties.get(key)
        if isinstance(nested, Mapping):
            below = pointer_to(pointer, "properties", key, "resources")
            inner, inner_scope = _nested(nested, properties, scope, is_deployment=key == "template")
            yield from _in_resources(inner.get("resources"), below, inner_scope, depth=depth + 1)
    yield from _in_resources(resource.get("resources"), pointer_to(pointer, "resources"), scope, depth=depth + 1)


def _nested(
    template: Mapping[str, Json], properties: Mapping[str, Json], outer: TemplateScope, *, is_deployment: bool
) -> tuple[Mapping[str, Json], TemplateScope]:
    """A nested template with the scope its expressions are evaluated in.

    A deployment evaluates in the outer scope unless it says `inner`; a template kept as content (`mainTemplate`) was
    written for a deployment of its own, its expressions escaped from the outer one by a second `[`.
    """
    options = _section(properties, "expressionEvaluationOptions")
    is_inner = str(options.get("scope", "outer")).lower() == "inner"
    if is_deployment and not is_inner:
        return template, outer
    if not is_deployment:
        template = _section({"template": TemplateEvaluator(outer).evaluate(template)}, "template")
    given = TemplateEvaluator(outer)
    values = {}
    for name, value in parameter_values(properties).items():
        resolved = given.evaluate(value)
        if not given.unresolved:
            values[name] = resolved
        given.unresolved.clear()
    scope = replace(
        outer,
        parameters=_section(template, "parameters"),
        variables=_section(template, "variables"),
        values={**outer.values, **values},
    )
    return template, scope


def _workflow(
    resource: Mapping[str, Json], properties: Mapping[str, Json], pointer: str, scope: TemplateScope
) -> TemplateWorkflow:
    definition = _section(properties, "definition")
    declared = _section(definition, "parameters")
    secrets = _secrets(scope.parameters, declared)
    evaluator = TemplateEvaluator(replace(scope, secrets=secrets))
    evaluated = evaluator.evaluate(definition)
    values = _workflow_values(_section(properties, "parameters"), scope)
    used = {name: secret for name, secret in secrets.items() if _is_read(evaluated, secret)}
    evaluated = _with_secrets(evaluated, used.values())
    for parameter, secret in used.items():
        resolved = TemplateEvaluator(scope).resolve(f"[parameters('{parameter}')]")
        if not unresolved_in(resolved):
            values[secret] = {"value": resolved}
    _raise_secrecy(evaluated, _section(properties, "parameters"), set(secrets))
    deployed: Json = TemplateEvaluator(scope).resolve(str(resource.get("name", "")))
    document: dict[str, Json] = {
        "type": "Microsoft.Logic/workflows",
        "properties": {"definition": evaluated, "parameters": values},
    }
    name = deployed.rpartition("/")[2] if isinstance(deployed, str) else ""
    if name:
        document["name"] = name
    return TemplateWorkflow(
        document=document,
        pointer=pointer,
        name=name,
        missing=tuple(_described(one, scope.parameters) for one in evaluator.unresolved),
    )


def _workflow_values(raw: Mapping[str, Json], scope: TemplateScope) -> dict[str, Json]:
    """`{name: {"value"}}` as deployed; what needs a value nobody said is left out, and so is missed by name."""
    values: dict[str, Json] = {}
    somewhere = replace(scope, values={**_SOMEWHERE, **scope.values})
    for name, entry in raw.items():
        if not isinstance(entry, Mapping) or "value" not in entry:
            continue
        if name.lower() == "$connections":
            values[name] = {"value": TemplateEvaluator(somewhere).evaluate(entry["value"])}
            continue
        evaluator = TemplateEvaluator(scope)
        value = evaluator.evaluate(entry["value"])
        if not evaluator.unresolved:
            values[name] = {"value": value}
    return values


def _secrets(parameters: Mapping[str, Json], declared: Mapping[str, Json]) -> dict[str, str]:
    """`{secure template parameter in lower case: the flow parameter that is to hold it}`."""
    taken = {name.lower() for name in declared}
    return {
        name.lower(): f"{name}_of_template" if name.lower() in taken else name
        for name, parameter in parameters.items()
        if isinstance(parameter, Mapping) and str(parameter.get("type", "")).lower().startswith("secure")
    }


def _is_read(value: Json, name: str) -> bool:
    if isinstance(value, str):
        return f"parameters('{name.lower()}')" in value.lower()
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return any(_is_read(one, name) for one in inner)


def _with_secrets(definition: dict[str, Json], names: Iterable[str]) -> dict[str, Json]:
    added = {name: {"type": "SecureString"} for name in names}
    return {**definition, "parameters": {**_section(definition, "parameters"), **added}} if added else definition


def _raise_secrecy(definition: Mapping[str, Json], written: Mapping[str, Json], secrets: set[str]) -> None:
    """Declare as secure every parameter of the workflow whose value comes from a secure one of the template."""
    declared = _section(definition, "parameters")
    for name, entry in written.items():
        _, parameter = find(declared, name)
        if isinstance(parameter, dict) and any(_is_read(entry, secret) for secret in secrets):
            kind = str(parameter.get("type", "")).lower()
            if not kind.startswith("secure"):
                parameter["type"] = "SecureObject" if kind in {"object", "array"} else "SecureString"


def _described(name: str, parameters: Mapping[str, Json]) -> MissingValue:
    _, declared = find(parameters, name)
    parameter = declared if isinstance(declared, Mapping) else EMPTY
    return MissingValue(
        name=name,
        type=str(parameter.get("type", "")).lower(),
        description=str(_section(parameter, "metadata").get("description", "")),
    )


def _section(holder: Mapping[str, Json], key: str) -> Mapping[str, Json]:
    section = holder.get(key)
    return section if isinstance(section, Mapping) else EMPTY
