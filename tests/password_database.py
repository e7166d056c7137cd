"""A real PostgreSQL that asks for passwords, over TLS and in the clear, on loopback."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from certificates import Authority
from databases import postgresql_binaries, running_server

#: https://www.postgresql.org/docs/current/auth-pg-hba-conf.html
_WHO_MAY = b"""
local all all trust
host all turned_away 127.0.0.1/32 reject
host all all 127.0.0.1/32 scram-sha-256
"""


class PasswordDatabase:
    """folder: of its socket, where its administrator needs no password."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self.port = port

    def tell(self, statement: str) -> None:
        """A statement by the administrator."""
        with self.administrator(autocommit=True) as connection:
            connection.execute(statement.encode())

    def told(self, query: str) -> list[tuple[Any, ...]]:
        """What the administrator reads."""
        with self.administrator(autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()

    def administrator(self, *, autocommit: bool = False) -> "psycopg.Connection[tuple[Any, ...]]":
        """A session of the administrator's own."""
        return psycopg.connect(
            host=str(self._folder), port=self.port, user="flowmend", dbname="postgres", autocommit=autocommit
        )

    def set_role(self, name: str, password: str, options: str = "LOGIN") -> None:
        self.tell(f"DROP ROLE IF EXISTS {name}")
        self.tell(f"CREATE ROLE {name} {options} PASSWORD '{password}'")


@pytest.fixture(scope="session")
def password_database(authority: Authority) -> Iterator[PasswordDatabase]:
    with running_password_database(authority) as database:
        yield database


@contextmanager
def running_password_database(authority: Authority) -> Iterator[PasswordDatabase]:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    files = {
        "pg_hba.conf": _WHO_MAY,
        "server.crt": authority.server_chain.read_bytes(),
        "server.key": authority.server_key.read_bytes(),
    }
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c ssl=on -c max_connections=20"
    with running_server(postgresql_binaries(), options, files) as folder:
        database = PasswordDatabase(folder, port)
        database.tell("CREATE DATABASE closed")
        database.tell("REVOKE CONNECT ON DATABASE closed FROM PUBLIC")
        yield database
