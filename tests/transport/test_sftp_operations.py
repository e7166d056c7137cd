"""The operations of SFTP at a real server: which server is trusted with what, and files as those of this machine."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from flowmend.core.connection.credentials import BasicCredential
from flowmend.core.connection.diagnosis import Phase, ReceivedAnswer, diagnose
from flowmend.core.connector import ProtocolRefusal, SignedIn, TransportFailure, UnbuildableRequest
from flowmend.core.outcome import Category
from flowmend.transport import Protocols, file_operations
from performing import Performer, connector

asyncssh = pytest.importorskip("asyncssh")
from sftp_server import SftpServer, sftp_server  # noqa: E402  it needs the extra

pytestmark = pytest.mark.anyio


@pytest.fixture
async def server(tmp_path: Path, anyio_backend: str) -> AsyncIterator[SftpServer]:
    folder = tmp_path / "there"
    (folder / "inbox").mkdir(parents=True)
    async with sftp_server(folder) as there:
        yield there


def place(server: SftpServer, **more: str) -> dict[str, Any]:
    return {
        "host": "127.0.0.1",
        "port": str(server.port),
        "folder": "/inbox",
        "fingerprint": server.fingerprint,
        **more,
    }


async def signed_in(server: SftpServer, password: str = "right-password", **more: str) -> Any:
    protocols = Protocols({f"127.0.0.1:{server.port}"})
    credential = BasicCredential(user="ada", password=password)
    return await protocols.sign_in(connector("sftp"), place(server, **more), credential)


@pytest.fixture
async def sftp(server: SftpServer) -> AsyncIterator[Performer]:
    performer = Performer("sftp", place(server))
    yield performer
    await performer.close()


async def test_a_password_is_shown_to_the_server_with_the_right_key_alone(server: SftpServer) -> None:
    unknown = await signed_in(server, fingerprint="")
    assert (unknown.code, server.fingerprint in unknown.text) == ("FingerprintNeeded", True)
    other = await signed_in(server, fingerprint="SHA256:AAAA")
    assert other.code == "HostKeyMismatch"
    assert server.tries == []
    assert await signed_in(server) == SignedIn()


@pytest.mark.parametrize("by_keyboard_only", [False, True])
async def test_a_wrong_password_is_shown_once(server: SftpServer, by_keyboard_only: bool) -> None:
    server.by_keyboard_only = by_keyboard_only
    refused = await signed_in(server, "wrong")
    assert isinstance(refused, ProtocolRefusal)
    assert (refused.code, refused.status) == ("PermissionDenied", 0)
    said = ReceivedAnswer(body=refused.text, protocol=refused.protocol, phase=Phase.CONNECT)
    assert diagnose(said, had_credential=True).category is Category.WRONG_PASSWORD
    assert len(server.tries) == 1
    assert await signed_in(server) == SignedIn()


async def test_a_key_signs_in_also_without_its_line_breaks(server: SftpServer) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    text = key.export_private_key().decode()
    assert (await signed_in(server, text)).code == "PermissionDenied"
    server.keys.append(key.convert_to_public())
    assert await signed_in(server, text) == SignedIn()
    assert await signed_in(server, text.replace("\n", " ")) == SignedIn()
    closed = key.export_private_key("pkcs8-pem", passphrase="x").decode()
    assert (await signed_in(server, closed)).code == "InvalidCredential"
    assert server.tries == []


async def test_a_server_that_is_away_is_no_refusal(server: SftpServer) -> None:
    away = await Protocols({"127.0.0.1:1"}).sign_in(
        connector("sftp"), place(server, port="1"), BasicCredential(user="ada", password="x")
    )
    assert isinstance(away, TransportFailure)
    guarded = await Protocols(()).sign_in(connector("sftp"), place(server), BasicCredential(user="ada", password="x"))
    assert guarded.code == "AddressNotAllowed"


async def test_a_file_is_written_read_appended_moved_and_deleted(sftp: Performer, server: SftpServer) -> None:
    inbox = server.folder / "inbox"
    written = await sftp("WriteFile", path="/a/é.txt", content="one\n")
    assert (written.body["path"], written.body["size"]) == ("/a/é.txt", 4)
    await sftp("AppendFile", path="/a/é.txt", content="two")
    assert (await sftp("ReadFile", path="a/é.txt")).body["content"]["$content"] == "b25lCnR3bw=="
    await sftp("WriteFile", path="/b", content="other")
    refused = await sftp("MoveFile", path="/b", to="/a/é.txt")
    assert (refused.status, refused.code) == (409, "FileExists")
    await sftp("MoveFile", path="/b", to="/a/é.txt", overwrite=True)
    assert (inbox / "a" / "é.txt").read_text() == "other"
    listed = (await sftp("ListFiles", recursive=True)).body["value"]
    assert [one["path"] for one in listed] == ["/a", "/a/é.txt"]
    await sftp("DeleteFile", path="/a/é.txt")
    await sftp("DeleteFile", path="/a")
    gone = await sftp("ReadFile", path="/a/é.txt")
    assert (gone.status, gone.code) == (404, "FileNotFound")
    assert isinstance(await sftp("ReadFile", path="/../secret"), UnbuildableRequest)


async def test_many_new_files_come_once_each(
    sftp: Performer, server: SftpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_operations, "SETTLES_WITHIN_SECONDS", 0.0)
    (server.folder / "inbox" / "old.txt").write_text("old")
    cursor, seen = (await sftp("OnNewFile")).cursor, []
    for number in range(120):
        (server.folder / "inbox" / f"{number}.txt").write_text(str(number))
    while True:
        answer = await sftp("OnNewFile", cursor=cursor)
        cursor = answer.cursor
        seen += [one["name"] for one in answer.body["value"]]
        if not answer.has_more:
            break
    assert sorted(seen) == sorted(f"{number}.txt" for number in range(120))
