"""What lies beside the flows in a Power Automate package or a solution: names, connections, environment variables.

    package   manifest.json, Microsoft.Flow/flows/<id>/{definition,apisMap,connectionsMap}.json
    solution  solution.xml, customizations.xml, Workflows/*.json, environmentvariabledefinitions/<name>/*
    unpacked  Other/Customizations.xml, Workflows/*.json with *.json.data.xml, environmentvariabledefinitions/…

XML is read with document types, entities and network off. Files that do not read are left aside: they only add
names and hints to flows that are whole without them.
Source: learn.microsoft.com/power-platform/alm/solution-concepts-alm, the exports themselves.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from flowmend.core.definition.document_text import read_document
from flowmend.core.definition.flow import EMPTY
from flowmend.core.definition.identity import uuid_of
from flowmend.core.errors import ExpressionError, InvalidDocument
from flowmend.core.json_value import Json

if TYPE_CHECKING:
    from lxml import etree

_VARIABLES_FOLDER = "environmentvariabledefinitions"
_TYPES: Mapping[str, str] = {
    "100000000": "string",
    "100000001": "float",
    "100000002": "bool",
    "100000003": "object",
    "100000004": "string",  # a data source: a site, a list
    "100000005": "securestring",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentVariable:
    """A variable of the environment a solution was made in. type: of the parameter it appears as.

    default: what the solution brings for everywhere; value: what it brings for the place it was exported from.
    None where it brings none.
    """

    schema_name: str
    display_name: str = ""
    type: str = "string"
    default: Json = field(default=None, repr=False)
    value: Json = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedReference:
    """A connection reference of a solution. connector: the id of its API."""

    logical_name: str
    display_name: str
    connector: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """What a solution says around its flows.

    flow_names: `{flow id: name}`. references: by logical name in lower case. variables: by schema name in lower case.
    """

    flow_names: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    references: Mapping[str, NamedReference] = field(default_factory=lambda: EMPTY)
    variables: Mapping[str, EnvironmentVariable] = field(default_factory=lambda: EMPTY)


def read_solution(files: Mapping[str, bytes]) -> Solution:
    """The solution whose files these are, by their path in it."""
    names: dict[str, str] = {}
    references: dict[str, NamedReference] = {}
    for path, content in files.items():
        lower = path.lower()
        if lower.rpartition("/")[2] == "customizations.xml" or lower.endswith(".json.data.xml"):
            root = _xml(content)
            if root is not None:
                names.update(_flow_names(root))
                references.update((one.logical_name.lower(), one) for one in _references(root))
    return Solution(flow_names=names, references=references, variables=_variables(files))


def package_connections(folder: str, files: Mapping[str, bytes]) -> dict[str, Json]:
    """The connection references of a package's flow as its maps and manifest say: `{key: {id, connectionDisplayName}}`.

    folder: the flow's own, `Microsoft.Flow/flows/<id>`, after the package's root.
    """
    root = folder.lower().rpartition("microsoft.flow/flows/")[0]
    resources = _object(_json(files, f"{folder[: len(root)]}manifest.json").get("resources"))
    connections = _json(files, f"{folder}/connectionsMap.json")
    return {
        key: {
            "id": str(_object(resources.get(str(resource))).get("id", f"/providers/Microsoft.PowerApps/apis/{key}")),
            "connectionDisplayName": str(
                _object(_object(resources.get(str(connections.get(key)))).get("details")).get("displayName", "")
            ),
        }
        for key, resource in _json(files, f"{folder}/apisMap.json").items()
    }


def _flow_names(root: "etree._Element") -> Iterator[tuple[str, str]]:
    for workflow in _elements(root, "Workflow"):
        flow_id = uuid_of((workflow.get("WorkflowId") or "").strip("{}"))
        name = workflow.get("Name") or ""
        if flow_id and name:
            yield flow_id, name


def _references(root: "etree._Element") -> Iterator[NamedReference]:
    for element in _elements(root, "connectionreference"):
        logical_name = element.get("connectionreferencelogicalname") or ""
        if logical_name:
            yield NamedReference(
                logical_name=logical_name,
                display_name=_child_text(element, "connectionreferencedisplayname"),
                connector=_child_text(element, "connectorid"),
            )


def _variables(files: Mapping[str, bytes]) -> dict[str, EnvironmentVariable]:
    variables: dict[str, EnvironmentVariable] = {}
    for path, content in files.items():
        if _VARIABLES_FOLDER in path.lower() and path.lower().endswith("environmentvariabledefinition.xml"):
            root = _xml(content)
            for element in _elements(root, "environmentvariabledefinition") if root is not None else ():
                variable = _variable(element)
                variables[variable.schema_name.lower()] = variable
    for path in files:
        folder, _, name = path.lower().rpartition("/")
        schema_name = folder.rpartition("/")[2]
        if name != "environmentvariablevalues.json" or schema_name not in variables:
            continue
        given = _given_value(_json(files, path))
        if given is not None:
            variable = variables[schema_name]
            variables[schema_name] = replace(variable, value=_typed(given, variable.type))
    return variables


def _variable(element: "etree._Element") -> EnvironmentVariable:
    kind = _TYPES.get(_child_text(element, "type"), "string")
    default = _child_text(element, "defaultvalue")
    shown = next(iter(_elements(element, "displayname")), None)
    return EnvironmentVariable(
        schema_name=element.get("schemaname") or "",
        display_name=(shown.get("default") or "") if shown is not None else "",
        type=kind,
        default=_typed(default, kind) if default else None,
    )


def _given_value(document: Mapping[str, Json]) -> str | None:
    """`{environmentvariablevalues: {environmentvariablevalue: {value} | [{value}]}}`"""
    entry = _object(document.get("environmentvariablevalues")).get("environmentvariablevalue")
    first = entry[0] if isinstance(entry, list) and entry else entry
    value = _object(first).get("value")
    return value if isinstance(value, str) else None


def _typed(text: str, kind: str) -> Json:
    try:
        if kind == "float":
            return int(text) if text.strip().lstrip("+-").isdecimal() and len(text) < 20 else float(text)
        if kind == "object":
            return read_document(text.encode())
    except (ValueError, InvalidDocument):
        return text
    if kind == "bool":
        return text.strip().lower() in {"yes", "true", "1"}
    return text


def _elements(root: "etree._Element", name: str) -> "Iterable[etree._Element]":
    return [one for one in root.iter("*") if one.tag.lower() == name.lower()]


def _child_text(element: "etree._Element", name: str) -> str:
    return next((one.text or "" for one in element.iterchildren("*") if one.tag.lower() == name), "").strip()


def _xml(content: bytes) -> "etree._Element | None":
    from flowmend.core.expression.conversion.xml_json import read_xml

    try:
        return read_xml("xml", content).getroot()
    except ExpressionError:
        return None


def _json(files: Mapping[str, bytes], path: str) -> Mapping[str, Json]:
    content = files.get(path)
    if content is None:
        content = next((inner for name, inner in files.items() if name.lower() == path.lower()), b"{}")
    try:
        return _object(read_document(content))
    except InvalidDocument:
        return EMPTY


def _object(raw: Json) -> Mapping[str, Json]:
    return raw if isinstance(raw, Mapping) else EMPTY
