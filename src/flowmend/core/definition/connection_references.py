"""Connection references in every form a file writes them, and the reference a step uses.

Forms (wdl.md §1, connection_shapes.json):

    Power Automate        {key: {connectionName, id, source} | {connection: {connectionReferenceLogicalName}, api: {name}}}
    $connections          {key: {connectionId, connectionName, id}}, maybe below `value`
    connections.json      {managedApiConnections: {key: {api, connection}}, serviceProviderConnections: {…}, …}
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from flowmend.core.definition.findings import Findings
from flowmend.core.definition.flow import EMPTY, Action, ConnectionReference, Trigger
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.json_value import Json

# The sections of a Standard `connections.json`, and where an entry of each says what it connects to.
_SECTIONS: Mapping[str, str] = MappingProxyType(
    {
        "managedApiConnections": "api",
        "serviceProviderConnections": "serviceProvider",
        "functionConnections": "function",
        "apiManagementConnections": "apiId",
        "agentConnections": "type",
        "agentMcpConnections": "type",
    }
)

# `…/managedApis/office365`, `/providers/Microsoft.PowerApps/apis/shared_office365`, also inside an ARM `concat(…)`.
_API_ID = re.compile(r"/(?:managedApis|customApis|apis|apim)/(?P<name>[^'/)\]\s]+)", re.IGNORECASE)

# `@parameters('$connections')['k']['connectionId']`, also `.k.connectionId`, and the form of flows run by their user, where the same
# object comes in a header: `@json(decodeBase64(triggerOutputs().headers['X-MS-APIM-Tokens']))['$connections']['k']…`.
_KEY_IN_EXPRESSION = re.compile(
    r"(?:parameters\(\s*'\$connections'\s*\)|\['\$connections'\])\s*\??"
    r"(?:\[\s*'(?P<quoted>(?:[^']|'')+)'\s*\]|\.(?P<plain>[^.\[\]?@{}()\s,']+))",
    re.IGNORECASE,
)
_COUNTED = re.compile(r"[_-]\d+$")


def read_connection_references(raw: Json, pointer: str, findings: Findings) -> dict[str, ConnectionReference]:
    """The declared references of a file, `{key: ConnectionReference}`, whichever form `raw` has."""
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        findings.error("InvalidConnectionReferences", pointer, "The connection references are not an object.")
        return {}
    if set(raw) == {"value"} and isinstance(raw["value"], Mapping):
        raw, pointer = raw["value"], pointer_to(pointer, "value")
    if raw and set(raw) <= _SECTIONS.keys():
        return _read_sections(raw, pointer, findings)
    return _read_entries(raw, pointer, findings)


def connection_key(inputs: Json) -> str | None:
    """The key of the connection reference a trigger's or action's inputs name, None where they name none.

    The key is as written; keys resolve ignoring case where none matches exactly.
    """
    host = inputs.get("host") if isinstance(inputs, Mapping) else None
    if not isinstance(host, Mapping):
        return _service_provider_key(inputs)
    connection = host.get("connection")
    if isinstance(connection, Mapping):
        return _text(connection.get("referenceName")) or _key_in_expression(_text(connection.get("name")))
    return _text(host.get("connectionReferenceName")) or _text(host.get("connectionName")) or None


def _key_in_expression(expression: str) -> str | None:
    match = _KEY_IN_EXPRESSION.search(expression)
    if match is None:
        return None
    return match["plain"] or str(match["quoted"]).replace("''", "'")


def find_reference(key: str, references: Mapping[str, ConnectionReference]) -> ConnectionReference | None:
    """The reference of that key, exactly written or else ignoring case."""
    if key in references:
        return references[key]
    return next((reference for name, reference in references.items() if name.lower() == key.lower()), None)


def implied_references(
    steps: Iterable[Action | Trigger], declared: Mapping[str, ConnectionReference]
) -> dict[str, ConnectionReference]:
    """References that steps use though the file declares none: a bare definition carries only their keys."""
    implied: dict[str, ConnectionReference] = {}
    for step in steps:
        key = connection_key(step.inputs)
        if key and find_reference(key, declared) is None and find_reference(key, implied) is None:
            implied[key] = ConnectionReference(
                key=key, connector=_connector_of_host(step.inputs) or connector_name(key)
            )
    return implied


def connector_name(text: str) -> str:
    """A connector's short name in lower case: `office365` of an API id, of `shared_office365` or of a key `office365_1`."""
    match = _API_ID.search(text)
    name = match["name"] if match else _COUNTED.sub("", text)
    return name.lower().removeprefix("shared_")


