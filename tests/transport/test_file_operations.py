"""The operations of files in a real folder: what is written and read, no way out of it, and new files that come once."""

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flowmend.core.connector import ProtocolRefusal, SignedIn, UnbuildableRequest
from flowmend.transport import Protocols, file_operations, local_files
from flowmend.transport.allowed_folders import path_within
from performing import Performer, connector

pytestmark = pytest.mark.anyio
LONG_AGO = 1_700_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("secret")
    made = tmp_path / "inbox"
    made.mkdir()
    return made


@pytest.fixture
async def files(folder: Path, anyio_backend: str) -> AsyncIterator[Performer]:
    performer = Performer("files", {"folder": str(folder)}, roots=(folder,))
    yield performer
    await performer.close()


async def test_a_file_is_written_read_appended_moved_and_deleted(files: Performer, folder: Path) -> None:
    written = await files("WriteFile", path="/a/é.txt", content="one\n")
    assert (written.body["path"], written.body["size"], written.body["contentType"]) == ("/a/é.txt", 4, "text/plain")
    await files("AppendFile", path="a/é.txt", content={"$content-type": "text/plain", "$content": "dHdv"})
    read = await files("ReadFile", path="/a/é.txt")
    assert read.body["content"] == {"$content-type": "text/plain", "$content": "b25lCnR3bw=="}
    moved = await files("MoveFile", path="/a/é.txt", to="/b/c.json")
    assert (moved.body["path"], (folder / "b" / "c.json").read_text()) == ("/b/c.json", "one\ntwo")
    listed = await files("ListFiles", recursive=True)
    assert [one["path"] for one in listed.body["value"]] == ["/a", "/b", "/b/c.json"]
    assert (await files("DeleteFile", path="/b/c.json")).body["name"] == "c.json"
    gone = await files("ReadFile", path="/b/c.json")
    assert (gone.status, gone.code) == (404, "FileNotFound")
    assert str(folder) not in gone.text


async def test_what_is_there_is_replaced_only_where_that_is_meant(files: Performer, folder: Path) -> None:
    (folder / "a").write_text("old")
    (folder / "b").write_text("other")
    for operation, given in (("WriteFile", {"path": "a", "content": "new"}), ("MoveFile", {"path": "b", "to": "a"})):
        refused = await files(operation, **given, overwrite=False)
        assert (refused.status, refused.code) == (409, "FileExists")
    assert ((folder / "a").read_text(), (folder / "b").read_text()) == ("old", "other")
    await files("WriteFile", path="a", content={"json": [1]})
    assert (folder / "a").read_text() == '{"json":[1]}'
    assert names_in(folder) == ["a", "b"]


OUTSIDE = ["../secret.txt", "/../secret.txt", "a/../../secret.txt", "link/secret.txt", "leaf", "..\\secret.txt", "a\0b"]


@pytest.mark.parametrize("path", OUTSIDE)
@pytest.mark.parametrize("operation", ["ReadFile", "WriteFile", "AppendFile", "MoveFile", "DeleteFile"])
async def test_there_is_no_way_out_of_the_folder(files: Performer, folder: Path, operation: str, path: str) -> None:
    (folder / "link").symlink_to(folder.parent)
    (folder / "leaf").symlink_to(folder.parent / "secret.txt")
    (folder / "mine").write_text("mine")
    given: dict[str, Any] = {"path": path}
    if operation in {"WriteFile", "AppendFile"}:
        given["content"] = "overwritten"
    if operation == "MoveFile":
        given = {"path": "mine", "to": path, "overwrite": True}
    answer = await files(operation, **given)
    assert isinstance(answer, ProtocolRefusal | UnbuildableRequest), answer
    assert (folder.parent / "secret.txt").read_text() == "secret"
    assert names_in(folder.parent) == ["inbox", "secret.txt"]


async def test_links_are_neither_listed_nor_news(files: Performer, folder: Path) -> None:
    cursor = (await files("OnNewFile")).cursor
    (folder / "leaf").symlink_to(folder.parent / "secret.txt")
    (folder / "link").symlink_to(folder.parent)
    assert (await files("ListFiles", recursive=True)).body["value"] == []
    assert (await files("OnNewFile", cursor=cursor, recursive=True)).body["value"] == []


