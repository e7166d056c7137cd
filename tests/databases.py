"""The two databases Flowmend speaks: a file of SQLite's, and a throw-away PostgreSQL cluster on a socket."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from flowmend.store import open_store
from flowmend.store.tables import metadata

#: Speed over safety: nothing here outlives the tests.
_IN_A_HURRY = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"
_ON_A_SOCKET = "-c listen_addresses=''"


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """The URL of an empty database on a server that lives as long as the tests."""
    binaries = postgresql_binaries()
    with running_server(binaries, _ON_A_SOCKET) as folder:
        yield f"postgresql://flowmend@/postgres?host={folder}"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with all tables and no rows."""
    path = tmp_path_factory.mktemp("template") / "flowmend.db"
    open_store(f"sqlite:///{path}").close()
    return path


def empty_database(url: str) -> None:
    """Remove every row."""
    store = open_store(url)
    with store._database.writing() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
    store.close()


def postgresql_binaries() -> Path:
    """The folder of `initdb` and `pg_ctl`. At home their absence skips; under CI=true it fails."""
    found = _find_binaries()
    if found is not None:
        return found
    if os.environ.get("CI") == "true":
        pytest.fail("PostgreSQL is not installed, and CI tests both databases.")
    pytest.skip("PostgreSQL is not installed (no initdb and pg_ctl found).")


def _find_binaries() -> Path | None:
    """The folder of `initdb` and `pg_ctl`; Debian keeps them off the path, one folder for each version."""
    on_path = shutil.which("initdb")
    newest_first = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: -int(folder.parent.name))
    for folder in [*([Path(on_path).resolve().parent] if on_path else []), *newest_first]:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    return None


@contextmanager
def running_server(binaries: Path, options: str, files: Mapping[str, bytes] = MappingProxyType({})) -> Iterator[Path]:
    """The folder of a running server's socket, where the role `flowmend` needs no password.

    options: of `postgres`. files: put into the cluster's folder before it starts.
    """
    # A short path: a socket's may have about 100 characters, and pytest's folders are long.
    folder = Path(tempfile.mkdtemp(prefix="fm-pg-"))
    person: dict[str, Any] = {}
    if os.getuid() == 0:  # the server refuses to run as root
        person = {"user": "nobody", "extra_groups": []}
        shutil.chown(folder, "nobody")
    cluster = folder / "cluster"

    def run(program: str, *arguments: object) -> None:
        # Not captured through a pipe: the server would inherit it and keep it open.
        with (folder / f"{program}.out").open("a+") as output:
            command = [binaries / program, "-D", cluster, *map(str, arguments)]
            ended = subprocess.run(command, check=False, stdout=output, stderr=output, cwd=folder, **person)
            output.seek(0)
            if ended.returncode != 0:
                pytest.fail(f"{program} failed: {output.read()}")

    try:
        run("initdb", "-U", "flowmend", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
        for name, content in files.items():
            path = cluster / name
            path.write_bytes(content)
            path.chmod(0o600)
            if person:
                shutil.chown(path, "nobody")
        run("pg_ctl", "-w", "-l", folder / "log", "-o", f"-k {folder} {_IN_A_HURRY} {options}", "start")
        try:
            yield folder
        finally:
            run("pg_ctl", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
