"""Connectors as files: which of many belong together, and the two documents of each.

A folder that holds `apiProperties.json` or `apiDefinition.swagger.json` is one connector; a definition of another name is
the one file `*.swagger.json`, `openapi.*` or `swagger.*`, else the only other document. Where there is no such folder, a
document by itself is one: OpenAPI 2 or 3, JSON or YAML.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from flowmend.core.connector.documents import parse_document
from flowmend.core.errors import InvalidDocument
from flowmend.core.json_value import Json
from flowmend.core.problem import Problem, Severity

PROPERTIES = "apiProperties.json"
DEFINITION = "apiDefinition.swagger.json"
_SCRIPT = "script.csx"
_ENDINGS = (".json", ".yaml", ".yml")
#: Stands for every operation among the `scriptOperations`.
EVERY_OPERATION = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorFiles:
    """The paths of one connector. name: of its folder, or of its only file without endings. properties, script: "" for none."""

    folder: str
    name: str
    definition: str
    properties: str = ""
    script: str = ""
    problem: str = ""

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(path for path in (self.definition, self.properties) if path)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorDocuments:
    """What a connector's files hold. problems: why one of them does not read; then its value is None."""

    definition: Json = None
    properties: Json = None
    problems: tuple[Problem, ...] = field(default=())


def is_of_connector(path: str) -> bool:
    """Whether a file may be part of a connector, by its name alone."""
    name = PurePosixPath(path).name.lower()
    return name.endswith(_ENDINGS) or name == _SCRIPT


def connector_id_of(name: str) -> str:
    """The id of a connector by its folder's name: no blanks, no signs that a URL or a flow could not hold."""
    bare = "".join(sign for sign in name if sign.isalnum() or sign in "._-").strip(".").lower()
    return bare.removeprefix("shared_") or "connector"


def find_connectors(paths: Iterable[str]) -> list[ConnectorFiles]:
    """The connectors among these paths, `/` between folders, by folder."""
    folders: dict[str, list[str]] = {}
    for path in sorted(paths):
        folders.setdefault(str(PurePosixPath(path).parent), []).append(path)
    found = [one for folder, held in folders.items() if (one := _folder(folder, held)) is not None]
    if found:
        return found
    documents = [path for held in folders.values() for path in held if path.lower().endswith(_ENDINGS)]
    if len(documents) > 1:
        documents = [path for path in documents if _is_named_definition(path)]
    return [_lone(path) for path in documents]


def read_documents(files: ConnectorFiles, contents: Mapping[str, bytes]) -> ConnectorDocuments:
    """The documents of a connector. contents: at least what `files.paths` names. Errors: none, they are problems."""
    if files.problem:
        return ConnectorDocuments(problems=(_problem("NoDefinition", files.problem),))
    values: dict[str, Json] = {}
    problems: list[Problem] = []
    for path in files.paths:
        try:
            values[path] = parse_document(contents[path])
        except InvalidDocument as error:
            problems.append(_problem(error.code, f"{PurePosixPath(path).name}: {error.message}"))
    properties = values.get(files.properties)
    if files.script and isinstance(properties, dict):
        properties = _scripted(properties)
    return ConnectorDocuments(definition=values.get(files.definition), properties=properties, problems=tuple(problems))


def _folder(folder: str, paths: Collection[str]) -> ConnectorFiles | None:
    named = {PurePosixPath(path).name.lower(): path for path in paths}
    properties, definition = named.get(PROPERTIES.lower(), ""), named.get(DEFINITION.lower(), "")
    if not properties and not definition:
        return None
    problem = ""
    if not definition:
        documents = [path for path in paths if path.lower().endswith(_ENDINGS) and path != properties]
        likely = [path for path in documents if _is_named_definition(path)] or documents
        definition = likely[0] if len(likely) == 1 else ""
        if not definition:
            held = f"{len(likely)} files that may be the definition" if likely else "no definition"
            problem = f"The folder holds {held}, and none is named {DEFINITION}."
    return ConnectorFiles(
        folder=folder,
        name=PurePosixPath(folder).name,
        definition=definition,
        properties=properties,
        script=named.get(_SCRIPT, ""),
        problem=problem,
    )


def _is_named_definition(path: str) -> bool:
    name = PurePosixPath(path).name.lower()
    return name.endswith(".swagger.json") or name.startswith(("openapi.", "swagger."))


def _lone(path: str) -> ConnectorFiles:
    name = PurePosixPath(path).name
    for ending in (*_ENDINGS, ".swagger", ".openapi"):
        name = name[: -len(ending)] if name.lower().endswith(ending) else name
    return ConnectorFiles(folder=str(PurePosixPath(path).parent), name=name, definition=path)


def _scripted(properties: dict[str, Json]) -> dict[str, Json]:
    """A script that names no operations is run for all of them, as the service has it."""
    inner = properties.get("properties") if isinstance(properties.get("properties"), dict) else None
    held = inner if inner is not None else properties
    if held.get("scriptOperations"):
        return properties
    held = {**held, "scriptOperations": [EVERY_OPERATION]}
    return held if inner is None else {**properties, "properties": held}


def _problem(code: str, message: str) -> Problem:
    return Problem(severity=Severity.ERROR, code=code, pointer="", message=message)
