"""What the connectors of files do, said once for folders of this machine and of servers."""

import fnmatch
import hashlib
import math
import mimetypes
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from flowmend.core.connector.protocol_call import CURSOR, FROM, ProtocolAnswer
from flowmend.core.expression.content import OCTET_STREAM, envelope
from flowmend.core.json_value import Json
from flowmend.transport.operation_arguments import content, flag, needed_text, number, refuse, text
from flowmend.transport.sql_values import moment_of

LARGEST_FILE = 50 * 1024 * 1024
#: More than that in one folder are not watched, and not listed.
MOST_FILES = 20_000
#: Of files that are still being written. They never fire and are in no list.
PART_PREFIX = ".flowmend-"
_LARGEST_ANSWER = 50 * 1024 * 1024
_FILES_OF_A_POLL = 50
_MOST_LISTED = 5_000
#: A file is whole once nobody has changed it for so long.
SETTLES_WITHIN_SECONDS = 5.0


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A file or folder. path: from the connection's folder, `/a/b.txt`. modified: seconds since 1970, as its server says.

    identity: what tells it from another of the same name, "" where nothing does. changed_at: by the clock of this machine,
    None where only its server knows.
    """

    path: str
    is_folder: bool
    size: int
    modified: float
    identity: str = ""
    changed_at: float | None = None

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    def as_json(self) -> dict[str, Json]:
        moment = datetime.fromtimestamp(self.modified, UTC).isoformat().replace("+00:00", "Z")
        return {
            "path": self.path,
            "name": self.name,
            "isFolder": self.is_folder,
            "size": self.size,
            "lastModified": moment,
            "contentType": media_type_of(self.name),
        }


class FileStore(Protocol):
    """Files of one connection. All of it may raise Refused and BadArgument. protocol: as diagnosis names it."""

    protocol: str

    async def entries(self, folder: str, *, is_deep: bool) -> list[Entry]:
        """What is in a folder, MOST_FILES at most and one more where there are more."""
        ...

    async def entry(self, path: str) -> Entry: ...

    async def read(self, path: str) -> bytes: ...

    async def write(self, path: str, data: bytes, *, may_replace: bool) -> None:
        """All of it or nothing is seen under the name."""
        ...

    async def append(self, path: str, data: bytes) -> None: ...

    async def delete(self, path: str) -> None: ...

    async def move(self, path: str, to: str, *, may_replace: bool) -> None: ...


def media_type_of(name: str) -> str:
    return mimetypes.guess_type(name, strict=False)[0] or OCTET_STREAM


async def perform_on_files(store: FileStore, operation_id: str, arguments: Mapping[str, Json]) -> ProtocolAnswer:
    """Errors: BadArgument, Refused; what the store raises."""
    if operation_id in {"OnNewFile", "OnNewOrChangedFile"}:
        return await _news(store, arguments, with_changes=operation_id == "OnNewOrChangedFile")
    if operation_id == "ListFiles":
        return await _listed(store, arguments)
    path = needed_text(arguments, "path")
    if operation_id == "ReadFile":
        return ProtocolAnswer(body=await _with_content(store, await store.entry(path)))
    if operation_id == "DeleteFile":
        found = await store.entry(path)
        await store.delete(path)
        return ProtocolAnswer(body=found.as_json())
    if operation_id == "MoveFile":
        path, origin = needed_text(arguments, "to"), path
        await store.move(origin, path, may_replace=flag(arguments, "overwrite"))
    elif operation_id == "WriteFile":
        data, _ = content(arguments.get("content"), "content")
        await store.write(path, data, may_replace=flag(arguments, "overwrite", default=True))
    elif operation_id == "AppendFile":
        data, _ = content(arguments.get("content"), "content")
        await store.append(path, data)
    return ProtocolAnswer(body=(await store.entry(path)).as_json())


async def _listed(store: FileStore, arguments: Mapping[str, Json]) -> ProtocolAnswer:
    found = await _found(store, arguments)
    most = number(arguments, "top", _MOST_LISTED, most=_MOST_LISTED)
    shown = sorted(found, key=lambda entry: entry.path)
    return ProtocolAnswer(
        body={"value": [one.as_json() for one in shown[:most]], "isTruncated": len(shown) > most},
    )


async def _found(store: FileStore, arguments: Mapping[str, Json]) -> list[Entry]:
    folder, pattern = text(arguments, "folder", "/"), text(arguments, "pattern") or "*"
    found = await store.entries(folder, is_deep=flag(arguments, "recursive"))
    if len(found) > MOST_FILES:
        refuse(store.protocol, 413, "TooManyFiles", f"The folder {folder!r} holds more than {MOST_FILES} files.")
    return [one for one in found if fnmatch.fnmatchcase(one.name, pattern) and not one.name.startswith(PART_PREFIX)]


async def _news(store: FileStore, arguments: Mapping[str, Json], *, with_changes: bool) -> ProtocolAnswer:
    """Files that were not there before, or are otherwise than before, once nobody writes them any more.

    At the first look those are known that are older than the trigger: it may come late, where the server was not there.
    cursor: {"known": {file: its state}, "growing": {file: [state, since when it is so]}}, both by short digests: of what is
    there now, so that a file that goes and comes again is new.
    """
    files = [one for one in await _found(store, arguments) if not one.is_folder]
    cursor, now = arguments.get(CURSOR), time.time()
    if not isinstance(cursor, dict):
        start = _start(arguments)
        cursor = {"known": {_digest(one.path): _state(one) for one in files if _came_at(one) < start}}
    known, growing = dict(cursor.get("known") or {}), dict(cursor.get("growing") or {})
    there = {_digest(one.path) for one in files}
    known = {name: state for name, state in known.items() if name in there}
    still_growing: dict[str, Json] = {}
    whole: list[Entry] = []
    for one in files:
        name, state = _digest(one.path), _state(one)
        if known.get(name) == state:
            continue
        if name in known and not with_changes:
            known[name] = state
            continue
        before = growing.get(name)
        since = before[1] if before is not None and before[0] == state else now
        is_quiet = one.changed_at is not None and now - one.changed_at >= SETTLES_WITHIN_SECONDS
        if is_quiet or now - since >= SETTLES_WITHIN_SECONDS:
            whole.append(one)
        still_growing[name] = [state, since]
    fired = await _fired(store, sorted(whole, key=lambda one: (one.modified, one.path)), arguments)
    for one in fired:
        still_growing.pop(_digest(one.path), None)
        known[_digest(one.path)] = _state(one)
    return ProtocolAnswer(
        body={"value": list(fired.values())},
        cursor={"known": known, "growing": still_growing},
        has_more=len(fired) < len(whole),
    )


def _start(arguments: Mapping[str, Json]) -> float:
    """From when on files are new, seconds since 1970. The time is told to the second, and what came in it was there before."""
    written = text(arguments, FROM)
    return moment_of(written, FROM).timestamp() + 1 if written else math.inf


def _came_at(entry: Entry) -> float:
    return entry.modified if entry.changed_at is None else entry.changed_at


async def _fired(store: FileStore, whole: Sequence[Entry], arguments: Mapping[str, Json]) -> "dict[Entry, Json]":
    """The first of them, as many as an answer holds, oldest first."""
    most = number(arguments, "top", _FILES_OF_A_POLL, most=1_000)
    with_content, size, fired = flag(arguments, "includeContent"), 0, {}
    for one in whole[:most]:
        if with_content and size and size + one.size > _LARGEST_ANSWER:
            break
        # One that is too large must not keep those after it from coming.
        fits = with_content and one.size <= LARGEST_FILE
        size += one.size if fits else 0
        fired[one] = await _with_content(store, one) if fits else one.as_json()
    return fired


async def _with_content(store: FileStore, entry: Entry) -> dict[str, Json]:
    if entry.is_folder:
        refuse(store.protocol, 400, "NotAFile", f"{entry.path!r} is a folder.")
    data = b"" if entry.size > LARGEST_FILE else await store.read(entry.path)
    if max(entry.size, len(data)) > LARGEST_FILE:  # it may have grown since
        refuse(store.protocol, 413, "FileTooLarge", f"{entry.path!r} is larger than {LARGEST_FILE} bytes.")
    return {**entry.as_json(), "size": len(data), "content": envelope(media_type_of(entry.name), data)}


def _digest(path: str) -> str:
    return hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _state(entry: Entry) -> str:
    return _digest(f"{entry.identity} {entry.size} {entry.modified!r}")
