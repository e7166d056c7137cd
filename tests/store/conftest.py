"""Both databases for the store's contract, and rows with everything that must be there."""

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from databases import empty_database
from flowmend.store import Store, open_store
from flowmend.store.journal import Statement, Write
from flowmend.store.rows import (
    ConnectionMappingRow,
    ConnectionRow,
    FlowRow,
    FlowState,
    FlowVersionRow,
    HealthState,
    PersonRow,
    RunRow,
    TriggerEventRow,
)

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with all tables and no rows, once for each kind."""
    if request.param == "sqlite":
        path = tmp_path / "flowmend.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    url = request.getfixturevalue("postgresql_url")
    yield url
    empty_database(url)


@pytest.fixture
def opened(url: str) -> Iterator[Callable[[], Store]]:
    """Opens the database as another process would; all are closed at the end."""
    with ExitStack() as stack:

        def open_another() -> Store:
            store = open_store(url)
            stack.callback(store.close)
            return store

        yield open_another


@pytest.fixture
def store(opened: Callable[[], Store]) -> Store:
    return opened()


class Examples:
    """Rows with everything that must be there; a test names what it is about."""

    noon = NOON

    def flow(self, flow_id: str = "flow-1", **parts: Any) -> FlowRow:
        return FlowRow(
            **{
                "flow_id": flow_id,
                "name": "Order received",
                "packaging": "plain",
                "state": FlowState.ON,
                "version": "v1",
                "owner_id": "owner",
                "sealed_access_key": b"\0\xffsealed",
                "settings": {"onBrokenConnection": "holdEvents"},
                "created_at": NOON,
                "changed_at": NOON,
                **parts,
            }
        )

    def version(self, flow_id: str = "flow-1", version: str = "v1", **parts: Any) -> FlowVersionRow:
        document = {"definition": {"actions": {"Größe": {"inputs": [1, 2.5, None, "\0"]}}}}
        return FlowVersionRow(
            **{"flow_id": flow_id, "version": version, "document": document, "created_at": NOON, **parts}
        )

    def connection(self, connection_id: str = "shop", **parts: Any) -> ConnectionRow:
        return ConnectionRow(
            **{
                "connection_id": connection_id,
                "connector_id": "orders",
                "display_name": "Order service",
                "owner_id": "owner",
                "parameters": {"host": "localhost"},
                "allowed_origins": ["http://localhost:9000"],
                "sealed_credential": b"old",
                "health": HealthState.CONNECTED,
                "health_changed_at": NOON,
                "created_at": NOON,
                "changed_at": NOON,
                **parts,
            }
        )

    def mapping(
        self, flow_id: str = "flow-1", reference: str = "shared_orders", to: str = "shop"
    ) -> ConnectionMappingRow:
        return ConnectionMappingRow(flow_id=flow_id, reference=reference, connection_id=to)

    def person(self, person_id: str = "owner", **parts: Any) -> PersonRow:
        return PersonRow(**{"person_id": person_id, "name": "Owner", "created_at": NOON, **parts})

    def run_name(self, number: int) -> str:
        """Names decrease over time, as the service's do."""
        return f"{10**29 - 1 - number:029d}CU00"

    def run(self, number: int = 1, **parts: Any) -> RunRow:
        name = self.run_name(number)
        return RunRow(
            **{
                "run_name": name,
                "flow_id": "flow-1",
                "version": "v1",
                "trigger_name": "manual",
                "status": "Running",
                "started_at": NOON + timedelta(seconds=number),
                "client_tracking_id": name,
                "start": b"\0start",
                **parts,
            }
        )

    def event(self, number: int = 1, **parts: Any) -> TriggerEventRow:
        name = self.run_name(number)
        return TriggerEventRow(
            **{
                "event_name": name,
                "flow_id": "flow-1",
                "trigger_name": "manual",
                "status": "Succeeded",
                "fired": True,
                "started_at": NOON + timedelta(seconds=number),
                "tracking_id": "tracking",
                "client_tracking_id": name,
                "run_name": name,
                **parts,
            }
        )


@pytest.fixture(scope="session")
def examples() -> Examples:
    return Examples()


Settle = Callable[[Store, Sequence[Sequence[Write]]], list[BaseException | None]]


@pytest.fixture(scope="session")
def settle() -> Settle:
    """Tells what became of submissions that are handed over while the writer is busy, so that they make one group."""
    return _settle


@pytest.fixture(scope="session")
def write() -> Callable[..., None]:
    """Submits writes as one, waits, and raises what went wrong."""

    def write(store: Store, *writes: Write) -> None:
        (error,) = _settle(store, [writes])
        if error is not None:
            raise error

    return write


def _settle(store: Store, submissions: Sequence[Sequence[Write]]) -> list[BaseException | None]:
    errors: list[BaseException | None] = [None] * len(submissions)
    go_on, finished = threading.Event(), threading.Semaphore(0)

    def told(place: int) -> Callable[[BaseException | None], None]:
        def note(error: BaseException | None) -> None:
            errors[place] = error
            finished.release()

        return note

    store.journal.submit([Statement(lambda _: go_on.wait(5))], lambda _: None)
    for place, writes in enumerate(submissions):
        store.journal.submit(writes, told(place))
    go_on.set()
    for _ in submissions:
        assert finished.acquire(timeout=60)
    return errors
