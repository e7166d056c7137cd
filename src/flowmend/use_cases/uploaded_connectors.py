"""Connectors installed from uploaded files: the two documents of one, or a zip file with many folders.

What cannot be read says so beside its folder; the others are installed all the same.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from flowmend.core.connector.folders import (
    ConnectorFiles,
    connector_id_of,
    find_connectors,
    is_of_connector,
    read_documents,
)
from flowmend.core.definition.archive import Unpacked, is_archive, read_archive
from flowmend.core.errors import AskedWrongly, FlowmendError, InvalidDocument, StoreUnavailable
from flowmend.core.problem import Problem
from flowmend.use_cases.connections import install_connector_documents
from flowmend.use_cases.ports import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedConnector:
    """What became of one folder. connector_id: "" where it was not installed, then error says why. was_known: another
    version was there before. asked_again: connections whose secrets are asked for again.
    """

    folder: str
    connector_id: str = ""
    display_name: str = ""
    was_known: bool = False
    asked_again: int = 0
    error: str = ""
    problems: tuple[Problem, ...] = ()


async def install_uploaded(
    services: Services, files: Mapping[str, bytes], name: str, person_id: str
) -> list[UploadedConnector]:
    """Install the connectors of these files, by path. name: the id for one whose folder has no name of its own.

    Errors: AskedWrongly `NoConnector` where the files hold none; TooLarge, InvalidDocument for a zip file.
    """
    unpacked = await asyncio.to_thread(_unpacked, files)
    folders = find_connectors(path for path in unpacked if is_of_connector(path))
    if not folders:
        message = "The files hold no connector: there must be an apiDefinition.swagger.json, or an OpenAPI document."
        raise AskedWrongly(message, code="NoConnector", target="file")
    return [await _install(services, one, unpacked, name, person_id) for one in folders]


async def _install(
    services: Services, found: ConnectorFiles, contents: Mapping[str, bytes], name: str, person_id: str
) -> UploadedConnector:
    folder, name = PurePosixPath(found.folder).name, name.strip()
    shown = folder or name or found.name
    if not (folder or name):
        message = "Say by which name flows call it, such as sharepointonline."
        raise AskedWrongly(message, code="MissingName", target="name")
    connector_id = connector_id_of(folder or name)
    before = {row.connection_id for row in services.store.connections.list() if row.sealed_credential}
    was_known = connector_id in services.connectors.ids()
    documents = await asyncio.to_thread(read_documents, found, contents)
    if documents.problems:
        return UploadedConnector(folder=shown, error=documents.problems[0].message, problems=documents.problems)
    try:
        row = await install_connector_documents(
            services, connector_id, documents.definition, documents.properties, person_id
        )
    except StoreUnavailable:
        raise
    except InvalidDocument as error:
        return UploadedConnector(folder=shown, error=error.message, problems=tuple(error.problems))
    except FlowmendError as error:
        return UploadedConnector(folder=shown, error=error.message)
    after = {one.connection_id: one for one in services.store.connections.list(connector_id=row.connector_id)}
    dropped = sum(1 for one in before & after.keys() if not after[one].sealed_credential)
    return UploadedConnector(
        folder=shown,
        connector_id=row.connector_id,
        display_name=row.display_name,
        was_known=was_known,
        asked_again=dropped,
    )


def _unpacked(files: Mapping[str, bytes]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    bounds = Unpacked()
    for path, content in files.items():
        if is_archive(content):
            stem = PurePosixPath(path).stem
            found |= {f"{stem}/{inner}": one for inner, one in read_archive(content, path, bounds).items()}
        else:
            found[path] = content
    return found
