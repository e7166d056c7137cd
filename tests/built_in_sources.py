"""What the triggers of built-in connectors wait for, at real servers: things can be added, and each is known by a number."""

import imaplib
import ssl
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from certificates import Authority
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.flows import map_connection, turn_on
from mail_servers import ImapServer
from password_database import PasswordDatabase
from running import Running

PASSWORD = "right-password"


class Source(ABC):
    """number: an expression of the number of the item a run is for."""

    connector_id: ClassVar[str]
    operation_id: ClassVar[str]
    parameters: ClassVar[dict[str, Any]]
    number: ClassVar[str]
    values: dict[str, str]

    def __init__(self) -> None:
        self.count = 0

    def add(self, count: int) -> None:
        for _ in range(count):
            self.count += 1
            self.add_one(self.count)

    @abstractmethod
    def add_one(self, number: int) -> None: ...

    @abstractmethod
    def close(self) -> None:
        """Let go of the server."""


class Files(Source):
    connector_id, operation_id, parameters = "files", "OnNewFile", {"folder": "/in"}
    number = "@{replace(triggerOutputs()?['body/name'], '.txt', '')}"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder / "in"
        self.folder.mkdir(parents=True)
        self.values = {"folder": str(folder)}

    def add_one(self, number: int) -> None:
        (self.folder / f"{number}.txt").write_text(str(number), encoding="utf-8")

    def close(self) -> None:
        pass


class Rows(Source):
    connector_id, operation_id, parameters = "postgresql", "OnNewRow", {"table": "source.items"}
    number = "@{triggerOutputs()?['body/id']}"

    def __init__(self, database: PasswordDatabase) -> None:
        super().__init__()
        self._database = database
        self.close()
        database.set_role("ada", PASSWORD)
        database.tell("CREATE SCHEMA source AUTHORIZATION ada")
        database.tell("CREATE TABLE source.items (id int PRIMARY KEY, note text)")
        database.tell("ALTER TABLE source.items OWNER TO ada")
        self.values = {"host": "localhost", "port": str(database.port), "database": "postgres", "user": "ada"}
        self.values["password"] = PASSWORD

    def add(self, count: int) -> None:
        self._database.tell(f"INSERT INTO source.items SELECT generate_series({self.count + 1}, {self.count + count})")
        self.count += count

    def add_one(self, number: int) -> None:
        self._database.tell(f"INSERT INTO source.items VALUES ({number:d})")  # noqa: S608  a number

    def close(self) -> None:
        self._database.tell("DROP SCHEMA IF EXISTS source CASCADE")


class Mails(Source):
    connector_id, operation_id, parameters = "imap", "OnNewEmail", {"folder": "Numbered"}
    number = "@{triggerOutputs()?['body/subject']}"

    def __init__(self, server: ImapServer, authority: Authority) -> None:
        super().__init__()
        server.set_account("ada", PASSWORD)
        context = ssl.create_default_context(cafile=str(authority.root))
        self.client = imaplib.IMAP4_SSL("localhost", server.tls_port, ssl_context=context)
        self.client.login("ada", PASSWORD)
        self.client.delete("Numbered")
        self.client.create("Numbered")
        self.values = {"host": "localhost", "port": str(server.tls_port), "user": "ada", "password": PASSWORD}

    def add_one(self, number: int) -> None:
        mail = f"Subject: {number}\r\nFrom: bob@shop.example\r\n\r\nNumber {number}.\r\n"
        kind, told = self.client.append("Numbered", "", "", mail.encode())  # type: ignore[arg-type]
        assert kind == "OK", told

    def close(self) -> None:
        self.client.logout()


def call(connector_id: str, operation_id: str, reference: str, **parameters: Any) -> dict[str, Any]:
    """An action that calls an operation of a built-in connector."""
    host = {"connectionName": reference, "operationId": operation_id, "apiId": f"/apis/{connector_id}"}
    return {"type": "OpenApiConnection", "runAfter": {}, "inputs": {"host": host, "parameters": parameters}}


async def connected(running: Running, connector_id: str, values: dict[str, str]) -> str:
    """The id of a new connection."""
    return (await create_connection(running.services, connector_id, "Mine", values, running.owner)).row.connection_id


async def flow_for(running: Running, source: Source, actions: dict[str, Any], connections: dict[str, str]) -> str:
    """The id of a flow that is on. connections: {reference: id}, the trigger's under `shared_source`."""
    trigger = call(source.connector_id, source.operation_id, "shared_source", **source.parameters)
    del trigger["runAfter"]
    trigger["recurrence"] = {"frequency": "Minute", "interval": 1}
    flow_id = await running.add_flow(actions, triggers={"new": trigger}, is_on=False)
    for reference, connection_id in connections.items():
        await map_connection(running.services, flow_id, reference, connection_id, running.owner)
    await turn_on(running.services, flow_id, running.owner)
    return flow_id
