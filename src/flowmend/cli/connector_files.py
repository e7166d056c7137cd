"""Connector folders of this machine, read and judged without a server."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flowmend.core.connector import Connector, read_connector
from flowmend.core.connector.documents import LARGEST_DOCUMENT_BYTES
from flowmend.core.connector.folders import (
    ConnectorDocuments,
    ConnectorFiles,
    find_connectors,
    is_of_connector,
    read_documents,
)
from flowmend.core.problem import Problem, Severity

_NO_CONNECTORS = frozenset({"node_modules"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFolder:
    """One connector's files as read. connector: None where they make none; problems say why."""

    folder: str
    name: str
    documents: ConnectorDocuments
    connector: Connector | None
    problems: tuple[Problem, ...]


def connector_folders(path: Path) -> list[ConnectorFiles]:
    """The connectors of a file, a folder, or a tree of folders; paths are those of this machine."""
    if path.is_file():
        return find_connectors([path.as_posix()])
    return find_connectors(
        one.as_posix()
        for one in path.rglob("*")
        if is_of_connector(one.name)
        and one.is_file()
        and not any(part in _NO_CONNECTORS or part.startswith(".") for part in one.relative_to(path).parts)
    )


def read_folders(paths: list[Path]) -> Iterator[ReadFolder]:
    """Every connector of these paths, one after another; none is kept in memory."""
    for path in paths:
        for files in connector_folders(path):
            yield read_folder(files)


def read_folder(files: ConnectorFiles) -> ReadFolder:
    """A connector's documents, and what they describe. Errors: OSError where a file cannot be read."""
    contents: dict[str, bytes] = {}
    for path in files.paths:
        with Path(path).open("rb") as file:
            contents[path] = file.read(LARGEST_DOCUMENT_BYTES + 1)
    documents = read_documents(files, contents)
    problems, connector = list(documents.problems), None
    if not problems:
        reading = read_connector(documents.definition, documents.properties, connector_id=files.name)
        connector = reading.connector
        problems += reading.problems
        if connector is not None and not connector.operations:
            problems.append(_no_operations())
    return ReadFolder(
        folder=files.folder, name=files.name, documents=documents, connector=connector, problems=tuple(problems)
    )


def _no_operations() -> Problem:
    return Problem(
        severity=Severity.WARNING, code="NoOperations", pointer="/paths", message="The definition has no operations."
    )
