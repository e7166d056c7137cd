"""The shapes in which a definition travels, and where in each its parts lie.

    bare               {$schema, triggers, actions, …}
    plain              {definition, connectionReferences?, parameters?}
    Standard           {definition, kind: Stateful | Stateless}
    Logic App          {properties: {definition, parameters}, type?: "Microsoft.Logic/workflows"}
    export             {name: uuid, type: "Microsoft.Flow/flows", properties: {displayName, definition, connectionReferences}}
    solution, clientdata  {properties: {definition, connectionReferences}, schemaVersion}
    extracted          {origin: {packaging}, definition, connectionReferences, connectionReferencesSource}

Source: wdl.md §1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from flowmend.core.definition.flow import EMPTY, Packaging
from flowmend.core.definition.identity import uuid_in_file_name, uuid_of
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.json_value import Json

_ORIGIN_PACKAGING: Mapping[str, Packaging] = MappingProxyType(
    {
        "pa-package": Packaging.PACKAGE,
        "pa-solution": Packaging.SOLUTION,
        "arm": Packaging.ARM,
        "standard": Packaging.STANDARD,
        "plain": Packaging.PLAIN,
    }
)
_STANDARD_KINDS = frozenset({"stateful", "stateless", "agentic", "agent"})
_DEFINITION_KEYS = frozenset({"triggers", "actions"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of one flow inside a document. definition: None where the document holds none.

    Pointers are relative to the document's root. flow_id: the file's own UUID, else "". display_name: what
    the file calls the flow, else "". kind: Standard's, lower case.
    """

    definition: Json
    definition_pointer: str
    references: Json = None
    references_pointer: str = ""
    parameters: Json = None
    parameters_pointer: str = ""
    flow_id: str = ""
    display_name: str = ""
    kind: str = ""


def detect_packaging(document: Json, file_name: str = "") -> Packaging:
    """The packaging a document's shape shows; `file_name` tells a solution's file and a Standard `workflow.json`."""
    if not isinstance(document, Mapping):
        return Packaging.PLAIN
    origin = document.get("origin")
    if isinstance(origin, Mapping) and str(origin.get("packaging")) in _ORIGIN_PACKAGING:
        return _ORIGIN_PACKAGING[str(origin["packaging"])]
    properties = document.get("properties")
    if isinstance(properties, Mapping) and "definition" in properties:
        return _detect_resource(document, properties, file_name)
    base_name = file_name.replace("\\", "/").rpartition("/")[2].lower()
    if "definition" in document and (_kind(document) in _STANDARD_KINDS or base_name == "workflow.json"):
        return Packaging.STANDARD
    return Packaging.PLAIN


def parts_of(document: Json) -> Parts:
    """The parts of the flow in `document`, whichever of the shapes it has."""
    if not isinstance(document, Mapping):
        return Parts(definition=None, definition_pointer="")
    properties = document.get("properties")
    if isinstance(properties, Mapping) and "definition" in properties:
        return _parts_below(
            properties, "/properties", flow_id=uuid_of(document.get("name")), display_name=_display_name(document)
        )
    if "definition" in document:
        return _parts_below(document, "", kind=_kind(document))
    definition = document if _DEFINITION_KEYS & document.keys() else None
    return Parts(definition=definition, definition_pointer="")


def _detect_resource(document: Mapping[str, Json], properties: Mapping[str, Json], file_name: str) -> Packaging:
    if "schemaVersion" in document:
        return Packaging.SOLUTION if uuid_in_file_name(file_name) else Packaging.CLIENTDATA
    kind_of_resource = str(document.get("type", "")).lower()
    if kind_of_resource.startswith(("microsoft.flow/", "microsoft.processsimple/")):
        return Packaging.PACKAGE
    if kind_of_resource.startswith("microsoft.logic/"):
        return Packaging.ARM
    return Packaging.PACKAGE if "connectionReferences" in properties else Packaging.ARM


def _parts_below(
    holder: Mapping[str, Json], pointer: str, *, flow_id: str = "", display_name: str = "", kind: str = ""
) -> Parts:
    references, references_pointer = holder.get("connectionReferences"), pointer_to(pointer, "connectionReferences")
    parameters = holder.get("parameters")
    if references is None and isinstance(parameters, Mapping) and "$connections" in parameters:
        references, references_pointer = parameters["$connections"], pointer_to(pointer, "parameters", "$connections")
    return Parts(
        definition=holder["definition"],
        definition_pointer=pointer_to(pointer, "definition"),
        references=references,
        references_pointer=references_pointer,
        parameters=parameters,
        parameters_pointer=pointer_to(pointer, "parameters"),
        flow_id=flow_id,
        display_name=display_name,
        kind=kind,
    )


def _display_name(document: Mapping[str, Json]) -> str:
    properties = document.get("properties", EMPTY)
    for name in (properties.get("displayName"), document.get("name")):
        # A gallery writes the key of a text instead of a name.
        if isinstance(name, str) and name and not uuid_of(name) and not name.startswith("${"):
            return name
    return ""


def _kind(document: Mapping[str, Json]) -> str:
    origin = document.get("origin")
    kind = document.get("kind") or (origin.get("workflow_kind") if isinstance(origin, Mapping) else None)
    return kind.lower() if isinstance(kind, str) else ""
