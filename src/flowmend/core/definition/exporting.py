"""A flow in the forms in which it leaves: a plain definition, or the folder of a Logic Apps Standard app.

Values of secure parameters are never in either; who imports the file is asked for them.
"""

import io
import json
import re
import zipfile
from collections.abc import Mapping
from types import MappingProxyType

from flowmend.core.definition.connection_references import connection_key
from flowmend.core.definition.flow import ConnectionReference, Flow
from flowmend.core.definition.writing import write_definition
from flowmend.core.json_value import Json

_NOT_IN_FOLDERS = re.compile(r"[^A-Za-z0-9_\-]+")
# Zip files carry times; one and the same flow is to be one and the same file.
_SOME_DAY = (2020, 1, 1, 0, 0, 0)
_OF_OTHER_SERVICES = frozenset({"$connections", "$authentication"})
_SECTIONS: Mapping[str, str] = MappingProxyType({"serviceproviders/": "serviceProviderConnections"})


def plain_document(flow: Flow) -> dict[str, Json]:
    """`{definition, connectionReferences, parameters}`: what `packages` reads as plain."""
    document: dict[str, Json] = {"definition": write_definition(flow.definition)}
    references = {key: _written(reference) for key, reference in flow.connection_references.items()}
    if references:
        document["connectionReferences"] = references
    values = _values(flow)
    if values:
        document["parameters"] = values
    return document


def standard_folder(flow: Flow) -> dict[str, bytes]:
    """`{path: content}` of a Standard app with this one workflow.

    Connections stand in `connections.json` by what they connect to; who deploys the app signs them in there. Actions
    that name their connection by an expression name it by its key instead. Power Automate's own forms (`OpenApiConnection`)
    stay as they are: Standard has no way to say which operation of a connector they mean.
    """
    kind = "Stateless" if flow.is_stateless else "Stateful"
    files: dict[str, Json] = {
        "host.json": {
            "version": "2.0",
            "extensionBundle": {"id": "Microsoft.Azure.Functions.ExtensionBundle.Workflows", "version": "[1.*, 2.0.0)"},
        },
        f"{folder_name(flow)}/workflow.json": {"definition": _for_standard(flow), "kind": kind},
    }
    connections = _connections(flow)
    if connections:
        files["connections.json"] = connections
    parameters = {
        name: {"type": flow.definition.parameters[name].type, **entry}
        for name, entry in _values(flow).items()
        if name in flow.definition.parameters
    }
    if parameters:
        files["parameters.json"] = parameters
    return {path: _text(content) for path, content in files.items()}


def packed_folder(files: Mapping[str, bytes]) -> bytes:
    """The files as a zip; the same files give the same bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files):
            archive.writestr(zipfile.ZipInfo(path, _SOME_DAY), files[path], zipfile.ZIP_DEFLATED)
    return content.getvalue()


def folder_name(flow: Flow) -> str:
    """The flow's name as a folder or file may bear it."""
    return _NOT_IN_FOLDERS.sub("-", flow.name).strip("-")[:80] or "workflow"


def _for_standard(flow: Flow) -> Json:
    """The definition as a Standard app has it: no parameters of the other services, connections named by their keys."""
    definition = _by_key(write_definition(flow.definition))
    declared = definition.get("parameters")
    if isinstance(declared, Mapping):
        kept = {name: one for name, one in declared.items() if name.lower() not in _OF_OTHER_SERVICES}
        definition = {**definition, "parameters": kept}
    return definition


def _by_key(value: Json) -> Json:
    if isinstance(value, list):
        return [_by_key(inner) for inner in value]
    if not isinstance(value, Mapping):
        return value
    written = {name: _by_key(inner) for name, inner in value.items()}
    host = written.get("host")
    connection = host.get("connection") if isinstance(host, Mapping) else None
    key = connection_key(written) if isinstance(connection, Mapping) and "name" in connection else None
    return {**written, "host": {"connection": {"referenceName": key}}} if key else written


def _values(flow: Flow) -> dict[str, Json]:
    declared = flow.definition.parameters
    secret = {name for name, parameter in declared.items() if parameter.is_secret}
    return {name: {"value": value} for name, value in flow.parameter_values.items() if name not in secret}


def _written(reference: ConnectionReference) -> Json:
    return dict(reference.raw) if reference.raw else {"id": f"/apis/{reference.connector}"}


def _connections(flow: Flow) -> dict[str, Json]:
    connections: dict[str, dict[str, Json]] = {}
    for written, reference in flow.connection_references.items():
        # A key that two sections share was told apart by the section's name when it was read.
        key = written.rpartition("/")[2]
        section = next(
            (name for start, name in _SECTIONS.items() if reference.connector.startswith(start)),
            "managedApiConnections",
        )
        connections.setdefault(section, {})[key] = _connection(reference, section)
    return dict(connections)


def _connection(reference: ConnectionReference, section: str) -> Json:
    raw = reference.raw
    if section == "serviceProviderConnections":
        name = reference.connector.removeprefix("serviceproviders/")
        return dict(raw) if "serviceProvider" in raw else {"serviceProvider": {"id": f"/serviceProviders/{name}"}}
    if isinstance(raw.get("api"), Mapping) and "id" in raw["api"]:
        return dict(raw)
    api = raw.get("id") if isinstance(raw.get("id"), str) else f"/managedApis/{reference.connector}"
    return {"api": {"id": api}, "connection": {"id": str(raw.get("connectionId", ""))}}


def _text(content: Json) -> bytes:
    return f"{json.dumps(content, indent=2, ensure_ascii=False)}\n".encode()
