"""Connectors installed from uploaded files: the two documents of one, or a zip file with many folders.

What cannot be read says so beside its folder; the others are installed all the same.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from flowmend.core.connector.documents import parse_document
from flowmend.core.definition.archive import Unpacked, is_archive, read_archive
from flowmend.core.errors import AskedWrongly, FlowmendError, InvalidDocument, StoreUnavailable
from flowmend.core.problem import Problem
from flowmend.use_cases.connections import install_connector_documents
from flowmend.use_cases.ports import Services

_PROPERTIES = "apiproperties.json"
_ENDINGS = (".json", ".yaml", ".yml")
_SCRIPTED = (".swagger.json", "openapi.json", "openapi.yaml", "openapi.yml", "swagger.yaml", "swagger.yml")


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
    folders = _folders(await asyncio.to_thread(_unpacked, files))
    if not folders:
        message = "The files hold no connector: there must be an apiDefinition.swagger.json, or an OpenAPI document."
        raise AskedWrongly(message, code="NoConnector", target="file")
    return [await _install(services, folder, parts, name, person_id) for folder, parts in sorted(folders.items())]


async def _install(
    services: Services, folder: str, parts: tuple[bytes, bytes | None], name: str, person_id: str
) -> UploadedConnector:
    shown = PurePosixPath(folder).name or name
    connector_id = "".join((PurePosixPath(folder).name or name).split())
    if not connector_id:
        message = "Say by which name flows call it, such as sharepointonline."
        raise AskedWrongly(message, code="MissingName", target="name")
    before = {row.connection_id for row in services.store.connections.list() if row.sealed_credential}
    was_known = connector_id.lower().removeprefix("shared_") in services.connectors.ids()
    try:
        definition = await asyncio.to_thread(parse_document, parts[0])
        properties = await asyncio.to_thread(parse_document, parts[1]) if parts[1] is not None else {}
        row = await install_connector_documents(services, connector_id, definition, properties, person_id)
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


def _folders(files: Mapping[str, bytes]) -> dict[str, tuple[bytes, bytes | None]]:
    """{folder: (definition, properties)} of each folder that holds a definition."""
    by_folder: dict[str, dict[str, bytes]] = {}
    for path, content in files.items():
        place = PurePosixPath(path)
        folder = "" if str(place.parent) == "." else str(place.parent)
        by_folder.setdefault(folder, {})[place.name] = content
    found: dict[str, tuple[bytes, bytes | None]] = {}
    for folder, inside in by_folder.items():
        properties = next((one for name, one in inside.items() if name.lower() == _PROPERTIES), None)
        definition = _definition(inside, has_properties=properties is not None)
        if definition is not None:
            found[folder] = (definition, properties)
    return found


def _definition(inside: Mapping[str, bytes], *, has_properties: bool) -> bytes | None:
    """The definition among a folder's files: by its name, or the only document beside apiProperties.json."""
    documents = {
        name: one for name, one in inside.items() if name.lower().endswith(_ENDINGS) and name.lower() != _PROPERTIES
    }
    named = [one for name, one in sorted(documents.items()) if name.lower().endswith(_SCRIPTED)]
    if named:
        return named[0]
    return next(iter(documents.values())) if len(documents) == 1 and has_properties else None
