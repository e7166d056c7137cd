"""A Logic Apps Standard app: its workflows, and the files beside them that they share.

    host.json, connections.json, parameters.json, local.settings.json, <workflow>/workflow.json

Source: learn.microsoft.com/azure/logic-apps/edit-app-settings-host-settings
"""

import re
from collections.abc import Mapping

from flowmend.core.definition.document_text import read_document
from flowmend.core.definition.flow import EMPTY
from flowmend.core.errors import InvalidDocument
from flowmend.core.json_value import Json

CONNECTIONS_FILE = "connections.json"
PARAMETERS_FILE = "parameters.json"
_SETTINGS_FILES = ("local.settings.json", "cloud.settings.json", "appsettings.json")

_SETTING = re.compile(r"appsetting\(\s*'([^']+)'\s*\)", re.IGNORECASE)
_WHOLE_SETTING = re.compile(r"@\{?\s*appsetting\(\s*'([^']+)'\s*\)\s*\}?", re.IGNORECASE)
_PARAMETER = re.compile(r"parameters\(\s*'([^']+)'\s*\)", re.IGNORECASE)
# An app setting says nothing of its secrecy but by its name.
_SECRET_NAME = re.compile(r"key|secret|password|pwd|token|connectionstring|sas|credential", re.IGNORECASE)


def join_app_files(workflow: Mapping[str, Json], root: str, files: Mapping[str, bytes]) -> dict[str, Json]:
    """The workflow as one document, with the connections, parameters and app settings it uses of its app.

    root: the app's folder, "" or ending in `/`. App settings become parameters: what they hold is asked for or kept
    like any value, and a secret among them sealed.
    """
    texts = "\n".join(_texts(workflow.get("definition")))
    settings = _app_settings(root, files)
    read = {name.lower() for name in _PARAMETER.findall(texts)}
    shared = _object_of(files.get(f"{root}{PARAMETERS_FILE}"))
    used = {name: _object(entry) for name, entry in shared.items() if name.lower() in read}
    parameters = _known_values(used, settings)
    definition, added = _with_settings(_declaring(workflow.get("definition"), used), settings)
    joined = {**workflow, "definition": definition}
    references = _used_connections(_object_of(files.get(f"{root}{CONNECTIONS_FILE}")), texts)
    if references and "connectionReferences" not in workflow:
        joined["connectionReferences"] = references
    if parameters or added:
        joined["parameters"] = {**_object(workflow.get("parameters")), **parameters, **added}
    return joined


def _used_connections(connections: Mapping[str, Json], texts: str) -> dict[str, Json]:
    """The sections of `connections.json`, of each the entries whose key the workflow names."""
    named = {line.lower() for line in texts.splitlines()} | {key.lower() for key in re.findall(r"\['([^']+)'\]", texts)}
    used: dict[str, Json] = {}
    for section, entries in connections.items():
        kept = {key: entry for key, entry in _object(entries).items() if key.lower() in named}
        if kept:
            used[section] = kept
    return used


def _known_values(used: Mapping[str, Mapping[str, Json]], settings: Mapping[str, Json]) -> dict[str, Json]:
    """`{name: {value}}` of the app's parameters; one that reads a setting which is not here has no value."""
    values: dict[str, Json] = {}
    for name, entry in used.items():
        value = _with_values(entry.get("value"), settings)
        if "value" in entry and _SETTING.search("\n".join(_texts(value))) is None:
            values[name] = {"value": value}
    return values


def _declaring(definition: Json, used: Mapping[str, Mapping[str, Json]]) -> Json:
    """The definition with the app's parameters it reads declared, so that it says itself which are secret."""
    if not isinstance(definition, Mapping) or not used:
        return definition
    declared = _object(definition.get("parameters"))
    added = {name: {"type": entry.get("type", "String")} for name, entry in used.items() if name not in declared}
    return {**definition, "parameters": {**declared, **added}} if added else definition


def _with_values(value: Json, settings: Mapping[str, Json]) -> Json:
    """The app settings a value of `parameters.json` reads, filled in where they are known."""
    if isinstance(value, str):
        whole = _WHOLE_SETTING.fullmatch(value)
        if whole is not None:
            return settings.get(whole[1], value)
        return re.sub(
            rf"@\{{\s*{_SETTING.pattern}\s*\}}",
            lambda match: str(settings.get(match[1], match[0])),
            value,
            flags=re.IGNORECASE,
        )
    if isinstance(value, Mapping):
        return {key: _with_values(inner, settings) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_values(inner, settings) for inner in value]
    return value


def _with_settings(definition: Json, settings: Mapping[str, Json]) -> tuple[Json, dict[str, Json]]:
    """The definition reading parameters where it read app settings, and the values of those that are known."""
    names = dict.fromkeys(name for text in _texts(definition) for name in _SETTING.findall(text))
    if not names or not isinstance(definition, Mapping):
        return definition, {}
    declared = _object(definition.get("parameters"))
    added = {
        name: {"type": "SecureString" if _SECRET_NAME.search(name) else "String"}
        for name in names
        if name not in declared
    }
    rewritten = _replaced(definition)
    values: dict[str, Json] = {name: {"value": settings[name]} for name in names if name in settings}
    return {**rewritten, "parameters": {**_object(rewritten.get("parameters")), **added}}, values


def _replaced(value: Json) -> Json:
    if isinstance(value, str):
        return _SETTING.sub(r"parameters('\1')", value) if "@" in value else value
    if isinstance(value, Mapping):
        return {key: _replaced(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_replaced(inner) for inner in value]
    return value


def _app_settings(root: str, files: Mapping[str, bytes]) -> Mapping[str, Json]:
    for name in _SETTINGS_FILES:
        document = _object_of(files.get(f"{root}{name}"))
        if document:
            # `appsettings.json` holds the settings themselves, the others below `Values`.
            return _object(document.get("Values")) or document
    return EMPTY


def _texts(value: Json) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [text for one in inner for text in _texts(one)]


def _object_of(content: bytes | None) -> Mapping[str, Json]:
    try:
        return _object(read_document(content)) if content else EMPTY
    except InvalidDocument:
        return EMPTY


def _object(raw: Json) -> Mapping[str, Json]:
    return raw if isinstance(raw, Mapping) else EMPTY
