"""Real parts for use cases: SQLite in a folder of its own, a real vault, a real transport; only time is chosen."""

import shutil
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from flowmend.core.connection.credentials import Credential
from flowmend.core.connection.health import HealthState
from flowmend.core.connector import allowed_origins
from flowmend.settings import Settings
from flowmend.store import Store, open_store
from flowmend.store.rows import ConnectionRow, ConnectorRow
from flowmend.transport import HttpTransport, Protocols
from flowmend.use_cases.attempts import new_account_attempts
from flowmend.use_cases.call_operation import CallOperations
from flowmend.use_cases.held_flows import HeldFlows
from flowmend.use_cases.known_health import KnownHealth
from flowmend.use_cases.loaded_connectors import LoadedConnectors
from flowmend.use_cases.loaded_flows import LoadedFlows
from flowmend.use_cases.pending_consents import PendingConsents
from flowmend.use_cases.ports import Dispatch, Services
from flowmend.use_cases.repair_links import repair_door
from flowmend.use_cases.sealed_credentials import seal_credential
from flowmend.use_cases.secret_uses import SecretUses
from flowmend.vault import Vault, open_vault
from flowmend.worker.broadcast import Broadcast


@dataclass(slots=True)
class ChosenClock:
    """Stands still until told to move."""

    now: datetime = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
    count: int = 0

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)

    def guid(self) -> uuid.UUID:
        self.count += 1
        return uuid.UUID(int=self.count)

    def draw(self) -> float:
        return 0.5

    def ticks(self) -> int:
        self.count += 1
        return 10**17 - self.count


@dataclass(slots=True)
class House:
    """The services with what a test turns: its clock, what was published, and how connections are made."""

    services: Services
    clock: ChosenClock
    published: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def install(self, connector_id: str, definition: dict[str, Any], properties: dict[str, Any]) -> None:
        self.services.store.connectors.put(
            ConnectorRow(
                connector_id=connector_id,
                display_name=connector_id.title(),
                definition=definition,
                properties={"properties": properties},
                fingerprint="f",
                installed_at=self.clock.now,
            )
        )

    def connect(self, connector_id: str, credential: Credential | None, **columns: Any) -> ConnectionRow:
        """A connection `<connector>-1` that is connected, unless the columns say otherwise."""
        connector = self.services.connectors.get(connector_id)
        parameters = columns.pop("parameters", {})
        row = ConnectionRow(
            **{
                "connection_id": f"{connector_id}-1",
                "connector_id": connector_id,
                "display_name": f"My {connector_id}",
                "owner_id": "p1",
                "parameters": parameters,
                "allowed_origins": list(allowed_origins(connector, parameters)),
                "health": HealthState.CONNECTED,
                "health_changed_at": self.clock.now,
                "last_good_at": self.clock.now,
                "created_at": self.clock.now,
                "changed_at": self.clock.now,
                **columns,
            }
        )
        if credential is not None:
            sealed = seal_credential(self.services.vault, row, credential)
            row = ConnectionRow(
                **{name: getattr(row, name) for name in row.__struct_fields__} | {"sealed_credential": sealed}
            )
        self.services.store.connections.add(row)
        return row

    def connection(self, connection_id: str) -> ConnectionRow:
        row = self.services.store.connections.get(connection_id)
        assert row is not None
        return row


class _AnyLoopbackPort(frozenset[str]):
    """Allows every port of 127.0.0.1: local servers get theirs after the transport is made."""

    def __contains__(self, host_and_port: object) -> bool:
        return str(host_and_port).startswith("127.0.0.1:")


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with its tables; a copy is quicker than making them for every test."""
    path = tmp_path_factory.mktemp("database") / "flowmend.db"
    open_store(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def store(tmp_path: Path, empty_database: Path) -> Iterator[Store]:
    shutil.copy(empty_database, tmp_path / "flowmend.db")
    opened = open_store(f"sqlite:///{tmp_path / 'flowmend.db'}")
    yield opened
    opened.close()


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return open_vault(tmp_path)


@pytest.fixture
async def house(store: Store, vault: Vault, tmp_path: Path, anyio_backend: str) -> AsyncIterator[House]:
    clock, changes = ChosenClock(), Broadcast()
    http = HttpTransport(frozenset())
    http._guard._allowed = _AnyLoopbackPort()
    await http.start()
    protocols = Protocols(frozenset(), http=http, files_roots=(tmp_path / "files",))
    protocols._guard._allowed = _AnyLoopbackPort()
    built: list[Services] = []
    services: Callable[[], Services] = lambda: built[0]  # noqa: E731  parts refer to the whole
    operations, connectors, health = CallOperations(services), LoadedConnectors(store), KnownHealth()
    published: list[tuple[str, dict[str, Any]]] = []
    for listener in (operations.heard, connectors.heard, health.heard):
        changes.listen(listener)
    changes.listen(lambda topic, facts: published.append((topic, facts)))
    built.append(
        Services(
            settings=Settings(data=tmp_path),
            store=store,
            vault=vault,
            http=http,
            protocols=protocols,
            clock=clock,
            dispatch=cast("Dispatch", None),
            changes=changes,
            flows=LoadedFlows(store, vault),
            connectors=connectors,
            health=health,
            operations=operations,
            consents=PendingConsents(),
            secret_uses=SecretUses(store),
            new_account_attempts=new_account_attempts(),
            repair_door=repair_door(),
            held=HeldFlows(),
        )
    )
    yield House(built[0], clock, published)
    await http.close()
    protocols.close()