def _read_sections(raw: Mapping[str, Json], pointer: str, findings: Findings) -> dict[str, ConnectionReference]:
    references: dict[str, ConnectionReference] = {}
    for section, source in _SECTIONS.items():
        entries = raw.get(section)
        if entries is None:
            continue
        below = pointer_to(pointer, section)
        if not isinstance(entries, Mapping):
            findings.error("InvalidConnectionReferences", below, f"'{section}' is not an object.")
            continue
        for key, entry in entries.items():
            reference = _read_entry(key, entry, pointer_to(below, key), findings, source=source)
            if reference is not None:
                # Each section is a name space of its own; the managed connections are the ones flows share.
                references[key if key not in references else f"{section}/{key}"] = reference
    return references


def _read_entries(raw: Mapping[str, Json], pointer: str, findings: Findings) -> dict[str, ConnectionReference]:
    references = {}
    for key, entry in raw.items():
        reference = _read_entry(key, entry, pointer_to(pointer, key), findings, source="api")
        if reference is not None:
            references[key] = reference
    return references


def _read_entry(key: str, entry: Json, pointer: str, findings: Findings, *, source: str) -> ConnectionReference | None:
    if not isinstance(entry, Mapping):
        findings.error("InvalidConnectionReferences", pointer, f"Connection reference '{key}' is not an object.")
        return None
    connection = entry.get("connection")
    connection = connection if isinstance(connection, Mapping) else EMPTY
    return ConnectionReference(
        key=key,
        connector=_connector_of(key, entry, source),
        connection_name=_literal(entry.get("connectionName")) or _last_segment(_literal(connection.get("id"))),
        logical_name=_literal(connection.get("connectionReferenceLogicalName")),
        display_name=_literal(entry.get("connectionDisplayName")),
        runtime_source=_literal(entry.get("runtimeSource") or entry.get("source")).lower(),
        raw=entry,
    )


def _connector_of(key: str, entry: Mapping[str, Json], source: str) -> str:
    if source == "serviceProvider":
        provider = entry.get(source)
        provider_id = _text(provider.get("id")) if isinstance(provider, Mapping) else ""
        # A built-in provider is another connector than the managed one of the same name.
        return f"serviceproviders/{_last_segment(provider_id).lower() or key.lower()}"
    api = entry.get(source)
    named = api if isinstance(api, Mapping) else EMPTY
    for text in (_text(entry.get("id")), _text(named.get("id")), _text(named.get("name"))):
        if _API_ID.search(text) or (text and not _is_arm_expression(text)):
            return connector_name(_last_segment(text) if not _API_ID.search(text) else text)
    return connector_name(key)


def _connector_of_host(inputs: Json) -> str:
    """The connector named beside the connection: `host.apiId` or `host.api.runtimeUrl`, else ""."""
    host = inputs.get("host") if isinstance(inputs, Mapping) else None
    if not isinstance(host, Mapping):
        provider = _service_provider(inputs)
        return f"serviceproviders/{_last_segment(_text(provider.get('serviceProviderId'))).lower()}" if provider else ""
    api = host.get("api")
    for text in (_text(host.get("apiId")), _text(api.get("runtimeUrl") if isinstance(api, Mapping) else None)):
        if _API_ID.search(text):
            return connector_name(text)
    return ""


def _service_provider_key(inputs: Json) -> str | None:
    return _text(_service_provider(inputs).get("connectionName")) or None


def _service_provider(inputs: Json) -> Mapping[str, Json]:
    configuration = inputs.get("serviceProviderConfiguration") if isinstance(inputs, Mapping) else None
    return configuration if isinstance(configuration, Mapping) else EMPTY


def _literal(raw: Json) -> str:
    text = _text(raw)
    return "" if _is_arm_expression(text) else text


def _text(raw: Json) -> str:
    return raw if isinstance(raw, str) else ""


def _is_arm_expression(text: str) -> bool:
    return text.startswith("[") and not text.startswith("[[")


def _last_segment(text: str) -> str:
    return text.rstrip("/").rpartition("/")[2]