@pytest.mark.parametrize("operation", ["AppendFile", "DeleteFile"])
async def test_a_link_that_takes_the_place_of_a_folder_in_between_is_not_followed(
    files: Performer, folder: Path, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    outside = folder.parent / "outside"
    for place in (outside, folder / "a"):
        place.mkdir()
        (place / "f").write_text("text")
    looked_at = 0

    def replaced(root: Path, asked: str) -> Path:
        nonlocal looked_at
        found, looked_at = path_within(root, asked), looked_at + 1
        if looked_at == (2 if operation == "DeleteFile" else 1):  # which says first what it deletes
            (folder / "a").rename(folder / "b")
            (folder / "a").symlink_to(outside)
        return found

    monkeypatch.setattr(local_files, "path_within", replaced)
    refused = await files(operation, path="a/f", **({"content": "more"} if operation == "AppendFile" else {}))
    assert refused.status in {403, 404}
    assert (outside / "f").read_text() == "text"


async def test_a_pipe_is_not_waited_for(files: Performer, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    refused = await files("ReadFile", path="pipe")
    assert isinstance(refused, ProtocolRefusal)


@pytest.mark.parametrize("path", ["/etc", "inbox", "{folder}/..", "{folder}/link", "{folder}/missing"])
async def test_a_folder_outside_of_the_roots_is_no_connection(folder: Path, path: str) -> None:
    (folder / "link").symlink_to(folder.parent)
    protocols = Protocols((), files_roots=(folder,))
    refused = await protocols.sign_in(connector("files"), {"folder": path.format(folder=folder)}, None)
    assert isinstance(refused, ProtocolRefusal)
    assert await protocols.sign_in(connector("files"), {"folder": str(folder)}, None) == SignedIn()


def names_in(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def age(path: Path, seconds: float = 60) -> None:
    """As if nobody had changed it for so long; its time of creation stays."""
    os.utime(path, (LONG_AGO - seconds, LONG_AGO - seconds))


class Watch:
    def __init__(self, files: Performer, operation: str) -> None:
        self._files, self._operation, self.cursor = files, operation, None
        self.seen: list[str] = []

    async def look(self, **given: Any) -> Any:
        answer = await self._files(self._operation, cursor=self.cursor, **given)
        self.cursor = answer.cursor
        self.seen += [one["path"] for one in answer.body["value"]]
        return answer


async def test_a_new_file_fires_once_when_nobody_writes_it_any_more(
    files: Performer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "old.csv").write_text("old")
    watch = Watch(files, "OnNewFile")
    await watch.look(pattern="*.csv")
    (folder / "new.csv").write_text("a")
    (folder / "new.txt").write_text("a")
    await watch.look(pattern="*.csv")
    assert watch.seen == []  # it may still be written
    (folder / "new.csv").write_text("ab")
    monkeypatch.setattr(file_operations, "SETTLES_WITHIN_SECONDS", 0.0)
    answer = await watch.look(pattern="*.csv", includeContent=True)
    assert watch.seen == ["/new.csv"]
    assert answer.body["value"][0]["content"]["$content"] == "YWI="
    (folder / "new.csv").write_text("abc")
    await watch.look(pattern="*.csv")
    assert watch.seen == ["/new.csv"]
    (folder / "new.csv").unlink()
    await watch.look(pattern="*.csv")
    (folder / "new.csv").write_text("again")
    await watch.look(pattern="*.csv")
    assert watch.seen == ["/new.csv", "/new.csv"]


async def test_a_changed_file_and_one_moved_in_fire_too(
    files: Performer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_operations, "SETTLES_WITHIN_SECONDS", 0.0)
    (folder / "old").write_text("old")
    outside = folder.parent / "moved"
    outside.write_text("x")
    age(outside)
    watch = Watch(files, "OnNewOrChangedFile")
    await watch.look()
    (folder / "old").write_text("changed")
    outside.rename(folder / "moved")
    await watch.look()
    assert watch.seen == ["/moved", "/old"]
    await watch.look()
    assert watch.seen == ["/moved", "/old"]


async def test_a_thousand_new_files_come_once_each(
    files: Performer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_operations, "SETTLES_WITHIN_SECONDS", 0.0)
    watch = Watch(files, "OnNewFile")
    await watch.look()
    for number in range(1000):
        (folder / f"{number}.txt").write_text(str(number))
    while (await watch.look()).has_more:
        pass
    assert sorted(watch.seen) == sorted(f"/{number}.txt" for number in range(1000))


async def test_what_came_before_the_first_look_is_new_where_it_is_younger_than_the_trigger(
    files: Performer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_operations, "SETTLES_WITHIN_SECONDS", 0.0)
    (folder / "a").write_text("a")
    began = (folder / "a").stat().st_ctime
    late, early = (datetime.fromtimestamp(began + after, UTC).isoformat() for after in (60, -60))
    assert (await files("OnNewFile", start=late)).body == {"value": []}
    fired = await files("OnNewFile", start=early)
    assert [one["path"] for one in fired.body["value"]] == ["/a"]
    assert (await files("OnNewFile", start=early, cursor=fired.cursor)).body == {"value": []}


async def test_a_file_too_large_to_come_along_keeps_no_other_from_coming(
    files: Performer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_operations, "SETTLES_WITHIN_SECONDS", 0.0)
    monkeypatch.setattr(file_operations, "LARGEST_FILE", 3)
    watch = Watch(files, "OnNewFile")
    await watch.look()
    (folder / "large").write_text("1234")
    (folder / "small").write_text("123")
    answer = await watch.look(includeContent=True)
    assert sorted((one["path"], "content" in one) for one in answer.body["value"]) == [
        ("/large", False),
        ("/small", True),
    ]
    refused = await files("ReadFile", path="/large")
    assert (refused.status, refused.code) == (413, "FileTooLarge")
