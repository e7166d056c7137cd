"""What a data folder says of its server, and the token beside it."""

import os
import stat
from pathlib import Path

import pytest

from flowmend.cli.local_server import (
    LocalServer,
    forget_local_server,
    held_alone,
    read_local_server,
    read_local_token,
    write_local_server,
    write_local_token,
)
from flowmend.cli.server_client import find_server
from flowmend.core.errors import AskedWrongly, NotAllowed, ServiceUnreachable

SERVER = LocalServer(url="http://127.0.0.1:8080", pid=4711)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write_local_server(tmp_path, SERVER)
    assert read_local_server(tmp_path) == SERVER


@pytest.mark.parametrize("content", ["", "{", '{"url": 1}', "[]"])
def test_an_unreadable_statement_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "server.json").write_text(content)
    assert read_local_server(tmp_path) is None


def test_only_its_own_statement_is_taken_back(tmp_path: Path) -> None:
    write_local_server(tmp_path, SERVER)
    forget_local_server(tmp_path, 1)
    assert read_local_server(tmp_path) == SERVER
    forget_local_server(tmp_path, 4711)
    assert read_local_server(tmp_path) is None


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such file modes")
def test_the_token_is_for_its_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "cli-token").write_text("old")
    (tmp_path / "cli-token").chmod(0o644)
    write_local_token(tmp_path, "fm_new")
    assert read_local_token(tmp_path) == "fm_new"
    assert stat.S_IMODE((tmp_path / "cli-token").stat().st_mode) == 0o600


def test_the_folder_names_server_and_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOWMEND_TOKEN", raising=False)
    write_local_server(tmp_path, SERVER)
    write_local_token(tmp_path, "fm_here")

    server = find_server(None, tmp_path)

    assert (server.url, server.token) == (SERVER.url, "fm_here")
    assert "fm_here" not in repr(server)


def test_a_folder_without_a_server_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(ServiceUnreachable, match="flowmend up"):
        find_server(None, tmp_path)


def test_a_url_needs_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOWMEND_TOKEN", raising=False)
    with pytest.raises(NotAllowed):
        find_server("https://flows.example.org", None)


def test_a_url_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWMEND_TOKEN", "fm_x")
    with pytest.raises(AskedWrongly):
        find_server("file:///etc/passwd", None)


def test_a_folder_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    with held_alone(tmp_path), pytest.raises(BlockingIOError), held_alone(tmp_path):
        pass
    with held_alone(tmp_path):
        assert stat.S_IMODE((tmp_path / "serving.lock").stat().st_mode) & 0o077 == 0
